"""
What limits mean: which change loosens, which makes no sense.
"""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.events import LimitValues
from spark.ledger.limit_sense import LIMIT_NAMES, absurd, changed, loosened
from spark.names import Symbol
from tests.made import events_of

SYMBOLS = (Symbol("BTCUSDT"), Symbol("ETHUSDT"))
#: For each limit: a stricter and a looser value.
PAIRS: dict[str, tuple[Any, Any]] = {
    "order_notional_usd_max": (Decimal(1), Decimal(2)),
    "exposure_usd_max": (Decimal(1), Decimal(2)),
    "drawdown_pct_max": (Decimal(1), Decimal(2)),
    "orders_per_minute_max": (1, 2),
    "notional_try_per_s_max": (Decimal(1), Decimal(2)),
    "open_orders_max": (1, 2),
    "price_collar_pct_max": (Decimal(1), Decimal(2)),
    "quote_age_ms_max": (1, 2),
    "audit_lag_ms_max": (1, 2),
    "duplicate_window_ms": (2, 1),
    "trickle_order_try_max": (Decimal(1), Decimal(2)),
    "trickle_symbols": (SYMBOLS[:1], SYMBOLS),
    "capital_usd": (Decimal(1), Decimal(2)),
}
each_limit = pytest.mark.parametrize("name", LIMIT_NAMES)


def values(**said: object) -> LimitValues:
    return LimitValues(**said)  # type: ignore[arg-type]


@each_limit
def test_s6_the_reader_knows_which_way_each_limit_loosens(name: str) -> None:
    """S6: looser is computed, limit by limit; taking one back loosens, a first one never."""
    strict, loose = (values(**{name: one}) for one in PAIRS[name])
    nothing = LimitValues()
    assert loosened(strict, loose) == (name,)
    assert loosened(loose, strict) == ()
    assert loosened(strict, strict) == ()
    assert loosened(strict, nothing) == (name,)
    assert loosened(nothing, loose) == ()
    assert changed(strict, loose) == changed(nothing, strict) == (name,)
    assert changed(strict, strict) == ()


def test_another_symbol_loosens_and_another_order_of_them_changes_nothing() -> None:
    """A list of symbols is a set: more of them is looser, a swap is looser too."""
    one, other, both = ((SYMBOLS[0],), (SYMBOLS[1],), SYMBOLS)
    assert loosened(values(trickle_symbols=one), values(trickle_symbols=other))
    assert not changed(values(trickle_symbols=both), values(trickle_symbols=both[::-1]))
    assert not loosened(values(trickle_symbols=both), values(trickle_symbols=()))


@each_limit
def test_nothing_and_less_than_nothing_are_no_limits(name: str) -> None:
    """Zero, negative, not a number: refused with the limit's name."""
    if name == "trickle_symbols":
        bad: list[Any] = [("",), ("btcusdt",), ("BTC USDT",), ("X" * 21,), SYMBOLS[:1] * 2]
    elif isinstance(PAIRS[name][0], Decimal):
        bad = [Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("Infinity")]
    else:
        bad = [0, -1, 10**9]
    for value in bad:
        (problem,) = absurd(values(**{name: value}))
        assert problem.startswith(name)
    assert absurd(values(**{name: PAIRS[name][0]})) == ()


@pytest.mark.parametrize("name", ["drawdown_pct_max", "price_collar_pct_max"])
def test_a_percentage_of_all_is_no_limit(name: str) -> None:
    """100 % of drawdown or of price would never refuse."""
    assert absurd(values(**{name: Decimal("99.9")})) == ()
    assert absurd(values(**{name: Decimal(100)})) != ()


def test_limits_that_contradict_each_other_are_named_both() -> None:
    """One order above the whole exposure, or above what a second may move, cannot be meant."""
    (problem,) = absurd(values(order_notional_usd_max=Decimal(2), exposure_usd_max=Decimal(1)))
    assert "order_notional_usd_max" in problem
    assert "exposure_usd_max" in problem
    (problem,) = absurd(values(trickle_order_try_max=Decimal(9), notional_try_per_s_max=Decimal(8)))
    assert "notional_try_per_s_max" in problem
    assert absurd(values(order_notional_usd_max=Decimal(1), exposure_usd_max=Decimal(1))) == ()


def test_a_strategy_has_no_limit_that_nobody_would_look_at() -> None:
    """A limit without effect would be believed: it is refused."""
    (problem,) = absurd(values(price_collar_pct_max=Decimal(1)), "strategy-demo")
    assert "price_collar_pct_max" in problem
    assert absurd(values(exposure_usd_max=Decimal(1)), "strategy-demo") == ()


@given(events_of(LimitValues), events_of(LimitValues), st.sampled_from(["", "strategy-demo"]))
def test_any_limits_are_judged_without_an_exception(
    before: LimitValues, after: LimitValues, strategy: str
) -> None:
    """Whatever a record holds, sense and direction have an answer; what loosens has changed."""
    absurd(after, strategy)
    assert set(loosened(before, after)) <= set(changed(before, after))
    both = {name for name in LIMIT_NAMES if getattr(before, name) is not None}
    assert both & set(changed(before, after)) >= set(loosened(before, after))
