"""
Turns a classified BTCTurk reply into what it proves. Pure.
"""

from typing import Final, NamedTuple

from spark.events import CancelAccepted, CancelRejected, OrderAcked, OrderRejected
from spark.exchanges.btcturk.wire_answers import (
    Accepted,
    RateLimited,
    Refusal,
    Rejected,
    Unknown,
    Worth,
)
from spark.exchanges.btcturk.wire_orders import Submitted
from spark.exchanges.port import About, Answer, Outcome
from spark.names import IntentId

_NS_PER_MS: Final = 1_000_000
_LIMIT_CODE: Final = "RATE_LIMIT"
_GARBLED: Final = Outcome(answer=Answer.UNKNOWN, cause="garbled")
#: What only an order that was there before can be told; of a new one it says nothing.
_NOT_OF_A_PLACE: Final = frozenset({Worth.ABSENT})


class Times(NamedTuple):
    """When a request left and when its answer was there, by our clock."""

    sent_ns: int
    answered_ns: int


def of_place(reply: Accepted[Submitted] | Refusal, about: About, times: Times) -> Outcome:
    """Read what the answer to a place proves."""
    match reply:
        case Accepted(reply=order):
            return _acked(order, about, times)
        case Rejected(worth=worth) if worth in _NOT_OF_A_PLACE:
            return _GARBLED
        case Rejected(token=token, http_status=status):
            rejected = _rejected(about, times, code=token, status=status)
            return Outcome(answer=Answer.REJECTED, evidence=(rejected,))
        case RateLimited(http_status=status):
            rejected = _rejected(about, times, code=_LIMIT_CODE, status=status)
            return Outcome(
                answer=Answer.REJECTED,
                evidence=(rejected,),
                retry_after_s=reply.retry_after_s,
                is_address_limited=reply.is_address_limited,
            )
        case Unknown(doubt=doubt):
            return Outcome(answer=Answer.UNKNOWN, cause=doubt.value)


def of_cancel(reply: Accepted[None] | Refusal, about: About, times: Times) -> Outcome:
    """
    Read what the answer to a cancel proves.

    A success says that the venue took it, and no more: the order may still fill, and its own
    events say what became of it (trap 21). A refusal is about the cancel, not the order.
    """
    match reply:
        case Accepted():
            accepted = CancelAccepted(
                account=about.account,
                strategy=about.strategy,
                intent_id=IntentId(about.cancel_intent_id),
                client_order_id=about.client_order_id,
                symbol=about.symbol,
                sent_ns=times.sent_ns,
                answered_ns=times.answered_ns,
            )
            return Outcome(answer=Answer.DEFINITE, evidence=(accepted,))
        case Rejected(token=token, http_status=status):
            refused = _cancel_rejected(about, times, code=token, status=status)
            return Outcome(answer=Answer.REJECTED, evidence=(refused,))
        case RateLimited(http_status=status):
            refused = _cancel_rejected(about, times, code=_LIMIT_CODE, status=status)
            return Outcome(
                answer=Answer.REJECTED,
                evidence=(refused,),
                retry_after_s=reply.retry_after_s,
                is_address_limited=reply.is_address_limited,
            )
        case Unknown(doubt=doubt):
            return Outcome(answer=Answer.UNKNOWN, cause=doubt.value)


def _acked(order: Submitted, about: About, times: Times) -> Outcome:
    # The venue makes up a client id where it read none: then the order cannot be found again
    # by ours, and is for the account feed to say (trap 3).
    is_ours = (
        order.client_order_id == about.client_order_id
        and order.symbol == about.symbol
        and order.side is about.side
    )
    if not is_ours:
        return _GARBLED
    acked = OrderAcked(
        account=about.account,
        strategy=about.strategy,
        intent_id=about.intent_id,
        client_order_id=about.client_order_id,
        symbol=about.symbol,
        exchange_order_id=order.order_id,
        exchange_ns=order.at_ms * _NS_PER_MS,
        sent_ns=times.sent_ns,
        answered_ns=times.answered_ns,
    )
    return Outcome(answer=Answer.DEFINITE, evidence=(acked,))


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


def _cancel_rejected(about: About, times: Times, *, code: str, status: int) -> CancelRejected:
    return CancelRejected(
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
