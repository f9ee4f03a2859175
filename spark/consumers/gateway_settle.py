"""
Settles unknowns by asking the exchange; never by sending again (design §4.4).

An order without a definite answer, and one whose cancel has none, is asked for
by its client order id until the exchange shows it, or denies it at a moment when
that denial is final.
"""

import asyncio
from typing import Final

from spark.consumers.gateway_desk import Desk
from spark.consumers.gateway_lane import resolved_by_persons
from spark.consumers.read_key import ReadKey, Signs
from spark.errors import VenueUnavailable
from spark.events import (
    Evidence,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderResolved,
)
from spark.exchanges.paper.evidence import about_of
from spark.exchanges.port import Answer, Asked, Question, unsigned
from spark.exchanges.refusals import Subject
from spark.ledger.fold import Order
from spark.log import logger
from spark.names import ClientOrderId, OrderState, TradingMode
from spark.worker.retry import DEFAULT, draw

_PERIOD_S: Final = 1.0
#: Questions for each round: the weight budget belongs to orders first.
_QUESTIONS_MAX: Final = 5


async def settle(desk: Desk, signer: Signs) -> None:
    """Ask, once a second, about what is unsettled; runs until cancelled."""
    queue: dict[ClientOrderId, None] = {}
    key = ReadKey(signer, desk.clock)
    failures, why = 0, ""
    while True:
        pause_s = DEFAULT.pause_s(failures, chance=draw()) if failures else _PERIOD_S
        await asyncio.sleep(pause_s)
        if said := resolved_by_persons(desk.lane, desk.now()):
            desk.say(said)
        try:
            await _ask_round(desk, key, queue)
        except VenueUnavailable as error:
            desk.lane.manners.stay_away_for(error, desk.now())
            failures += 1
            if str(error) != why:
                # Once for each reason: what is unsettled stays so for hours, and is in a gauge.
                why = str(error)
                logger().warning("unsettled", account=desk.lane.account, why=why)
        else:
            failures, why = 0, ""


async def _ask_round(desk: Desk, read: ReadKey, queue: dict[ClientOrderId, None]) -> None:
    """
    Ask about a few of them, those first that were asked about longest ago.

    Raises:
        VenueUnavailable: no usable answer; the one that was asked about is last now.

    """
    orders = desk.lane.orders
    unsettled = orders.unknown | orders.doubtful
    for key in [key for key in queue if key not in unsettled]:
        del queue[key]
    for key in unsettled:
        queue.setdefault(key)
    for key in list(queue)[:_QUESTIONS_MAX]:
        # To the end: one that nobody can settle yet must not keep the others waiting.
        queue[key] = queue.pop(key)
        order = orders.by_id.get(key)
        if order is None:
            orders.doubtful.discard(key)
            continue
        if not _may_ask(desk, order):
            continue
        said = await _ask(desk, read, order)
        if said:
            desk.say(said)


def _may_ask(desk: Desk, order: Order) -> bool:
    """Look whether there is such a question, and whether it may be asked now."""
    if order.mode is TradingMode.PAPER:
        return True
    # Where the exchange does not know our ids, the account feed searches its lists, and
    # what it finds comes by `account.events`.
    return desk.rules.has_questions and desk.lane.manners.ask_wait_ns(desk.now()) == 0


async def _ask(desk: Desk, read: ReadKey, order: Order) -> list[OrderEvent]:
    # One that only evidence tells of was found at the exchange: no order on paper is.
    about = about_of(order, order.mode or TradingMode.LIVE)
    is_paper = about.mode is TradingMode.PAPER
    if is_paper:
        # Nobody outside knows of it, so nothing is signed; and nothing of it is on its way,
        # so every answer is final.
        request = unsigned(desk.clock.wall_ns())
    else:
        request = await read.ask(
            Asked(
                question=Question.ORDER,
                account=order.account,
                symbol=order.symbol,
                client_order_id=order.client_order_id,
            )
        )
    outcome = await desk.way(about.mode).query(request, about)
    if not is_paper:
        desk.lane.manners.told(outcome, desk.now())
    if outcome.cause == Subject.KEY:
        read.refused(request)
        raise VenueUnavailable("the exchange refuses the read key")
    if outcome.answer is Answer.DEFINITE:
        is_cancel_open = not is_paper and request.stamp_ns <= order.cancel_final_after_ns
        if is_cancel_open and not any(map(_is_end, outcome.evidence)):
            # Alive now; its cancel may still arrive, and nobody would ask again.
            return []
        return list(outcome.evidence)
    if outcome.answer is not Answer.ABSENT or order.state is not OrderState.UNKNOWN:
        return []
    # A denial before that moment proves nothing: the request may still arrive.
    if not is_paper and not request.stamp_ns > order.final_after_ns > 0:
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
            final_after_ns=min(order.final_after_ns, request.stamp_ns),
            at_ns=desk.clock.wall_ns(),
        )
    ]


def _is_end(event: Evidence) -> bool:
    """Tell evidence after which no cancel matters."""
    if isinstance(event, OrderFilled):
        return event.cumulative >= event.order_quantity
    return isinstance(event, OrderCancelled | OrderExpired | OrderRejected)
