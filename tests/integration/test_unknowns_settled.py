"""
How the gateway settles what it does not know, when the exchange or the signer is in trouble too.
"""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Final

import pytest

from spark import topics
from spark.bus.port import Outgoing, Partition
from spark.codec import encode
from spark.events import (
    Event,
    KeyUsed,
    OrderAcked,
    OrderCancelled,
    OrderClaimed,
    OrderResolved,
    OutcomeUnknown,
    PlaceOrder,
)
from spark.ids import client_order_id
from spark.ledger.fold import Orders, fold_event
from spark.names import OrderState, Role
from tests.made import ACCOUNT
from tests.order_path import OrderPath, in_memory
from tests.order_stages import BTC, ETH

_QUERY: Final = "GET /api/v3/order"
_CANCEL: Final = "DELETE /api/v3/order"
_NOWHERE: Final = "http://127.0.0.1:1"


@pytest.fixture
async def path() -> AsyncIterator[OrderPath]:
    async with in_memory() as made:
        await made.up()
        yield made


def questions(path: OrderPath) -> int:
    """Count the questions that were signed."""
    return len(path.tape.on(topics.CONTROL_KEYS, KeyUsed))


async def asked_again(path: OrderPath, times: int = 2) -> None:
    """Wait until so many more questions were signed."""
    due = questions(path) + times
    await path.tape.until(lambda: questions(path) >= due)


def book(path: OrderPath) -> Orders:
    """Fold what the log says of all orders."""
    orders = Orders()
    for record, event in path.tape.records[topics.EVENTS]:
        if event is not None:
            fold_event(orders, event, record.offset, record.timestamp_ms)
    return orders


async def test_an_exchange_that_is_gone_leaves_an_unknown_open_and_the_gateway_up(
    path: OrderPath,
) -> None:
    """
    A question that cannot leave is asked again later; it ends nobody (design §4.4).
    """
    await path.fault("error_5xx_before", count=1_000, route=_QUERY)
    await path.fault("drop_reply")
    order = path.order()
    await path.ask(order)
    await path.hear(order, OutcomeUnknown)
    here, path.rest_url = path.rest_url, _NOWHERE
    await path.restart(Role.GATEWAY)
    await asked_again(path)
    assert not path.stage(Role.GATEWAY).task.done()
    path.rest_url = here
    await path.judge.judge("DELETE", "/faults")
    await path.restart(Role.GATEWAY)
    await path.hear(order, OrderAcked)
    assert len(await path.requests()) == 1


async def test_without_the_signer_an_unknown_waits(path: OrderPath) -> None:
    """
    Fault N3: nobody else can sign a question; when it is back, the order is found (S4, R11).
    """
    await path.fault("drop_reply", route="POST /api/v3/order")
    await path.fault("error_5xx_before", count=1_000, route=_QUERY)
    order = path.order()
    await path.ask(order)
    await path.hear(order, OutcomeUnknown)
    await path.stage(Role.SIGNER).crash()
    await path.judge.judge("DELETE", "/faults")
    await path.up(Role.SIGNER)
    await path.hear(order, OrderAcked)
    assert book(path).unknown == set()


async def test_denials_before_the_final_moment_prove_nothing(path: OrderPath) -> None:
    """
    However often the exchange denies it, the request may still arrive until then (design §4.4).

    Fault V1.
    """
    await path.fault("drop_request")
    order = path.order()
    await path.ask(order)
    unknown = await path.hear(order, OutcomeUnknown)
    await asked_again(path, 3)
    denied = [one for one in await path.requests("GET") if one["code"] == -2013]
    assert len(denied) >= 2
    assert book(path).by_id[unknown.client_order_id].state is OrderState.UNKNOWN
    await path.shift_exchange_clock(60_000)
    resolved = await path.hear(order, OrderResolved)
    assert resolved.asked_ns > resolved.final_after_ns
    assert book(path).by_id[unknown.client_order_id].state is OrderState.NOT_FOUND


async def test_one_that_cannot_be_settled_yet_keeps_no_other_waiting(path: OrderPath) -> None:
    """
    A few questions a second are asked in turn, whatever became of the ones before.
    """
    await path.fault("drop_request", count=7)
    await path.fault("drop_reply")
    orders = [path.order(symbol) for symbol in (BTC, ETH) * 4]
    await path.ask(*orders)
    await path.tape.until(lambda: len(path.tape.on(topics.EVENTS, OutcomeUnknown)) == 8)
    await path.tape.until(lambda: path.tape.on(topics.EVENTS, OrderAcked))
    assert path.tape.on(topics.EVENTS, OrderResolved) == []
    assert len(book(path).unknown) == 7


async def test_a_cancel_that_arrives_late_is_not_forgotten(path: OrderPath) -> None:
    """
    Fault V9: "Alive" proves nothing about a cancel that is still on its way (design §4.4).

    It is asked about until that is final: the book says what the exchange holds.
    """
    path.reply_ms_max = 200
    await path.restart(Role.GATEWAY)
    order = path.order()
    await path.ask(order)
    acked = await path.hear(order, OrderAcked)
    await path.fault("delay_before", ms=1_800, route=_CANCEL)
    cancel = path.cancel(order)
    await path.ask(cancel)
    await path.hear(cancel, OutcomeUnknown)
    await path.hear(order, OrderCancelled)
    assert book(path).by_id[acked.client_order_id].state is OrderState.CANCELLED
    assert len(await path.requests("DELETE")) == 1


