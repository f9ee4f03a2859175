"""
An exchange that does not answer, or answers nonsense: never a second order (A8, R11).
"""

from collections.abc import AsyncIterator

import pytest

from spark import topics
from spark.events import (
    CancelRejected,
    IntentRefused,
    KeyUsed,
    OrderAcked,
    OrderApproved,
    OrderCancelled,
    OrderClaimed,
    OrderFilled,
    OrderRejected,
    OrderResolved,
    OutcomeUnknown,
)
from spark.ledger.fold import Orders, fold_event
from spark.names import OrderState, Reason, Role, Side
from tests.order_path import OrderPath, in_memory
from tests.order_stages import BTC, ETH

QUERY = "GET /api/v3/order"
CANCEL = "DELETE /api/v3/order"


@pytest.fixture
async def path() -> AsyncIterator[OrderPath]:
    async with in_memory(reply_ms_max=400) as made:
        await made.up()
        yield made


def state(path: OrderPath, order: object) -> OrderState:
    """What the whole log says of an order."""
    orders = Orders()
    for record, event in path.tape.records[topics.EVENTS]:
        if event is not None and record.partition.number == 0:
            fold_event(orders, event, record.offset, record.timestamp_ms * 1_000_000)
    (found,) = [one for one in orders.by_id.values() if one.intent_id == order.intent_id]  # type: ignore[attr-defined]
    return found.state


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("drop_reply", "connection_lost"),
        ("truncate", "connection_lost"),
        ("error_5xx_after", "server_error"),
        ("garble", "unreadable"),
        ("delay_after", "timeout"),
    ],
)
async def test_a8_no_definite_answer_is_an_unknown_and_never_a_second_order(
    path: OrderPath, fault: str, cause: str
) -> None:
    """
    A8, R11: executed, but the answer is lost: unknown; its symbol blocked, no other.

    Asked for by its id, it is found, and the symbol is free again.

    Faults V1, V2, V4 and N4.
    """
    await path.fault("error_5xx_before", count=1_000, route=QUERY)
    await path.fault(fault, ms=2_000)
    order = path.order()
    await path.ask(order)
    unknown = await path.hear(order, OutcomeUnknown)
    assert unknown.cause == cause
    same, other = path.order(), path.order(ETH)
    await path.ask(same, other)
    refused = await path.decided(same)
    assert isinstance(refused, IntentRefused)
    assert [(one.code, one.found) for one in refused.reasons] == [
        (Reason.UNKNOWN_OUTCOME_OPEN, BTC)
    ]
    await path.hear(other, OrderAcked)
    await path.judge.judge("DELETE", "/faults")
    acked = await path.hear(order, OrderAcked)
    assert acked.sent_ns == 0, "learnt by a question"
    assert state(path, order) is OrderState.SUBMITTED
    again = path.order()
    await path.ask(again)
    await path.hear(again, OrderAcked)
    assert len(await path.placed()) == 3
    assert len(await path.requests()) == 3


@pytest.mark.parametrize("fault", ["drop_request", "error_5xx_before"])
async def test_a8_what_never_arrived_is_not_found_only_when_that_is_final(
    path: OrderPath, fault: str
) -> None:
    """
    A8: a denial counts after the window, the exchange's own time and the clock's doubt.

    Faults V1 and V2.
    """
    await path.fault(fault)
    order = path.order()
    await path.ask(order)
    unknown = await path.hear(order, OutcomeUnknown)
    # Asked at least once before that moment: it is denied, and nothing follows from it.
    while not [one for one in await path.requests("GET") if one["code"] == -2013]:
        pass
    assert path.tape.about(order, OrderResolved) == []
    await path.shift_exchange_clock(60_000)
    denied = await path.hear(order, OrderResolved)
    assert denied.asked_ns > denied.final_after_ns > unknown.at_ns
    assert state(path, order) is OrderState.NOT_FOUND
    assert await path.placed() == []


async def test_a_429_is_definite(path: OrderPath) -> None:
    """A4: the request was not taken, so the order is rejected, not unknown."""
    await path.fault("reject_429", ms=1_000)
    order = path.order()
    await path.ask(order)
    rejected = await path.hear(order, OrderRejected)
    assert rejected.code == "RATE_LIMIT"
    assert await path.placed() == []


async def test_a8_an_unknown_that_traded_is_filled_by_what_the_exchange_says(
    path: OrderPath,
) -> None:
    """A8, R5: the question's answer lists no trades; one fill says how much traded."""
    await path.fault("drop_reply")
    order = path.order(side=Side.SELL, price="61000", quantity="0.02")
    await path.ask(order)
    await path.hear(order, OutcomeUnknown)
    fill = await path.hear(order, OrderFilled)
    assert (fill.trade_id, fill.cumulative) == ("", fill.order_quantity)
    assert state(path, order) is OrderState.FILLED


async def test_a_cancel_without_an_answer_is_asked_about_and_blocks_nothing(
    path: OrderPath,
) -> None:
    """A8, fault V9: the order's own state is asked for; a cancel never adds risk."""
    order = path.order()
    await path.ask(order)
    await path.hear(order, OrderAcked)
    await path.fault("drop_reply", route=CANCEL)
    cancel = path.cancel(order)
    await path.ask(cancel)
    await path.hear(cancel, OutcomeUnknown)
    other = path.order()
    await path.ask(other)
    assert isinstance(await path.decided(other), OrderApproved)
    await path.hear(order, OrderCancelled)
    assert state(path, order) is OrderState.CANCELLED
    assert len(await path.requests("DELETE")) == 1


async def test_a_cancel_that_comes_too_late_says_so(path: OrderPath) -> None:
    """Fault V5: the exchange's refusal is about the cancel; the order stays what it is."""
    order = path.order()
    await path.ask(order)
    acked = await path.hear(order, OrderAcked)
    await path.judge.cancel(acked.client_order_id)
    cancel = path.cancel(order)
    await path.ask(cancel)
    rejected = await path.hear(cancel, CancelRejected)
    assert (rejected.code, rejected.http_status) == ("UNKNOWN_ORDER", 400)
    assert state(path, order) is OrderState.SUBMITTED


async def test_an_exchange_that_is_gone_gets_not_a_byte(path: OrderPath) -> None:
    """Fault N1: a request that could not leave ends unsent: no unknown, nothing to settle."""
    path.rest_url = "http://127.0.0.1:1"  # nobody listens there
    await path.restart(Role.GATEWAY)
    order = path.order()
    await path.ask(order)
    while not isinstance(await path.decided(order), OrderApproved):
        order = path.order()
        await path.ask(order)
    await path.hear(order, OrderClaimed)
    ended = await path.ended(order)
    assert [one.code for one in ended.reasons] == [Reason.CONNECTION_UNAVAILABLE]
    assert state(path, order) is OrderState.REJECTED


async def test_s4_each_question_is_noted_before_it_leaves(path: OrderPath) -> None:
    """H4, S4: every use of the read key stands on control.keys."""
    await path.fault("drop_reply")
    order = path.order()
    await path.ask(order)
    await path.hear(order, OutcomeUnknown)
    acked = await path.hear(order, OrderAcked)
    used = await path.tape.until(lambda: path.tape.on(topics.CONTROL_KEYS, KeyUsed))
    assert {one.client_order_id for one in used} == {acked.client_order_id}
    assert {one.purpose for one in used} == {"order"}
