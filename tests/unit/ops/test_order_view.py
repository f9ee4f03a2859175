"""
An order's life as screens show it, from records in any order between topics.
"""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark import topics
from spark.events import Event, IntentRefused, OrderApproved
from spark.names import Action, OrderState, Reason, TradingMode
from spark.ops.order_view import OrderRow, OrderView
from tests.hops import Chain, intent_written
from tests.made import NOW_NS, Life, cancel, place

MS = 1_000_000
ORDER = place()
LIFE = Life()
CANCEL = cancel(ORDER)


def _hops() -> list[tuple[str, Event]]:
    chain = Chain()
    decision = chain.decide(intent_written(ORDER))
    signed, _ = chain.sign(decision)
    return [
        (topics.INTENTS, ORDER),
        (topics.DECISIONS, decision),
        (topics.SIGNED, signed),
        (topics.EVENTS, LIFE.claimed()),
        (topics.EVENTS, LIFE.acked()),
    ]


HOPS = _hops()


def shown(records: list[tuple[str, Event]]) -> dict[str, OrderRow]:
    """Feed records, each a millisecond after the one before it in an order's life."""
    view = OrderView()
    for topic, event in records:
        rank = [*topics.BY_NAME].index(topic)
        offset = next((n for n, (_, one) in enumerate(HOPS) if one is event), 90)
        at_ns = NOW_NS + (offset if offset < 90 else 10 + rank) * MS
        view.see(event, topic=topic, offset=offset, appended_ns=at_ns)
    return view.rows


def on_events(*events: Event) -> OrderRow:
    return shown([*HOPS, *((topics.EVENTS, event) for event in events)])[ORDER.intent_id]


def test_a_row_holds_the_order_and_its_hops() -> None:
    """F1: what was asked, where each hop stands, and Place→ACK by the broker's clock."""
    row = shown(HOPS)[ORDER.intent_id]
    assert (row.action, row.symbol, row.side) == (Action.PLACE, "BTCUSDT", "buy")
    assert (row.quantity, row.price, row.state) == ("0.01", "60000", OrderState.SUBMITTED)
    assert row.client_order_id == LIFE.client_order_id
    assert row.place_ack_ms == 4
    assert row.is_settled
    assert [hop.kind for hop in row.hops] == [
        "place_order", "order_approved", "request_sealed", "order_claimed", "order_acked",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "order", list(permutations([topics.INTENTS, topics.DECISIONS, topics.EVENTS]))
)
def test_topics_may_come_in_any_order(order: tuple[str, ...]) -> None:
    """Each topic is read by itself; the row is the same."""
    records = [one for topic in order for one in HOPS if one[0] == topic]
    expected = shown([one for one in HOPS if one[0] != topics.SIGNED])
    assert shown(records) == expected


@given(st.permutations(HOPS))
def test_any_order_of_records_gives_a_row(records: list[tuple[str, Event]]) -> None:
    """No record order is an error, and what the exchange has proved is always shown."""
    row = shown(records)[ORDER.intent_id]
    assert row.exchange_order_id == "77"
    assert row.state is OrderState.SUBMITTED
    assert len(row.hops) == 5


@pytest.mark.parametrize(
    ("events", "state", "is_settled"),
    [
        ([], OrderState.SUBMITTED, True),
        ([LIFE.filled("0.3", "0.3", "t")], OrderState.PARTIALLY_FILLED, True),
        ([LIFE.filled("1", "1", "t")], OrderState.FILLED, True),
        ([LIFE.cancelled()], OrderState.CANCELLED, True),
        ([LIFE.expired()], OrderState.EXPIRED, True),
    ],
)
def test_the_state_is_the_ledgers(events: list[Event], state: OrderState, is_settled: bool) -> None:
    """The same table as everywhere."""
    row = on_events(*events)
    assert (row.state, row.is_settled) == (state, is_settled)


def test_before_the_answer_an_order_is_not_settled() -> None:
    """What is in flight is waited for; an unknown is an answer, if a sad one."""
    row = shown(HOPS[:4])[ORDER.intent_id]
    assert (row.state, row.is_settled, row.place_ack_ms) == (OrderState.CLAIMED, False, None)
    unknown = shown([*HOPS[:4], (topics.EVENTS, LIFE.unknown())])[ORDER.intent_id]
    assert (unknown.state, unknown.is_settled) == (OrderState.UNKNOWN, True)


