"""
Turns a classified Binance reply into what it proves. Pure.
"""

from decimal import Decimal
from typing import Final

from spark.events import Evidence, OrderFilled
from spark.exchanges.answers import Accepted, RateLimited, Unknown
from spark.exchanges.binance.wire_answers import Answer as Reply
from spark.exchanges.binance.wire_answers import ClockRefused, Rejected
from spark.exchanges.binance.wire_orders import Execution, OrderReply, Progress, VenueStatus
from spark.exchanges.port import About, Answer, Outcome
from spark.exchanges.proof import (
    GARBLED,
    Echo,
    Times,
    acked,
    cancel_rejected,
    cancelled,
    expired,
    is_as_asked,
    limited,
    refused,
    rejected,
)
from spark.exchanges.refusals import LIMIT_CODE, Subject, subject_of

_NS_PER_MS: Final = 1_000_000
_NO_SUCH_ORDER: Final = -2013
#: What only an order that was there before can be told; of a new one it says nothing.
_NOT_OF_A_PLACE: Final = frozenset({-2011, -2013, -2026})
_CLOCK_CODE: Final = "-1021"
_BAD_REQUEST: Final = 400
_ENDED: Final = frozenset({VenueStatus.EXPIRED, VenueStatus.EXPIRED_IN_MATCH, VenueStatus.REJECTED})
_NO_TRADE_ID: Final = -1
#: Places after the point that an average price is given with.
_AVERAGE_QUANTUM: Final = Decimal("1e-10")
#: Of a question's answer: no request of the order's own left with it.
_ASKED: Final = Times(0, 0)


def of_place(reply: Reply, about: About, times: Times) -> Outcome:
    """Read what the answer to a place proves."""
    match reply:
        case Accepted(reply=order):
            if not _is_ours(order, about):
                return GARBLED
            return Outcome(answer=Answer.DEFINITE, evidence=_life(order, about, times))
        case Unknown(doubt=doubt):
            return Outcome(answer=Answer.UNKNOWN, cause=doubt.value)
        case Rejected(code=code) if code in _NOT_OF_A_PLACE:
            return GARBLED
        case _:
            token, status = _refusal(reply)
            return _limited(refused(rejected(about, token, status=status, times=times)), reply)


def of_cancel(reply: Reply, about: About, times: Times) -> Outcome:
    """Read what the answer to a cancel proves; a refusal is about the cancel, not the order."""
    match reply:
        case Accepted(reply=order) if order.client_order_id == about.client_order_id:
            executed = order.progress.executed if order.progress else Decimal(0)
            at_ns = order.at_ms * _NS_PER_MS
            ended = cancelled(about, filled=executed, exchange_ns=at_ns, times=times)
            return Outcome(answer=Answer.DEFINITE, evidence=(ended,))
        case Accepted():
            return GARBLED
        case Unknown(doubt=doubt):
            return Outcome(answer=Answer.UNKNOWN, cause=doubt.value)
        case _:
            token, status = _refusal(reply)
            told = cancel_rejected(about, token, status=status, times=times)
            return _limited(refused(told), reply)


def of_query(reply: Reply, about: About) -> Outcome:
    """Read what the answer to a question about one order proves."""
    match reply:
        case Accepted(reply=order) if _is_ours(order, about):
            return Outcome(answer=Answer.DEFINITE, evidence=_life(order, about, _ASKED))
        case Accepted():
            return GARBLED
        case Rejected(code=code) if code == _NO_SUCH_ORDER:
            return Outcome(answer=Answer.ABSENT)
        case Rejected(token=token, http_status=status) if subject_of(token, status) is Subject.KEY:
            return Outcome(answer=Answer.UNKNOWN, cause=Subject.KEY)
        case _:
            return _limited(Outcome(answer=Answer.UNKNOWN, cause="no_answer"), reply)


def _is_ours(order: OrderReply, about: About) -> bool:
    if order.client_order_id != about.client_order_id or order.symbol != about.symbol:
        return False
    progress = order.progress
    if progress is None:
        return True
    echo = Echo(
        side=progress.side,
        order_type=progress.order_type.lower(),
        time_in_force=progress.time_in_force.lower(),
        quantity=progress.quantity,
        price=progress.price,
    )
    return is_as_asked(echo, about)


def _life(order: OrderReply, about: About, times: Times) -> tuple[Evidence, ...]:
    at_ns = order.at_ms * _NS_PER_MS
    begun = acked(about, str(order.order_id), exchange_ns=at_ns, times=times)
    progress = order.progress
    if progress is None:
        return (begun,)
    life: list[Evidence] = [begun, *_fills(order, progress, about, at_ns=at_ns)]
    filled = progress.executed
    if progress.status is VenueStatus.CANCELED:
        life.append(cancelled(about, filled=filled, exchange_ns=at_ns, times=times))
    elif progress.status in _ENDED:
        life.append(expired(about, filled=filled, exchange_ns=at_ns))
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


def _refusal(reply: Reply) -> tuple[str, int]:
    match reply:
        case Rejected():
            return reply.token, reply.http_status
        case RateLimited():
            return LIMIT_CODE, reply.http_status
        case ClockRefused():
            return _CLOCK_CODE, _BAD_REQUEST
        case _:
            raise AssertionError("only refusals come here")


def _limited(outcome: Outcome, reply: Reply) -> Outcome:
    return limited(outcome, reply) if isinstance(reply, RateLimited) else outcome
