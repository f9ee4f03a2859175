"""
Every order that rests is taken back, whoever placed it and whatever becomes of the first cancel.
"""

from collections.abc import AsyncIterator

import pytest

from spark import topics
from spark.bus.port import Outgoing, Partition
from spark.clock import SystemClock
from spark.codec import encode
from spark.events import CancelApproved, OrderAcked, OrderCancelled, PlaceOrder
from spark.names import Role, StrategyId
from spark.ops.open_orders import TakenBack, cancel_open
from spark.producers.intents import IntentWriter
from tests import keyed
from tests.order_path import OrderPath, in_memory
from tests.persons import LOCAL, halted

_CANCEL = "DELETE /api/v3/order"
_PATIENCE_S = 30.0


@pytest.fixture
async def path() -> AsyncIterator[OrderPath]:
    async with in_memory(reply_ms_max=400) as made:
        await made.up()
        yield made


async def resting(path: OrderPath, count: int) -> list[PlaceOrder]:
    """Let orders rest at the exchange, far from the market."""
    orders = [path.order(price=str(59_000 - number)) for number in range(count)]
    await path.ask(*orders)
    for order in orders:
        await path.hear(order, OrderAcked)
    return orders


async def taken_back(path: OrderPath, *, wait_s: float = _PATIENCE_S) -> TakenBack:
    """Take everything back, as an operator."""
    bus = path.bus_of("op-local")
    writer = await bus.writer([topics.INTENTS])
    tagger = keyed.tagger(LOCAL, Role.GUARDRAIL, Role.SIGNER)
    intents = IntentWriter(StrategyId(LOCAL), writer, tagger, clock=SystemClock())
    try:
        return await cancel_open(bus, intents, wait_s=wait_s)
    finally:
        await writer.close()
        await bus.close()


async def test_b2_open_orders_of_every_strategy_are_taken_back_under_a_kill(
    path: OrderPath,
) -> None:
    """B2: cancels pass a kill, and an operator's cancel takes anybody's order."""
    orders = await resting(path, 2)
    kill = Outgoing(Partition(topics.CONTROL_HALT, 0), None, encode(halted("kill-1")))
    await path.write(kill)
    assert await taken_back(path) == TakenBack(asked=2, closed=2, open=())
    for order in orders:
        await path.hear(order, OrderCancelled)
    assert len(path.tape.on(topics.DECISIONS, CancelApproved)) == 2


@pytest.mark.parametrize("fault", ["drop_request", "error_5xx_before", "reject_429"])
async def test_b2_a_cancel_that_came_to_nothing_is_asked_for_again(
    path: OrderPath, fault: str
) -> None:
    """Fault V9: the exchange loses or refuses three of eight cancels; all eight are closed."""
    orders = await resting(path, 8)
    await path.fault(fault, count=3, route=_CANCEL)
    assert await taken_back(path) == TakenBack(asked=8, closed=8, open=())
    assert len(await path.requests("DELETE")) > len(orders)
    for order in orders:
        await path.hear(order, OrderCancelled)


async def test_b2_what_is_still_open_is_named(path: OrderPath) -> None:
    """Fault V9: an exchange that carries out no cancel; asked again, and every order is named."""
    orders = await resting(path, 2)
    await path.fault("error_5xx_before", count=1_000, route=_CANCEL)
    left = await taken_back(path, wait_s=5)
    assert (left.asked, left.closed) == (2, 0)
    acked = {event.client_order_id for event in path.tape.on(topics.EVENTS, OrderAcked)}
    assert set(left.open) == acked
    assert len(await path.requests("DELETE")) > len(orders)