def test_filled_is_the_largest_quantity_seen() -> None:
    """Fills in any order, and what a cancel says: never less than was shown before."""
    assert on_events(LIFE.filled("0.2", "0.5", "b"), LIFE.filled("0.3", "0.3", "a")).filled == "0.5"
    assert on_events(LIFE.cancelled("0.25")).filled == "0.25"


@pytest.mark.parametrize(
    ("end", "is_settled"),
    [
        (None, False),
        (LIFE.cancelled(by="cancel"), True),
        (LIFE.cancel_rejected("cancel"), True),
        (LIFE.unknown(cancel_of="cancel"), True),
    ],
    ids=["in flight", "cancelled", "rejected", "unknown"],
)
def test_a_cancel_has_a_row_of_its_own(end: Event | None, is_settled: bool) -> None:
    """A cancel ends with its answer, or with the lack of one; nobody waits on it for ever."""
    records = [*HOPS, (topics.INTENTS, CANCEL)]
    records.append((topics.EVENTS, LIFE.claimed(cancel_of="cancel")))
    records += [] if end is None else [(topics.EVENTS, end)]
    row = shown(records)[CANCEL.intent_id]
    assert (row.action, row.target_intent_id) == (Action.CANCEL, ORDER.intent_id)
    assert row.is_settled is is_settled


def refused() -> IntentRefused:
    chain = Chain()
    chain.decide(intent_written(ORDER))
    decision = chain.decide(intent_written(ORDER), offset=1)
    assert isinstance(decision, IntentRefused)
    return decision


def test_a_repetition_leaves_the_first_ones_row_alone() -> None:
    """A7: the second of an id was refused; the first one's order lives, and its row says so."""
    again = refused()
    assert [one.code for one in again.reasons] == [Reason.DUPLICATE_INTENT]
    records = [HOPS[0], HOPS[1], (topics.DECISIONS, again)]
    row = shown(records)[ORDER.intent_id]
    assert (row.state, row.reasons) == (OrderState.PENDING, ())
    assert len(row.hops) == 3
    assert on_events(LIFE.not_sent(Reason.DUPLICATE_CLAIM)).reasons == ()


def test_a_shadow_order_shows_its_mode_and_why_it_was_not_sent() -> None:
    """B1: cancelled before it was sent, with the one reason that is no refusal."""
    _, (_, decision), *_ = HOPS
    assert isinstance(decision, OrderApproved)
    shadow = replace(decision, mode=TradingMode.SHADOW)
    ended = LIFE.not_sent(Reason.SHADOW_MODE)
    row = shown([HOPS[0], (topics.DECISIONS, shadow), (topics.EVENTS, ended)])[ORDER.intent_id]
    assert (row.mode, row.state, row.is_settled) == ("shadow", OrderState.CANCELLED, True)
    assert [one.code for one in row.reasons] == [Reason.SHADOW_MODE]


def test_a_refusal_shows_its_reasons() -> None:
    """Every reason, with what was found and the limit, on the hop's one line."""
    chain = Chain()
    decision = chain.decide(intent_written(place(ttl_ns=0)))
    assert not isinstance(decision, OrderApproved)
    row = shown([HOPS[0], (topics.DECISIONS, decision)])[ORDER.intent_id]
    assert (row.state, row.is_settled) == (OrderState.REJECTED, True)
    assert row.hops[-1].detail == "intent_expired 0 ms (limit 0 ms)"


def test_what_names_no_intent_is_nobodys_row() -> None:
    """Fences, pulses and refused rubbish are no orders."""
    view = OrderView()
    nobody = IntentRefused(
        stamp=refused().stamp, account="", strategy="", intent_id="", reasons=(),  # type: ignore[arg-type]
        basis=refused().basis,
    )  # fmt: skip
    assert view.see(nobody, topic=topics.DECISIONS, offset=0, appended_ns=0) is None
    assert view.rows == {}
