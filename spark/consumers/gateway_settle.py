"""
Settles unknowns by asking the exchange; never by sending again (design §4.4).

An order without a definite answer, and one whose cancel has none, is asked for
by its client order id until the exchange shows it, or denies it at a moment when
that denial is final.
"""

import asyncio
from typing import Final

from spark.consumers.gateway_desk import Desk
from spark.consumers.signing_socket import SigningClient
from spark.errors import VenueUnavailable
from spark.events import OrderEvent, OrderResolved
from spark.exchanges.port import About, Answer
from spark.ledger.fold import Order
from spark.log import logger
from spark.names import OrderState

_PERIOD_S: Final = 1.0
#: Questions for each round: the weight budget belongs to orders first.
_QUESTIONS_MAX: Final = 5


async def settle(desk: Desk, signer: SigningClient) -> None:
    """Ask, once a second, about what is unsettled; runs until cancelled."""
    while True:
        await asyncio.sleep(_PERIOD_S)
        orders = desk.lane.orders
        unsettled = [*orders.unknown, *orders.doubtful][:_QUESTIONS_MAX]
        for key in unsettled:
            order = orders.by_id.get(key)
            if order is None:
                orders.doubtful.discard(key)
                continue
            try:
                said = await _ask(desk, signer, order)
            except VenueUnavailable as error:
                logger().warning("unsettled", client_order_id=key, why=str(error))
                break
            if said:
                desk.say(said)


async def _ask(desk: Desk, signer: SigningClient, order: Order) -> list[OrderEvent]:
    request = await signer.query(order.account, order.symbol, order.client_order_id)
    about = About(
        account=order.account,
        strategy=order.strategy,
        intent_id=order.intent_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
    )
    outcome = await desk.venue.query(request, about)
    if outcome.answer is Answer.DEFINITE:
        return list(outcome.evidence)
    if outcome.answer is not Answer.ABSENT or order.state is not OrderState.UNKNOWN:
        return []
    # A denial before that moment proves nothing: the request may still arrive.
    if request.stamp_ns <= order.final_after_ns or not order.final_after_ns:
        return []
    return [
        OrderResolved(
            epoch=desk.lane.epoch,
            account=order.account,
            strategy=order.strategy,
            intent_id=order.intent_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            outcome="not_found",
            asked_ns=request.stamp_ns,
            final_after_ns=order.final_after_ns,
            at_ns=desk.clock.wall_ns(),
        )
    ]
