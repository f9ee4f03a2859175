"""
Each guard under, at and over its limit; missing data; all reasons; tighter limits.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.events import LimitValues, PlaceOrder, Refusal
from spark.guards import POLICY, POLICY_NAMES
from spark.guards.duplicate import order_key
from spark.guards.evaluate import evaluate
from spark.guards.limits import ENDLESS_NS, Limits
from spark.guards.verdict import Approved, Refused
from spark.ledger.prices import Known
from spark.ledger.snapshot import FirstResult, Snapshot, result_key
from spark.names import IntentId, OrderType, Reason, Symbol, TimeInForce, TradingMode
from tests.guarded import DIGEST, MS, D, codes, equity, prices, snapshot, valued
from tests.made import NOW_NS, SECOND_NS, STRATEGY, SYMBOL, events_of, instrument, named, place
from tests.start import SPEC, WIDE
from tests.unit.guards import test_accounts, test_amounts


def rules(**changes: object) -> Snapshot:
    return snapshot(instruments={SYMBOL: instrument(**changes)})


def seen_before(digest: str) -> Snapshot:
    first = {result_key(STRATEGY, named("one")): FirstResult(digest, 41)}
    return snapshot(first_results=first)


def aged(seconds: float) -> Snapshot:
    return snapshot(now_ns=NOW_NS + int(seconds * SECOND_NS))


def test_an_ordinary_order_passes() -> None:
    """What follows changes one thing at a time of an order that is approved."""
    assert evaluate(place(), valued(place(), snapshot(), WIDE), WIDE) == Approved(place())


@pytest.mark.parametrize(
    ("order", "snap", "expected"),
    [
        # kill switch
        (place(), snapshot(halts=("latch:a", "environment")), Reason.KILL_SWITCH_ACTIVE),
        # the time inside the id
        (place(intent_id=named("a", NOW_NS + 2 * SECOND_NS)), snapshot(), None),
        (
            place(intent_id=named("a", NOW_NS + 2 * SECOND_NS + MS)),
            snapshot(),
            Reason.INTENT_FROM_THE_FUTURE,
        ),
        (place(intent_id=named("a", NOW_NS - 5 * SECOND_NS)), snapshot(), None),
        (
            place(intent_id=named("a", NOW_NS - 5 * SECOND_NS - MS)),
            snapshot(),
            Reason.INTENT_EXPIRED,
        ),
        (place(intent_id=IntentId("free text")), snapshot(), Reason.MALFORMED),
        # life, counted from the append and capped
        (place(ttl_ns=SECOND_NS), aged(0.999), None),
        (place(ttl_ns=SECOND_NS), aged(1), Reason.INTENT_EXPIRED),
        (place(ttl_ns=10**18), aged(4.999), None),
        (place(ttl_ns=10**18), aged(5), Reason.INTENT_EXPIRED),
        (place(ttl_ns=0), snapshot(), Reason.INTENT_EXPIRED),
        (place(ttl_ns=-(10**18)), snapshot(), Reason.INTENT_EXPIRED),
        # ids
        (place(), seen_before(DIGEST), Reason.DUPLICATE_INTENT),
        (place(), seen_before("other"), Reason.INTENT_ID_REUSED),
        # the gateway
        (place(), snapshot(gateway_ready_epoch=None), Reason.GATEWAY_NOT_READY),
        (place(), snapshot(gateway_fenced_epoch=4), Reason.GATEWAY_NOT_READY),
        (
            place(),
            snapshot(gateway_ready_epoch=None, gateway_fenced_epoch=None),
            Reason.GATEWAY_NOT_READY,
        ),
        (place(), snapshot(unknown_symbols={SYMBOL}), Reason.UNKNOWN_OUTCOME_OPEN),
        (place(), snapshot(unknown_symbols={Symbol("ETHUSDT")}), None),
        # the instrument
        (place(), snapshot(instruments={}), Reason.INSTRUMENT_UNKNOWN),
        (place(), rules(published_ns=NOW_NS - 3600 * SECOND_NS), None),
        (place(), rules(published_ns=NOW_NS - 3600 * SECOND_NS - 1), Reason.INSTRUMENT_STALE),
        (place(), rules(is_trading=False), Reason.INSTRUMENT_HALTED),
        # price
        (place(price=D("60000.01")), snapshot(), None),
        (place(price=D("60000.015")), snapshot(), Reason.PRICE_PRECISION),
        (place(price=D("60000.015")), rules(tick_size=D("0")), None),
        (place(price=D("0.01"), quantity=D("9000")), snapshot(), None),
        (
            place(price=D("0.01"), quantity=D("9000")),
            rules(price_min=D("0.02")),
            Reason.PRICE_OUT_OF_RANGE,
        ),
        (place(price=D("0")), snapshot(), Reason.PRICE_OUT_OF_RANGE),
        (place(price=D("-1")), snapshot(), Reason.PRICE_OUT_OF_RANGE),
        (place(price=D("1000000")), snapshot(), None),
        (place(price=D("1000000.01")), snapshot(), Reason.PRICE_OUT_OF_RANGE),
        # quantity
        (place(quantity=D("0.00009")), snapshot(), None),
        (place(quantity=D("0.000095")), snapshot(), Reason.QUANTITY_PRECISION),
        (place(quantity=D("0.00005")), rules(quantity_min=D("0.00005"), notional_min=D("0")), None),
        (
            place(quantity=D("0.00004")),
            rules(quantity_min=D("0.00005"), notional_min=D("0")),
            Reason.QUANTITY_OUT_OF_RANGE,
        ),
        (place(quantity=D("0")), snapshot(), Reason.QUANTITY_OUT_OF_RANGE),
        (place(quantity=D("-0.01")), snapshot(), Reason.QUANTITY_OUT_OF_RANGE),
        (place(quantity=D("0.1")), rules(quantity_max=D("0.1")), None),
        (place(quantity=D("0.1")), rules(quantity_max=D("0.09999")), Reason.QUANTITY_OUT_OF_RANGE),
        (place(quantity=D("0.1")), rules(quantity_max=D("0")), None),
        # worth
        (place(price=D("500"), quantity=D("0.01")), snapshot(), None),
        (place(price=D("499.99"), quantity=D("0.01")), snapshot(), Reason.NOTIONAL_BELOW_MINIMUM),
        (place(price=D("50000"), quantity=D("0.2")), snapshot(), None),
        (place(price=D("50000.01"), quantity=D("0.2")), snapshot(), Reason.NOTIONAL_EXCEEDED),
        # shape
        (place(order_type=OrderType.MARKET, price=None, time_in_force=None), snapshot(), None),
        (place(order_type=OrderType.MARKET, time_in_force=None), snapshot(), Reason.MALFORMED),
        (place(time_in_force=None), snapshot(), Reason.MALFORMED),
        (place(time_in_force=TimeInForce.IOC), snapshot(), None),
    ],
)
def test_each_guard_under_at_and_over_its_limit(
    order: PlaceOrder, snap: Snapshot, expected: Reason | None
) -> None:
    """
    B1, B2, B5, B6, A7, A11, R11: exactly where each guard begins to refuse.

    Faults K1, K10, K11, K13, V8, C2 and M5.
    """
    # The market is where the order is, so that the collar has no say here.
    at = order.price if order.price is not None and order.price > 0 else Decimal(60_000)
    found = codes(order, snap, marks=prices(snap.now_ns, BTCUSDT=f"{at} {at}"))
    if expected is None:
        assert found == []
    else:
        assert expected in found


def test_every_guard_is_in_that_table() -> None:
    """A guard without a row there would be a guard without a proof."""
    here = (
        "kill_switch", "intent_time", "expiry", "duplicate_id", "order_shape", "gateway_ready",
        "no_unknown_outcome", "instrument_known", "price_precision", "price_range",
        "quantity_precision", "quantity_range", "notional_minimum", "notional",
    )  # fmt: skip
    # The session has tables of its own (test_session.py).
    elsewhere = (*test_amounts.PROVED, *test_accounts.PROVED)
    assert sorted(POLICY_NAMES) == sorted((*here, "session", *elsewhere))


def test_all_reasons_are_reported_in_the_order_of_the_policy() -> None:
    """A2: no guard hides another; the audit sees everything that is wrong."""
    order = place(quantity=Decimal("-0.000001"), price=Decimal("0.001"), ttl_ns=0)
    snap = snapshot(
        halts=("environment",),
        gateway_ready_epoch=None,
        unknown_symbols={SYMBOL},
    )
    assert codes(order, snap) == [
        Reason.KILL_SWITCH_ACTIVE,
        Reason.INTENT_EXPIRED,
        Reason.GATEWAY_NOT_READY,
        Reason.UNKNOWN_OUTCOME_OPEN,
        Reason.PRICE_PRECISION,
        Reason.PRICE_OUT_OF_RANGE,
        Reason.QUANTITY_PRECISION,
        Reason.QUANTITY_OUT_OF_RANGE,
        Reason.NOTIONAL_BELOW_MINIMUM,
        Reason.PRICE_COLLAR_EXCEEDED,
    ]


def test_a_refusal_says_what_was_found_and_what_the_limit_is() -> None:
    """A2: codes with found value and limit."""
    order = place(price=Decimal(50_001), quantity=Decimal("0.2"))
    verdict = evaluate(order, valued(order, snapshot(), WIDE), WIDE)
    assert verdict == Refused(
        (Refusal(code=Reason.NOTIONAL_EXCEEDED, found="10000.20000000 USD", limit="10000 USD"),)
    )


@pytest.mark.parametrize(
    "missing",
    [
        {"instruments": {}},
        {"clock": None},
        {"audit_lag_ns": None},
        {"equity": None},
        {"gateway_ready_epoch": None},
        {"gateway_fenced_epoch": None},
    ],
    ids=str,
)
def test_missing_data_refuses(missing: dict[str, object]) -> None:
    """Missing data is a refusal, neither a pass nor an exception."""
    assert codes(place(), snapshot(**missing))


@given(events_of(PlaceOrder), st.booleans())
def test_no_order_that_can_be_decoded_stops_a_guard(order: PlaceOrder, is_known: bool) -> None:
    """R20: whatever one strategy writes, every guard answers; a crash would stop all of them."""
    instruments = {order.symbol: instrument(symbol=order.symbol)} if is_known else {}
    marks = prices()
    for known in (marks.feed, marks.watch):
        known[order.symbol] = Known(Decimal(1), Decimal(2), NOW_NS)
    verdict = evaluate(order, valued(order, snapshot(instruments=instruments), WIDE, marks), WIDE)
    assert isinstance(verdict, Refused)


@pytest.mark.parametrize(
    ("price", "quantity"),
    [("1" + "0" * 30, "0.01"), ("0.01", "1" + "0" * 30), ("0." + "0" * 29 + "1", "9" * 31)],
)
def test_the_largest_and_smallest_decimals_are_refused(price: str, quantity: str) -> None:
    """R20: a quotient of more digits than the default context holds is no exception."""
    order = place(price=Decimal(price), quantity=Decimal(quantity))
    assert codes(order, snapshot())


def less_ns(value: Any, by: int) -> Any:  # noqa: ANN401
    return value - by * MS


def less(value: Any, by: int) -> Any:  # noqa: ANN401
    return max(value - by, type(value)(1))


#: What is changed, and which way is tighter.
TIGHTER: list[tuple[str, Callable[[Any, int], Any]]] = [
    *(
        (name, less_ns)
        for name in (
            "intent_life_ns_max", "approval_life_ns_max", "future_ns_max",
            "instrument_age_ns_max", "clock_drift_ns_max", "clock_age_ns_max",
            "quote_age_ns_max", "check_age_ns_max", "audit_lag_ns_max", "equity_age_ns_max",
            "reconciled_age_ns_max", "receipt_age_ns_max",
        )
    ),
    *(
        (name, less)
        for name in (
            "order_notional_usd_max", "exposure_usd_max", "drawdown_pct_max",
            "notional_try_per_s_max", "price_collar_pct_max", "prices_apart_pct_max",
            "trickle_order_try_max", "orders_per_minute_max", "open_orders_max",
        )
    ),
    ("duplicate_window_ns", lambda value, by: value + by * MS),
    ("trickle_symbols", lambda value, _: value - {SYMBOL}),
    (
        "strategy",
        lambda _, by: LimitValues(
            order_notional_usd_max=Decimal(by + 1),
            orders_per_minute_max=by // 1_000 + 1,
            open_orders_max=by // 1_000 + 1,
        ),
    ),
]  # fmt: skip


def test_every_limit_is_tightened_below() -> None:
    """A new limit has to say which way is tighter."""
    assert {one.name for one in fields(Limits)} - {"version"} == {name for name, _ in TIGHTER}


@given(
    st.sampled_from(TIGHTER),
    st.integers(0, 3_000),
    st.decimals(Decimal(1), Decimal(70_000), places=2),
    st.decimals(Decimal("0.00001"), Decimal(1), places=5),
    st.integers(-3_000, 6_000),
    st.integers(0, 6_000),
)
def test_a_tighter_limit_never_turns_a_refusal_into_an_approval(  # noqa: PLR0917
    change: tuple[str, Callable[[Any, int], Any]],
    by: int,
    price: Decimal,
    quantity: Decimal,
    made_ms: int,
    age_ms: int,
) -> None:
    """Limits order the verdicts: what is refused stays refused."""
    name, tighten = change
    tight = replace(SPEC, **{name: tighten(getattr(SPEC, name), by)})
    order = place(intent_id=named("a", NOW_NS - made_ms * MS), price=price, quantity=quantity)
    snap = snapshot(
        now_ns=NOW_NS + age_ms * MS,
        mode=TradingMode.TRICKLE if by % 2 else TradingMode.LIVE,
        recent={order_key(order): NOW_NS - by * MS},
        equity=equity("9000", "10000"),
        equity_ns=NOW_NS - by * 3 * MS,
        audit_lag_ns=by * MS,
        receipt_age_ns=ENDLESS_NS - by * MS,
    )
    marks = prices(NOW_NS - by * MS, BTCUSDT="60000 60100")
    assert codes(order, snap, tight, marks) or not codes(order, snap, SPEC, marks)


def test_the_policy_digest_names_guards_and_limits() -> None:
    """R15: a decision can be traced to the very guards and limits that made it."""
    digest = WIDE.digest(POLICY_NAMES)
    assert len(digest) == 16
    assert WIDE.digest(POLICY_NAMES[1:]) != digest
    assert replace(WIDE, order_notional_usd_max=Decimal(9_999)).digest(POLICY_NAMES) != digest
    assert replace(WIDE).digest(tuple(guard.__name__ for guard in POLICY)) == digest