async def test_a_cancel_that_never_arrived_leaves_the_order_alive_in_the_end(
    path: OrderPath,
) -> None:
    """
    Fault V9: after the final moment "alive" settles it: the order rests, and nobody asks any more.
    """
    order = path.order()
    await path.ask(order)
    acked = await path.hear(order, OrderAcked)
    await path.fault("drop_request", route=_CANCEL)
    cancel = path.cancel(order)
    await path.ask(cancel)
    await path.hear(cancel, OutcomeUnknown)
    await asked_again(path, 2)
    assert book(path).doubtful == {acked.client_order_id}
    await path.shift_exchange_clock(60_000)
    await path.tape.until(lambda: not book(path).doubtful)
    assert book(path).by_id[acked.client_order_id].state is OrderState.SUBMITTED


async def told_by_feed(path: OrderPath, *events: Event) -> None:
    """Let the account feed say something of the account."""
    feed = Partition(topics.ACCOUNT_EVENTS, 0)
    await path.write(*(Outgoing(feed, ACCOUNT.encode(), encode(event)) for event in events))


def seen_by_feed(order: PlaceOrder) -> OrderAcked:
    """Show an order as the account feed does: nobody's request was answered."""
    return OrderAcked(
        account=order.account,
        strategy=order.strategy,
        intent_id=order.intent_id,
        client_order_id=client_order_id(order.account, order.strategy, order.intent_id),
        symbol=order.symbol,
        exchange_order_id="4711",
        exchange_ns=0,
        sent_ns=0,
        answered_ns=0,
    )


async def test_what_the_account_feed_saw_settles_an_unknown_for_everybody(
    path: OrderPath,
) -> None:
    """
    A8, R4: its evidence comes on another topic, and stands on orders.events, too, from then on.
    """
    await path.fault("error_5xx_before", count=1_000, route=_QUERY)
    await path.fault("drop_reply")
    order = path.order()
    await path.ask(order)
    await path.hear(order, OutcomeUnknown)
    await told_by_feed(path, seen_by_feed(order))
    acked = await path.hear(order, OrderAcked)
    assert acked.exchange_order_id == "4711"
    assert book(path).unknown == set()


async def test_an_order_that_the_feed_saw_first_is_never_unknown(path: OrderPath) -> None:
    """
    A8: the exchange's word came on the stream before its reply was given up.
    """
    await path.fault("delay_after", ms=60_000, count=2)
    seen, lost = path.order(), path.order(ETH)
    await path.ask(seen, lost)
    await path.hear(lost, OrderClaimed)
    await told_by_feed(path, seen_by_feed(seen))
    await path.hear(lost, OutcomeUnknown)
    await path.hear(seen, OrderAcked)
    unknown = [one.intent_id for one in path.tape.on(topics.EVENTS, OutcomeUnknown)]
    assert unknown == [lost.intent_id]


async def test_what_the_feed_saw_while_no_gateway_ran_is_made_up_for(path: OrderPath) -> None:
    """
    A8, fault P4: an order that was in flight at the crash is known at once, if the feed saw it.
    """
    await path.fault("delay_before", ms=60_000)
    order = path.order()
    await path.ask(order)
    await path.hear(order, OrderClaimed)
    await path.stage(Role.GATEWAY).crash()
    await told_by_feed(path, seen_by_feed(order))
    await path.up(Role.GATEWAY)
    acked = await path.hear(order, OrderAcked)
    assert acked.exchange_order_id == "4711"
    assert not path.tape.on(topics.EVENTS, OutcomeUnknown)


async def test_a_cancel_without_an_answer_ends_by_what_the_feed_saw() -> None:
    """
    A8, R4: the order's end stands on orders.events, in flight as after a crash.
    """
    async with in_memory() as path:
        path.reply_ms_max = 1_500
        await path.up()
        await path.fault("error_5xx_before", count=1_000, route=_QUERY)
        await path.fault("delay_before", ms=60_000, count=2, route=_CANCEL)
        orders = [path.order(), path.order(ETH)]
        await path.ask(*orders)
        for order in orders:
            await path.hear(order, OrderAcked)
        first, second = (path.cancel(order) for order in orders)
        await path.ask(first)
        await path.hear(first, OrderClaimed)
        await told_by_feed(path, ended_by_feed(orders[0]))
        cancelled = await path.hear(orders[0], OrderCancelled)
        assert cancelled.cancel_intent_id == first.intent_id
        await path.ask(second)
        await path.hear(second, OrderClaimed)
        await path.stage(Role.GATEWAY).crash()
        await told_by_feed(path, ended_by_feed(orders[1]))
        await path.up(Role.GATEWAY)
        await path.hear(orders[1], OrderCancelled)
        states = {one.state for one in book(path).by_id.values()}
        assert states == {OrderState.CANCELLED}


def ended_by_feed(order: PlaceOrder) -> OrderCancelled:
    """Show that an order rests no longer, as the account feed does."""
    return OrderCancelled(
        account=order.account,
        strategy=order.strategy,
        intent_id=order.intent_id,
        client_order_id=client_order_id(order.account, order.strategy, order.intent_id),
        symbol=order.symbol,
        cancel_intent_id="",
        filled=Decimal(0),
        exchange_ns=0,
        sent_ns=0,
        answered_ns=0,
    )


async def test_a_read_key_that_is_refused_asks_once_and_the_unknown_stays(
    path: OrderPath,
) -> None:
    """Fault V7: questions go on being signed, for a new key; with this one none is sent again."""
    await path.forget_key("read")
    await path.fault("drop_reply")
    order = path.order()
    await path.ask(order)
    await path.hear(order, OutcomeUnknown)
    await asked_again(path, 3)
    assert [entry["status"] for entry in await path.requests("GET")] == [401]
    assert book(path).unknown_symbols == frozenset({BTC})
    assert not path.stage(Role.GATEWAY).task.done()
