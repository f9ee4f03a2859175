"""
Orders folded from the log: repetitions, overtaking, foreign epochs, oddities.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.events import Event, OrderFilled, PartitionFenced
from spark.ledger.fold import Order, Orders, cancel_key, fold_event, forget
from spark.ledger.orders import CLOSED
from spark.names import OrderState, Reason, Symbol
from tests.made import EPOCH, NOW_NS, SECOND_NS, SYMBOL, Life

OTHER = Symbol("ETHUSDT")


def fence() -> PartitionFenced:
    return PartitionFenced(
        role="gateway", instance="test", topic_ids={}, settings={}, fenced_ns=NOW_NS
    )


def folded(events: Iterable[Event], *, at_ns: int = NOW_NS) -> Orders:
    """Fold events as the gateway of EPOCH wrote them."""
    orders = Orders()
    fold_event(orders, fence(), EPOCH, at_ns)
    for offset, event in enumerate(events, EPOCH + 1):
        fold_event(orders, event, offset, at_ns)
    return orders


def only(orders: Orders) -> Order:
    (order,) = orders.by_id.values()
    return order


LIFE = Life()
#: Everything that may be said about one order by a gateway that claimed it.
SAID: list[Event] = [
    LIFE.claimed(),
    LIFE.acked(),
    LIFE.unknown(),
    LIFE.denied(),
    LIFE.rejected(),
    LIFE.filled("0.3", "0.3", "t1"),
    LIFE.filled("0.2", "0.5", "t2"),
    LIFE.filled("0.5", "1", "t3"),
    LIFE.filled("0.5", "0.5"),
    LIFE.cancelled("0.3", by="cancel"),
    LIFE.expired("0.3"),
    LIFE.claimed(cancel_of="cancel"),
    LIFE.unknown(cancel_of="cancel"),
    LIFE.cancel_rejected("cancel"),
    LIFE.not_sent(Reason.SIGNATURE_EXPIRED),
    LIFE.not_sent(Reason.CANCELLED_BEFORE_SEND),
    LIFE.not_sent(Reason.KILL_SWITCH_ACTIVE),
    LIFE.not_sent(Reason.DUPLICATE_CLAIM),
]
EVIDENCE = [one for one in SAID if not hasattr(one, "epoch")]


@given(st.lists(st.sampled_from(SAID), max_size=12))
def test_no_order_of_events_ends_a_reader(events: list[Event]) -> None:
    """
    A6: an impossible opinion is recorded and not applied; whoever reads the log goes on.

    Fault V5.
    """
    for order in folded(events).by_id.values():
        assert order.state in OrderState


@given(st.lists(st.sampled_from(SAID), max_size=10), st.integers(0, 10))
def test_a_fold_repeated_changes_nothing(events: list[Event], cut: int) -> None:
    """R4: the evidence of a log read twice, from any point on, tells the same."""
    proven = [event for event in events if not hasattr(event, "epoch")]
    once = folded([LIFE.claimed(), *proven])
    twice = folded([LIFE.claimed(), *proven, *proven[cut:]])
    if not proven:
        return
    assert only(twice).filled == only(once).filled
    assert only(twice).trades == only(once).trades
    again = deepcopy(once)
    fold_event(again, proven[-1], EPOCH, NOW_NS)
    assert (only(again).state, only(again).filled) == (only(once).state, only(once).filled)


HALF = [
    LIFE.filled("0.3", "0.3", "t1"),
    LIFE.filled("0.2", "0.5", "t2"),
    LIFE.filled("0.5", "0.5"),
    LIFE.acked(),
    LIFE.cancelled("0.5"),
]
WHOLE = [LIFE.filled("0.3", "0.3", "t1"), LIFE.filled("0.7", "1", "t2"), LIFE.acked()]


@given(st.permutations(HALF))
def test_fills_count_once_in_any_order(events: Sequence[Event]) -> None:
    """R4, R5: ack, trades, one average of them and the cancel: half was filled, however told."""
    assert only(folded([LIFE.claimed(), *events])).filled == Decimal("0.5")


@given(st.permutations([*WHOLE, LIFE.unknown()]))
def test_a_whole_fill_is_whole_in_any_order(events: Sequence[Event]) -> None:
    """R4: neither ack nor an unknown that comes late opens an order that has traded whole."""
    order = only(folded([LIFE.claimed(), *events]))
    assert (order.state, order.filled) == (OrderState.FILLED, Decimal(1))


def test_r5_a_fill_before_its_ack_implies_it() -> None:
    """R5: the private stream may be faster than the reply."""
    orders = folded([LIFE.claimed(), LIFE.filled("0.3", "0.3", "t1")])
    assert only(orders).state is OrderState.PARTIALLY_FILLED
    fold_event(orders, LIFE.acked(), EPOCH + 9, NOW_NS)
    assert only(orders).state is OrderState.PARTIALLY_FILLED
    assert only(orders).exchange_order_id == "77"
    assert only(orders).odd == ()


@pytest.mark.parametrize(
    "end", [LIFE.cancelled(), LIFE.expired(), LIFE.denied()], ids=["cancel", "expiry", "denial"]
)
def test_r5_a_fill_after_the_end_is_applied(end: Event) -> None:
    """
    R5: cancelled, expired or denied: what the exchange shows to have traded, traded.

    Fault V5.
    """
    orders = folded([LIFE.claimed(), LIFE.unknown(), end, LIFE.filled("1", "1", "t1")])
    assert (only(orders).state, only(orders).filled) == (OrderState.FILLED, Decimal(1))


def test_r5_a_fill_after_a_reject_is_applied_and_odd() -> None:
    """R5, fault V5: evidence that no documented way leads to is applied and raises an alarm."""
    order = only(folded([LIFE.claimed(), LIFE.rejected(), LIFE.filled("0.3", "0.3", "t1")]))
    assert (order.state, order.filled) == (OrderState.PARTIALLY_FILLED, Decimal("0.3"))
    assert order.odd == ("rejected:part_fill",)


@pytest.mark.parametrize(
    ("fills", "odd"),
    [
        ([("1", "1", "t1")], ()),
        ([("1", "1", "t1"), ("1", "1", "t1")], ()),
        ([("0.5", "0.5", "t1"), ("0.5", "1", "t2"), ("1", "1", "")], ()),
        ([("1.5", "1.5", "t1")], ("overfill 1.5 of 1",)),
        ([("1", "1", "t1"), ("0.5", "1.5", "t2")], ("overfill 1.5 of 1",)),
        ([("0.5", "1.5", "t2"), ("1", "1", "t1")], ("overfill 1.5 of 1",)),
        ([("1", "1", "t1"), ("0.5", "0.5", "t2")], ("overfill 1.5 of 1",)),
    ],
)
def test_more_than_was_ordered_is_applied_and_odd(
    fills: list[tuple[str, str, str]], odd: tuple[str, ...]
) -> None:
    """Fault V5: by cumulative or by the sum of its trades; what is told again is no more."""
    order = only(folded([LIFE.claimed(), LIFE.acked(), *(LIFE.filled(*one) for one in fills)]))
    assert order.state is OrderState.FILLED
    assert order.odd == odd
    assert order.filled == (Decimal("1.5") if odd else Decimal(1))


def test_an_end_that_tells_of_more_than_was_ordered_is_odd() -> None:
    """Fault V5: where no stream reports trades, a cancel's own reply is the evidence."""
    order = only(folded([LIFE.claimed(), LIFE.acked(), LIFE.cancelled("1.5")]))
    assert (order.filled, order.odd) == (Decimal("1.5"), ("overfill 1.5 of 1",))


