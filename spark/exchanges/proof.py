"""
Evidence about an order, in the words that every exchange's adapter uses. Pure.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Final, NamedTuple

from spark.events import (
    CancelRejected,
    OrderAcked,
    OrderCancelled,
    OrderExpired,
    OrderRejected,
)
from spark.exchanges.answers import RateLimited
from spark.exchanges.port import About, Answer, Outcome
from spark.names import IntentId, Side

#: A readable answer to something else than was asked.
GARBLED: Final = Outcome(answer=Answer.UNKNOWN, cause="garbled")


class Echo(NamedTuple):
    """An order's terms as an exchange repeats them; None, or empty, for what it does not say."""

    side: Side
    #: In our words, or the exchange's own where we have none; lower case, as the next.
    order_type: str = ""
    time_in_force: str = ""
    quantity: Decimal | None = None
    price: Decimal | None = None


def is_as_asked(echo: Echo, about: About) -> bool:
    """
    Tell whether an exchange repeats what it was asked for; how an amount is written is its own.

    Of a market order neither price nor time in force is asked for, and exchanges fill in both.
    """
    pairs = (
        (echo.side, about.side),
        (echo.order_type or None, about.order_type),
        (echo.time_in_force or None, about.time_in_force),
        (echo.quantity, about.quantity),
        (echo.price, about.price),
    )
    return all(said == asked for said, asked in pairs if None not in {said, asked})


class Times(NamedTuple):
    """When a request left and when its answer was there, by our clock; 0 where none did."""

    sent_ns: int
    answered_ns: int


def acked(about: About, exchange_order_id: str, *, exchange_ns: int, times: Times) -> OrderAcked:
    """Show that the exchange has the order."""
    return OrderAcked(
        account=about.account,
        strategy=about.strategy,
        intent_id=about.intent_id,
        client_order_id=about.client_order_id,
        symbol=about.symbol,
        exchange_order_id=exchange_order_id,
        exchange_ns=exchange_ns,
        sent_ns=times.sent_ns,
        answered_ns=times.answered_ns,
    )


def rejected(about: About, code: str, *, status: int, times: Times) -> OrderRejected:
    """Show that the exchange does not have the order."""
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


def cancelled(about: About, *, filled: Decimal, exchange_ns: int, times: Times) -> OrderCancelled:
    """Show that the order rests no longer."""
    return OrderCancelled(
        account=about.account,
        strategy=about.strategy,
        intent_id=about.intent_id,
        client_order_id=about.client_order_id,
        symbol=about.symbol,
        cancel_intent_id=about.cancel_intent_id,
        filled=filled,
        exchange_ns=exchange_ns,
        sent_ns=times.sent_ns,
        answered_ns=times.answered_ns,
    )


def cancel_rejected(about: About, code: str, *, status: int, times: Times) -> CancelRejected:
    """Show that a cancel was refused, which says nothing of the order."""
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


def expired(about: About, *, filled: Decimal, exchange_ns: int) -> OrderExpired:
    """Show that the order ended by itself, as its time in force has it."""
    return OrderExpired(
        account=about.account,
        strategy=about.strategy,
        intent_id=about.intent_id,
        client_order_id=about.client_order_id,
        symbol=about.symbol,
        filled=filled,
        exchange_ns=exchange_ns,
    )


def refused(evidence: OrderRejected | CancelRejected) -> Outcome:
    """Make what a documented refusal comes to."""
    return Outcome(answer=Answer.REJECTED, evidence=(evidence,))


def limited(outcome: Outcome, by: RateLimited) -> Outcome:
    """Add whose limit it was that an outcome came of, and how long it lasts."""
    return replace(
        outcome, retry_after_s=by.retry_after_s, is_address_limited=by.is_address_limited
    )
