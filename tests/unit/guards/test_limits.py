"""Limits in force: of environment and people the stricter, in live a part of it (B1, B3)."""

from dataclasses import fields
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.consumers.guardrail_start import read_start, start_settings
from spark.events import LimitValues
from spark.guards.limits import Limits, from_settings, to_settings
from spark.names import Symbol
from tests import keyed
from tests.start import SPEC, WIDE, start

BTC = Symbol("BTCUSDT")


@pytest.mark.parametrize(
    ("said", "field", "expected"),
    [
        ({"exposure_usd_max": Decimal(20_000)}, "exposure_usd_max", Decimal(20_000)),
        ({"exposure_usd_max": Decimal(90_000)}, "exposure_usd_max", Decimal(50_000)),
        ({"orders_per_minute_max": 7}, "orders_per_minute_max", 7),
        ({"orders_per_minute_max": 31}, "orders_per_minute_max", 30),
        ({"quote_age_ms_max": 500}, "quote_age_ns_max", 500_000_000),
        ({"audit_lag_ms_max": 9_000}, "audit_lag_ns_max", 2_000_000_000),
        ({"duplicate_window_ms": 3_000}, "duplicate_window_ns", 3_000_000_000),
        ({"duplicate_window_ms": 10}, "duplicate_window_ns", 1_000_000_000),
        ({"trickle_symbols": (BTC, Symbol("ETHUSDT"))}, "trickle_symbols", frozenset({BTC})),
    ],
    ids=str,
)
def test_the_stricter_of_environment_and_people_is_in_force(
    said: dict[str, object], field: str, expected: object
) -> None:
    """B1: whatever people say, the environment can only be tightened by it."""
    found = SPEC.tightened(LimitValues(**said), 4)  # type: ignore[arg-type]
    assert getattr(found, field) == expected
    assert found.version == 4


def test_the_ramp_scales_caps_and_leaves_one_of_each_count() -> None:
    """B1: 1 % of 30 orders is not none; ages, collars and drawdown are no caps on volume."""
    own = LimitValues(order_notional_usd_max=Decimal(500), open_orders_max=5)
    found = Limits(
        **{one.name: getattr(SPEC, one.name) for one in fields(SPEC)} | {"strategy": own}
    ).ramped(1)
    assert found.order_notional_usd_max == 100
    assert found.exposure_usd_max == 500
    assert found.notional_try_per_s_max == 5
    assert (found.orders_per_minute_max, found.open_orders_max) == (1, 1)
    assert found.drawdown_pct_max == SPEC.drawdown_pct_max
    assert found.quote_age_ns_max == SPEC.quote_age_ns_max
    assert found.strategy.order_notional_usd_max == 5
    assert found.strategy.open_orders_max == 1
    assert found.strategy.exposure_usd_max is None
    assert SPEC.ramped(100) == SPEC


@given(st.integers(1, 100), st.integers(1, 100))
def test_a_lower_ramp_is_never_looser(low: int, high: int) -> None:
    """B1: 1 → 5 → 20 → 100 only ever opens."""
    low, high = sorted((low, high))
    for name in ("exposure_usd_max", "orders_per_minute_max", "open_orders_max"):
        assert getattr(SPEC.ramped(low), name) <= getattr(SPEC.ramped(high), name)


@pytest.mark.parametrize(("slow", "expected"), [(None, 30), (1, 1), (99, 30)])
def test_a_protection_only_slows(slow: int | None, expected: int) -> None:
    """B10: its rate counts where it is the lower one."""
    assert SPEC.slowed(slow).orders_per_minute_max == expected


@pytest.mark.parametrize("limits", [SPEC, WIDE], ids=["spec", "wide"])
def test_r15_what_the_fence_tells_is_what_it_started_from(limits: Limits) -> None:
    """R15: a replay starts each guardrail from its own fence."""
    assert from_settings(to_settings(limits)) == limits
    for witness in (None, keyed.witness().public_key()):
        begin = start(limits, witness=witness)
        assert read_start(start_settings(begin)) == begin


@pytest.mark.parametrize("broken", ["exposure_usd_max", "mode", "volume_ramp_pct", "witness_key"])
def test_a_fence_without_a_start_value_says_which(broken: str) -> None:
    """A fence of another version is named, not guessed at."""
    settings = start_settings(start(SPEC))
    del settings[broken]
    with pytest.raises(ValueError, match=broken):
        read_start(settings)