def test_r5_a_fill_of_an_order_that_nobody_claimed_is_applied_and_odd() -> None:
    """R5: a claim of a lost epoch may have gone out; its fill counts."""
    order = only(folded([LIFE.filled("0.3", "0.3", "t1")]))
    assert (order.state, order.filled, order.symbol) == (
        OrderState.PARTIALLY_FILLED,
        Decimal("0.3"),
        SYMBOL,
    )
    assert order.odd == ("pending:part_fill",)


def test_what_a_cancel_says_was_filled_counts() -> None:
    """R5: where no stream reports trades, the cancel's own reply is the evidence."""
    order = only(folded([LIFE.claimed(), LIFE.acked(), LIFE.cancelled("0.3")]))
    assert (order.state, order.filled) == (OrderState.CANCELLED, Decimal("0.3"))


@pytest.mark.parametrize("epoch", [EPOCH - 1, EPOCH + 1])
@pytest.mark.parametrize(
    "opinion",
    [
        LIFE.claimed,
        lambda epoch: LIFE.not_sent(Reason.SIGNATURE_EXPIRED, epoch=epoch),
        LIFE.unknown,
        LIFE.denied,
    ],
    ids=["claim", "not sent", "unknown", "denial"],
)
def test_r4_opinions_of_a_foreign_epoch_are_dropped(
    epoch: int, opinion: Callable[[int], Event]
) -> None:
    """R2, R4: what a gateway says after it was fenced never counts."""
    orders = folded([opinion(epoch)])
    assert orders.by_id == {}
    assert orders.taken == {}


