"""
Turns a classified Binance reply into what it proves. Pure.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from spark.events import (
    CancelRejected,
    Evidence,
    OrderAcked,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
)
from spark.exchanges.binance.wire_answers import (
    Accepted,
    ClockRefused,
    RateLimited,
    Rejected,
    Unknown,
)
from spark.exchanges.binance.wire_answers import Answer as Reply
from spark.exchanges.binance.wire_orders import Execution, OrderReply, Progress, VenueStatus
from spark.exchanges.port import About, Answer, Outcome
from spark.names import IntentId

_NS_PER_MS: Final = 1_000_000
_NO_SUCH_ORDER: Final = -2013
#: What only an order that was there before can be told; of a new one it says nothing.
_NOT_OF_A_PLACE: Final = frozenset({-2011, -2013, -2026})
_CLOCK_CODE: Final = "-1021"
_LIMIT_CODE: Final = "RATE_LIMIT"
_BAD_REQUEST: Final = 400
_ENDED: Final = frozenset({VenueStatus.EXPIRED, VenueStatus.EXPIRED_IN_MATCH, VenueStatus.REJECTED})
_NO_TRADE_ID: Final = -1
#: Places after the point that an average price is given with.
_AVERAGE_QUANTUM: Final = Decimal("1e-10")


class Times:
    """When a request left and when its answer was there, by our clock."""

    __slots__ = ("answered_ns", "sent_ns")

    def __init__(self, sent_ns: int, answered_ns: int) -> None:
        self.sent_ns = sent_ns
        self.answered_ns = answered_ns


def of_place(reply: Reply, about: About, times: Times) -> Outcome:
    """Read what the answer to a place proves."""
    match reply:
        case Accepted(reply=order):
            if order.client_order_id != about.client_order_id or order.symbol != about.symbol:
                return Outcome(answer=Answer.UNKNOWN, cause="garbled")
            return Outcome(answer=Answer.DEFINITE, evidence=_life(order, about, times))
        case Unknown(doubt=doubt):
            return _limited(Outcome(answer=Answer.UNKNOWN, cause=doubt.value), reply)
        case Rejected(code=code) if code in _NOT_OF_A_PLACE:
            return Outcome(answer=Answer.UNKNOWN, cause="garbled")
        case _:
            token, status = _refusal(reply)
            rejected = _rejected(about, times, code=token, status=status)
            return _limited(Outcome(answer=Answer.REJECTED, evidence=(rejected,)), reply)


def of_cancel(reply: Reply, about: About, times: Times) -> Outcome:
    """Read what the answer to a cancel proves; a refusal is about the cancel, not the order."""
    match reply:
        case Accepted(reply=order) if order.client_order_id == about.client_order_id:
            executed = order.progress.executed if order.progress else Decimal(0)
            cancelled = OrderCancelled(
                account=about.account,
                strategy=about.strategy,
                intent_id=about.intent_id,
                client_order_id=about.client_order_id,
                symbol=about.symbol,
                cancel_intent_id=about.cancel_intent_id,
                filled=executed,
                exchange_ns=order.at_ms * _NS_PER_MS,
                sent_ns=times.sent_ns,
                answered_ns=times.answered_ns,
            )
            return Outcome(answer=Answer.DEFINITE, evidence=(cancelled,))
        case Accepted():
            return Outcome(answer=Answer.UNKNOWN, cause="garbled")
        case Unknown(doubt=doubt):
            return _limited(Outcome(answer=Answer.UNKNOWN, cause=doubt.value), reply)
        case _:
            code, status = _refusal(reply)
            refused = CancelRejected(
                account=about.account,
                strategy=about.strategy,
                intent_id=IntentId(about.cancel_intent_id),
                client_order_id=about.client_order_id,
                symbol=about.symbol,
                code=code,
                http_status=status,
                sent_ns=times.sent_ns,
                answered_ns=times.answered_ns,
            )
            return _limited(Outcome(answer=Answer.REJECTED, evidence=(refused,)), reply)


def of_query(reply: Reply, about: About) -> Outcome:
    """Read what the answer to a question about one order proves."""
    match reply:
        case Accepted(reply=order) if order.client_order_id == about.client_order_id:
            return Outcome(answer=Answer.DEFINITE, evidence=_life(order, about, Times(0, 0)))
        case Rejected(code=code) if code == _NO_SUCH_ORDER:
            return Outcome(answer=Answer.ABSENT)
        case _:
            return _limited(Outcome(answer=Answer.UNKNOWN, cause="no_answer"), reply)


def _life(order: OrderReply, about: About, times: Times) -> tuple[Evidence, ...]:
    at_ns = order.at_ms * _NS_PER_MS
    acked = OrderAcked(
        account=about.account,
        strategy=about.strategy,
        intent_id=about.intent_id,
        client_order_id=about.client_order_id,
        symbol=about.symbol,
        exchange_order_id=str(order.order_id),
        exchange_ns=at_ns,
        sent_ns=times.sent_ns,
        answered_ns=times.answered_ns,
    )
    progress = order.progress
    if progress is None:
        return (acked,)
    life: list[Evidence] = [acked, *_fills(order, progress, about, at_ns=at_ns)]
    if progress.status is VenueStatus.CANCELED:
        life.append(
            OrderCancelled(
                account=about.account,
                strategy=about.strategy,
                intent_id=about.intent_id,
                client_order_id=about.client_order_id,
                symbol=about.symbol,
                cancel_intent_id=about.cancel_intent_id,
                filled=progress.executed,
                exchange_ns=at_ns,
                sent_ns=times.sent_ns,
                answered_ns=times.answered_ns,
            )
        )
    elif progress.status in _ENDED:
        life.append(
            OrderExpired(
                account=about.account,
                strategy=about.strategy,
                intent_id=about.intent_id,
                client_order_id=about.client_order_id,
                symbol=about.symbol,
                filled=progress.executed,
                exchange_ns=at_ns,
            )
        )
    return tuple(life)


def _fills(order: OrderReply, progress: Progress, about: About, *, at_ns: int) -> list[OrderFilled]:
    executions = list(order.executions)
    listed = sum((execution.quantity for execution in executions), Decimal(0))
    rest = progress.executed - listed
    if rest > 0:
        # A question's answer lists no trades: one fill at the average price says
        # how much traded; the trades themselves come with reconciliation.
        average = (progress.quote_executed / progress.executed).quantize(_AVERAGE_QUANTUM)
        executions.append(Execution(_NO_TRADE_ID, average, rest, Decimal(0), ""))
    fills: list[OrderFilled] = []
    cumulative = Decimal(0)
    for execution in executions:
        cumulative += execution.quantity
        fills.append(
            OrderFilled(
                account=about.account,
                strategy=about.strategy,
                intent_id=about.intent_id,
                client_order_id=about.client_order_id,
                symbol=about.symbol,
                exchange_order_id=str(order.order_id),
                mode=about.mode,
                trade_id="" if execution.trade_id == _NO_TRADE_ID else str(execution.trade_id),
                side=progress.side,
                quantity=execution.quantity,
                price=execution.price,
                cumulative=cumulative,
                order_quantity=progress.quantity,
                commission=execution.commission,
                commission_asset=execution.commission_asset,
                exchange_ns=at_ns,
            )
        )
    return fills


def _rejected(about: About, times: Times, *, code: str, status: int) -> OrderRejected:
    return OrderRejected(
        account=about.account,
        strategy=about.strategy,
        intent_id=about.intent_id,
        client_order_id=about.client_order_id,
        symbol=about.symbol,
        code=code,
        http_status=status,
        sent_ns=times.sent_ns,
        answered_ns=times.answered_ns,
    )


def _refusal(reply: Reply) -> tuple[str, int]:
    match reply:
        case Rejected():
            return reply.token, reply.http_status
        case RateLimited():
            return _LIMIT_CODE, reply.http_status
        case ClockRefused():
            return _CLOCK_CODE, _BAD_REQUEST
        case _:
            raise AssertionError("only refusals come here")


def _limited(outcome: Outcome, reply: Reply) -> Outcome:
    match reply:
        case RateLimited(retry_after_s=wait_s, is_address_limited=is_address_limited):
            return replace(
                outcome, retry_after_s=wait_s or 0, is_address_limited=is_address_limited
            )
        case Unknown(retry_after_s=int() as wait_s):
            # Whose it is was not said, so it is everybody's.
            return replace(outcome, retry_after_s=wait_s, is_address_limited=True)
    return outcome
