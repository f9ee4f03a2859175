"""
An approval that got no signature holds nothing for ever: its end names the intent alone.
"""

from dataclasses import replace

import pytest

from spark import topics
from spark.consumers.guardrail_state import GuardState, fold_decision, fold_order_event
from spark.events import OrderAcked, RequestNotSent
from spark.ledger.exposure import open_key
from spark.names import Book, ClientOrderId, Reason
from spark.worker.contract import Place
from tests.faring import approved, fence
from tests.made import NOW_NS, SECOND_NS, Life

_MEMORY_NS = 100 * SECOND_NS


def _fold(state: GuardState, offset: int, event: object) -> None:
    place = Place(topics.EVENTS, 0, offset, NOW_NS + offset)
    fold_order_event(state, place, event, memory_ns=_MEMORY_NS)  # type: ignore[arg-type]


def _approved(life: Life) -> GuardState:
    state = GuardState(0)
    fold_decision(state, approved(life, NOW_NS), _MEMORY_NS)
    _fold(state, 0, fence())
    return state


def _unsigned(life: Life, epoch: int) -> RequestNotSent:
    nameless = life.not_sent(Reason.APPROVAL_EXPIRED, epoch=epoch)
    return replace(nameless, client_order_id=ClientOrderId(""))


def _open(state: GuardState) -> int:
    return state.exposure.open_counts.get(open_key(Book.LIVE, ""), 0)


def test_an_unsigned_approval_is_let_go_of() -> None:
    """R6: no reservation and no place in a window outlives the end of its intent."""
    life = Life()
    state = _approved(life)
    assert _open(state) == 1
    _fold(state, 1, _unsigned(life, epoch=0))
    assert _open(state) == 0
    assert state.exposure.entries[life.client_order_id].open_usd == 0
    assert life.client_order_id not in state.rates.unanswered


def test_an_older_gateway_lets_go_of_nothing() -> None:
    """R4: that nothing was sent is an opinion; it counts in the epoch in force alone."""
    life = Life()
    state = _approved(life)
    _fold(state, 5, fence())
    _fold(state, 6, _unsigned(life, epoch=0))
    assert _open(state) == 1


@pytest.mark.parametrize(
    "code", [Reason.UPSTREAM_REFUSED, Reason.ALREADY_SIGNED, Reason.DUPLICATE_CLAIM]
)
def test_the_end_of_a_second_intent_of_the_same_id_is_not_the_first_one_s(code: Reason) -> None:
    """R5, A7, fault K11: an id said again is refused; what it names is on its way and counts on."""
    life = Life()
    state = _approved(life)
    second = life.not_sent(code, Reason.DUPLICATE_INTENT, epoch=0)
    _fold(state, 1, replace(second, client_order_id=ClientOrderId("")))
    assert _open(state) == 1
    assert life.client_order_id in state.rates.unanswered


@pytest.mark.parametrize("is_before", [True, False])
def test_evidence_counts_whatever_the_signer_said(*, is_before: bool) -> None:
    """R5: an order that the exchange holds is counted, also one that was said to be unsigned."""
    life = Life()
    state = _approved(life)
    acked = life.acked()
    assert isinstance(acked, OrderAcked)
    said = [acked, _unsigned(life, epoch=0)]
    for offset, event in enumerate(said if is_before else reversed(said), start=1):
        _fold(state, offset, event)
    assert _open(state) == 1
