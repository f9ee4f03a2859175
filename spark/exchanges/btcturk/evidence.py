"""
Turns a classified BTCTurk reply into what it proves. Pure.
"""

from typing import Final

from spark.events import CancelAccepted
from spark.exchanges.answers import Accepted, RateLimited, Unknown
from spark.exchanges.btcturk.wire_answers import Refusal, Rejected, Worth
from spark.exchanges.btcturk.wire_orders import Submitted
from spark.exchanges.port import About, Answer, Outcome
from spark.exchanges.proof import (
    GARBLED,
    Echo,
    Times,
    acked,
    cancel_rejected,
    is_as_asked,
    limited,
    refused,
    rejected,
)
from spark.exchanges.refusals import LIMIT_CODE
from spark.names import IntentId

_NS_PER_MS: Final = 1_000_000
#: What only an order that was there before can be told; of a new one it says nothing.
_NOT_OF_A_PLACE: Final = frozenset({Worth.ABSENT})


def of_place(reply: Accepted[Submitted] | Refusal, about: About, times: Times) -> Outcome:
    """Read what the answer to a place proves."""
    match reply:
        case Accepted(reply=order):
            return _acked(order, about, times)
        case Rejected(worth=worth) if worth in _NOT_OF_A_PLACE:
            return GARBLED
        case Rejected(token=token, http_status=status):
            return refused(rejected(about, token, status=status, times=times))
        case RateLimited(http_status=status):
            return limited(refused(rejected(about, LIMIT_CODE, status=status, times=times)), reply)
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
            return refused(cancel_rejected(about, token, status=status, times=times))
        case RateLimited(http_status=status):
            told = cancel_rejected(about, LIMIT_CODE, status=status, times=times)
            return limited(refused(told), reply)
        case Unknown(doubt=doubt):
            return Outcome(answer=Answer.UNKNOWN, cause=doubt.value)


def _acked(order: Submitted, about: About, times: Times) -> Outcome:
    # The venue makes up a client id where it read none: then the order cannot be found again
    # by ours, and is for the account feed to say (trap 3).
    echo = Echo(
        side=order.side, order_type=order.method, quantity=order.quantity, price=order.price
    )
    is_ours = (
        order.client_order_id == about.client_order_id
        and order.symbol == about.symbol
        and is_as_asked(echo, about)
    )
    if not is_ours:
        return GARBLED
    at_ns = order.at_ms * _NS_PER_MS
    begun = acked(about, order.order_id, exchange_ns=at_ns, times=times)
    return Outcome(answer=Answer.DEFINITE, evidence=(begun,))
