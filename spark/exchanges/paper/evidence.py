"""
What the venue on paper says of orders: the evidence that an exchange gives. Pure.

Its ids begin with `paper-` and follow from the order's own, so that whoever says the
same again says it under the same id.
"""

from decimal import Decimal
from typing import Final, NamedTuple

from spark.codec import decimal_text
from spark.events import (
    CancelRejected,
    InstrumentPublished,
    OrderAcked,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
)
from spark.exchanges import proof
from spark.exchanges.port import About
from spark.exchanges.proof import Times
from spark.fills import Offer, fee
from spark.ledger.fold import Order
from spark.names import ClientOrderId, Side, TradingMode

#: Codes of refusals; an exchange has its own.
NO_BOOK: Final = "paper_no_book"
NO_INSTRUMENT: Final = "paper_no_instrument"
UNKNOWN_ORDER: Final = "paper_unknown_order"
#: What an exchange would have answered with; this one answers nobody over HTTP.
_NO_HTTP: Final = 0
#: Of what was asked for later: no request of the order's own left with it.
_ASKED: Final = Times(0, 0)


class Terms(NamedTuple):
    """What a fill costs, and in what."""

    instrument: InstrumentPublished
    #: A fraction.
    rate: Decimal


def about_of(order: Order, mode: TradingMode) -> About:
    """Say which order is meant, from what the log says of it; evidence alone tells no terms."""
    return About(
        account=order.account,
        strategy=order.strategy,
        intent_id=order.intent_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity or None,
        price=order.price,
        mode=mode,
    )


def exchange_order_id(order: ClientOrderId) -> str:
    """Name an order as this venue does."""
    return f"paper-{order}"


def acked(about: About, *, at_ns: int, is_asked: bool = False) -> OrderAcked:
    """Show that the venue has the order."""
    order_id = exchange_order_id(about.client_order_id)
    times = _ASKED if is_asked else Times(at_ns, at_ns)
    return proof.acked(about, order_id, exchange_ns=at_ns, times=times)


def rejected(about: About, code: str, *, at_ns: int) -> OrderRejected:
    """Show that the venue does not have the order."""
    return proof.rejected(about, code, status=_NO_HTTP, times=Times(at_ns, at_ns))


def filled(
    about: About, part: Offer[None], *, before: Decimal, terms: Terms, at_ns: int
) -> OrderFilled:
    """
    Show one execution.

    Args:
        part: price and quantity.
        before: what was filled before it.

    """
    side, quantity = about.side, about.quantity
    assert side is not None, "an order that fills has a side"
    assert quantity is not None, "an order that fills has a quantity"
    order_id = exchange_order_id(about.client_order_id)
    instrument = terms.instrument
    is_buy = side is Side.BUY
    return OrderFilled(
        account=about.account,
        strategy=about.strategy,
        intent_id=about.intent_id,
        client_order_id=about.client_order_id,
        symbol=about.symbol,
        exchange_order_id=order_id,
        mode=TradingMode.PAPER,
        trade_id=f"{order_id}-{decimal_text(before)}",
        side=side,
        quantity=part.quantity,
        price=part.price,
        cumulative=before + part.quantity,
        order_quantity=quantity,
        commission=fee(side, part.price, part.quantity, rate=terms.rate),
        commission_asset=instrument.base_asset if is_buy else instrument.quote_asset,
        exchange_ns=at_ns,
    )


def cancelled(about: About, *, filled: Decimal, at_ns: int) -> OrderCancelled:
    """Show that the order rests no longer."""
    return proof.cancelled(about, filled=filled, exchange_ns=at_ns, times=Times(at_ns, at_ns))


def cancel_rejected(about: About, *, at_ns: int) -> CancelRejected:
    """Show that there was nothing to cancel."""
    times = Times(at_ns, at_ns)
    return proof.cancel_rejected(about, UNKNOWN_ORDER, status=_NO_HTTP, times=times)