@pytest.mark.parametrize("proof", EVIDENCE, ids=lambda one: one.type)
def test_r4_evidence_counts_from_any_epoch(proof: Event) -> None:
    """R4: an ack of the gateway that was fenced is still the exchange's ack."""
    orders = folded([LIFE.claimed(), LIFE.claimed(cancel_of="cancel")])
    before = deepcopy(orders)
    fold_event(orders, fence(), EPOCH + 20, NOW_NS)
    before.epoch = orders.epoch
    fold_event(orders, proof, EPOCH + 21, NOW_NS)
    assert orders != before


def test_a_late_ack_of_an_older_epoch_and_the_unknown_after_it_can_be_read_again() -> None:
    """
    R4: G1's ack lands between G2's fence and G2's word that there is no answer.

    G2 had folded only up to its fence. Whoever folds the whole log meets an unknown
    of an order that is acknowledged: recorded, not applied, and no end of the reader.
    """
    orders = folded([LIFE.claimed()])
    fold_event(orders, fence(), EPOCH + 2, NOW_NS)
    fold_event(orders, LIFE.acked(), EPOCH + 3, NOW_NS)
    fold_event(orders, LIFE.unknown(EPOCH + 2), EPOCH + 4, NOW_NS)
    assert only(orders).state is OrderState.SUBMITTED
    assert only(orders).odd == ("submitted:silence",)
    assert orders.unknown_symbols == frozenset()


def test_an_unknown_blocks_its_symbol_until_evidence_settles_it() -> None:
    """R11: the symbol of the unknown is blocked, no other, and evidence frees it."""
    other = Life("two", symbol=OTHER)
    orders = folded([LIFE.claimed(), other.claimed(), LIFE.unknown(), other.unknown()])
    assert orders.unknown_symbols == {SYMBOL, OTHER}
    fold_event(orders, other.acked(), EPOCH + 9, NOW_NS)
    assert orders.unknown_symbols == {SYMBOL}
    fold_event(orders, LIFE.denied(), EPOCH + 10, NOW_NS)
    assert orders.unknown_symbols == frozenset()


def test_r1_an_id_is_taken_by_a_claim_and_by_an_end() -> None:
    """R1: once claimed, or ended unsent, an id can never be claimed again."""
    assert folded([LIFE.claimed()]).taken == {LIFE.client_order_id: NOW_NS}
    ended = folded([LIFE.not_sent(Reason.SIGNATURE_EXPIRED)])
    assert ended.taken == {LIFE.client_order_id: NOW_NS}
    assert only(ended).state is OrderState.EXPIRED


def test_a_duplicate_that_was_not_sent_says_nothing_of_the_order() -> None:
    """R1: the second record of an id is ended; the order of the first lives on."""
    orders = folded([LIFE.claimed(), LIFE.acked(), LIFE.not_sent(Reason.DUPLICATE_CLAIM)])
    assert only(orders).state is OrderState.SUBMITTED


