"""
Limits as typed and as shown.
"""

from decimal import Decimal

import pytest

from spark.cli.limits_desk import held_back, limits_view, read_assignments
from spark.cli.words_desk import Sight
from spark.consumers.guardrail_start import Start
from spark.errors import RefusedError
from spark.events import LimitValues
from spark.ledger.limit_sense import LIMIT_NAMES
from spark.names import Endpoint, StrategyId, Symbol, TradingMode
from spark.ops.control_reader import ControlLog
from tests.made import ACCOUNT, NOW_NS
from tests.persons import LOCAL, SECOND, Room, demoted, set_limits, set_mode, signed
from tests.start import SPEC

DEMO = StrategyId("strategy-demo")


def sight(room: Room, ramp_pct: int = 100) -> Sight:
    """What a command sees of a room."""
    start = Start(limits=SPEC, mode=room.start, endpoint=Endpoint.SIM, volume_ramp_pct=ramp_pct)
    log = ControlLog(room.people, room.start, control=room.control)
    return Sight(log, {}, start, room.start, NOW_NS)


def in_force(seen: Sight, strategy: str = "") -> dict[str, object]:
    rows = limits_view(seen, ACCOUNT, strategy).rows
    return {row.name: row.in_force for row in rows if row.in_force is not None}


def test_limits_are_read_as_people_write_them() -> None:
    """Digits, whole numbers, lists; `none` takes back."""
    assert read_assignments(
        ["exposure_usd_max=12.50", "open_orders_max=3", "trickle_symbols=ethusdt, BTCUSDT"]
    ) == {
        "exposure_usd_max": Decimal("12.50"),
        "open_orders_max": 3,
        "trickle_symbols": ("BTCUSDT", "ETHUSDT"),
    }
    assert read_assignments(["exposure_usd_max=none", "trickle_symbols="]) == {
        "exposure_usd_max": None,
        "trickle_symbols": (),
    }


@pytest.mark.parametrize(
    "typed",
    [
        [],
        ["exposure_usd_max"],
        ["exposure=1"],
        ["__class__=1"],
        ["exposure_usd_max="],
        ["exposure_usd_max=ten"],
        ["exposure_usd_max=nan"],
        ["exposure_usd_max=inf"],
        ["exposure_usd_max=1e3"],
        ["exposure_usd_max=-1"],
        ["exposure_usd_max=+1"],
        ["exposure_usd_max=1,5"],
        ["exposure_usd_max=\N{ARABIC-INDIC DIGIT ONE}x"],
        ["exposure_usd_max=1_000"],
        ["exposure_usd_max=" + "9" * 19],
        ["open_orders_max=1.5"],
        ["open_orders_max=0x1"],
        ["exposure_usd_max=1", "exposure_usd_max=2"],
        ["trickle_max=BTCUSDT"],
        ["trickle_symbols=ETHUSD\udcffT"],
        ["trickle_symbols=BTCUSDT,BTC/USDT"],
        ["trickle_symbols=" + "X" * 5_000],
        ["exposure_usd_max=" + "x" * 5_000],
        ["x" * 5_000],
    ],
    ids=lambda typed: ascii(" ".join(typed))[:40],
)
def test_what_is_no_limit_is_refused_by_name(typed: list[str]) -> None:
    """Bad input: unknown keys, floats in words, signs, exponents, twice the same."""
    with pytest.raises(RefusedError) as caught:
        read_assignments(typed)
    said = str(caught.value)
    assert "limits are" in said or "_max" in said or "is no symbol" in said
    # What is typed may be no text, and as long as a command may be.
    assert said.isprintable()
    assert len(said) < 1_000


def test_start_values_people_and_ramp_make_what_is_in_force() -> None:
    """The stricter of environment and people; in live the ramp scales caps, and says which."""
    room = Room(TradingMode.LIVE)
    looser = LimitValues(exposure_usd_max=Decimal(100), open_orders_max=1000)
    room.say(signed(set_limits(looser)))
    found = in_force(sight(room))
    assert found["exposure_usd_max"] == 100
    assert found["open_orders_max"] == SPEC.open_orders_max
    assert found["quote_age_ms_max"] == 2000
    assert found["duplicate_window_ms"] == 1000
    view = limits_view(sight(room, ramp_pct=20), ACCOUNT, "")
    scaled = {row.name: row.in_force for row in view.rows if row.is_scaled}
    assert scaled == {
        "exposure_usd_max": 20,
        "notional_try_per_s_max": 100,
        "open_orders_max": 4,
        "order_notional_usd_max": 2000,
        "orders_per_minute_max": 6,
    }


def test_outside_live_nothing_is_scaled() -> None:
    """B1: the ramp is live's alone."""
    room = Room(TradingMode.TRICKLE)
    view = limits_view(sight(room, ramp_pct=1), ACCOUNT, "")
    assert not any(row.is_scaled for row in view.rows)
    assert in_force(sight(room, ramp_pct=1))["orders_per_minute_max"] == 30


def test_a_protections_rate_is_shown_as_in_force() -> None:
    """B10: what the sentinel lowered is what counts."""
    room = Room(TradingMode.LIVE)
    room.stop(demoted(mode=None, orders_per_minute_max=1))
    assert in_force(sight(room))["orders_per_minute_max"] == 1


def test_a_strategys_limits_are_shown_for_themselves() -> None:
    """Only what was set for it, and only limits that a strategy has."""
    room = Room(TradingMode.LIVE)
    room.say(signed(set_limits(LimitValues(exposure_usd_max=Decimal(10)), strategy=DEMO)))
    seen = sight(room)
    assert in_force(seen, DEMO) == {"exposure_usd_max": 10}
    assert limits_view(seen, ACCOUNT, DEMO).version == 1
    names = {row.name for row in limits_view(seen, ACCOUNT, DEMO).rows}
    assert "quote_age_ms_max" not in names


def test_without_a_guardrail_nothing_is_claimed_to_be_in_force() -> None:
    """A start value that nobody has said is not made up."""
    room = Room(TradingMode.LIVE)
    for person in (LOCAL, SECOND):
        room.say(signed(set_mode(TradingMode.LIVE, 5), person))
    seen = sight(room)
    bare = Sight(seen.log, {}, None, room.start, NOW_NS)
    view = limits_view(bare, ACCOUNT, "")
    assert not view.has_start
    assert all(row.start is None and row.in_force is None for row in view.rows)


def test_a_limit_that_the_environment_holds_back_is_named() -> None:
    """Somebody who loosens past the start value is told that nothing changes."""
    seen = sight(Room(TradingMode.LIVE))
    said = LimitValues(
        exposure_usd_max=Decimal(60_000),
        open_orders_max=20,
        quote_age_ms_max=2001,
        duplicate_window_ms=999,
        audit_lag_ms_max=100,
        trickle_symbols=(Symbol("BTCUSDT"), Symbol("DOGEUSDT")),
        capital_usd=Decimal(10),
    )
    assert set(held_back(seen, said, LIMIT_NAMES)) == {
        "exposure_usd_max",
        "quote_age_ms_max",
        "duplicate_window_ms",
        "trickle_symbols",
    }
    assert held_back(Sight(seen.log, {}, None, seen.start_mode, NOW_NS), said, LIMIT_NAMES) == ()