@pytest.mark.parametrize(
    ("codes", "state"),
    [
        ((Reason.SIGNATURE_EXPIRED,), OrderState.EXPIRED),
        ((Reason.APPROVAL_EXPIRED, Reason.INTENT_EXPIRED), OrderState.EXPIRED),
        ((Reason.CANCELLED_BEFORE_SEND,), OrderState.CANCELLED),
        ((Reason.SHADOW_MODE,), OrderState.CANCELLED),
        ((Reason.SHADOW_MODE, Reason.SIGNATURE_EXPIRED), OrderState.CANCELLED),
        ((Reason.KILL_SWITCH_ACTIVE,), OrderState.REJECTED),
        ((Reason.SIGNATURE_EXPIRED, Reason.KILL_SWITCH_ACTIVE), OrderState.REJECTED),
    ],
)
@pytest.mark.parametrize("before", [[], [LIFE.claimed()]], ids=["queued", "claimed"])
def test_an_end_before_the_first_byte_has_its_state(
    codes: tuple[Reason, ...], state: OrderState, before: list[Event]
) -> None:
    """A6: lapsed, dropped or refused, whether it was still queued or claimed already."""
    assert only(folded([*before, LIFE.not_sent(*codes)])).state is state


def test_a_cancel_is_open_from_its_claim_to_its_answer() -> None:
    """A cancel has a key of its own: it shares its target's client order id."""
    claim = LIFE.claimed(cancel_of="cancel")
    for answer in (
        LIFE.cancelled(by="cancel"),
        LIFE.cancel_rejected("cancel"),
        LIFE.unknown(cancel_of="cancel"),
    ):
        orders = folded([LIFE.claimed(), LIFE.acked(), claim])
        assert list(orders.cancels) == [claim.intent_id]
        assert cancel_key(claim.intent_id) in orders.taken
        fold_event(orders, answer, EPOCH + 9, NOW_NS)
        assert orders.cancels == {}


def test_an_unanswered_cancel_leaves_its_order_in_doubt_not_unknown() -> None:
    """A cancel adds no risk: its order is asked about, and its symbol is not blocked."""
    claim = LIFE.claimed(cancel_of="cancel")
    orders = folded([LIFE.claimed(), LIFE.acked(), claim, LIFE.unknown(cancel_of="cancel")])
    assert orders.doubtful == {LIFE.client_order_id}
    assert orders.unknown_symbols == frozenset()
    fold_event(orders, LIFE.cancelled(), EPOCH + 9, NOW_NS)
    assert orders.doubtful == set()


def test_what_is_over_is_forgotten_and_what_is_open_is_not() -> None:
    """A7: an id is remembered longer than anything made of it can live; an open order for ever."""
    done, still = Life("done"), Life("still")
    orders = folded([done.claimed(), still.claimed(), done.rejected(), still.unknown()])
    forget(orders, NOW_NS)
    assert set(orders.by_id) == {done.client_order_id, still.client_order_id}
    assert len(orders.taken) == 2
    forget(orders, NOW_NS + 1)
    assert set(orders.by_id) == {still.client_order_id}
    assert orders.taken == {}
    assert orders.unknown_symbols == {SYMBOL}


def test_an_order_reopened_after_its_end_is_not_forgotten() -> None:
    """R5: evidence after a denial brings the order back, and it stays until its new end."""
    orders = folded([LIFE.claimed(), LIFE.unknown(), LIFE.denied()])
    fold_event(orders, LIFE.acked(), EPOCH + 5, NOW_NS + SECOND_NS)
    forget(orders, NOW_NS + 2 * SECOND_NS)
    assert only(orders).state is OrderState.SUBMITTED
    fold_event(orders, LIFE.cancelled(), EPOCH + 6, NOW_NS + SECOND_NS)
    forget(orders, NOW_NS + 2 * SECOND_NS)
    assert orders.by_id == {}


@given(st.lists(st.sampled_from(SAID), max_size=12))
def test_the_sets_of_a_book_agree_with_its_orders(events: list[Event]) -> None:
    """What blocks a symbol is exactly what is unknown; what is closed may be forgotten."""
    orders = folded(events)
    unknown = {key for key, one in orders.by_id.items() if one.state is OrderState.UNKNOWN}
    assert orders.unknown == unknown
    closed = {key for key, one in orders.by_id.items() if one.state in CLOSED}
    assert closed <= {key for _, key in orders.closed}


@given(st.lists(st.sampled_from([one for one in SAID if isinstance(one, OrderFilled)]), min_size=1))
def test_filled_is_the_largest_cumulative_quantity_seen(fills: list[OrderFilled]) -> None:
    """R4: executions are told apart by their cumulative quantity, never added up."""
    order = only(folded([LIFE.claimed(), *fills]))
    assert order.filled == max(fill.cumulative for fill in fills)
