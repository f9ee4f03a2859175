"""
Holds an exchange's own history of an account against the log: one more witness (S14). Pure.

The ids of our orders are derived from their intents (ids.py), and no one who changes a log
changes an exchange: an order of ours that nobody approved, that the log has in other terms, or
that it forgot, is found here whatever was done to topics, trail, anchors and keys.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from spark.codec import decimal_text
from spark.events import OrderApproved
from spark.exchanges.port import OrderSeen
from spark.ids import is_ours
from spark.ledger.fold import Order
from spark.ledger.reconcile import is_real
from spark.names import ClientOrderId, VenueOrderState

#: Nothing more happens to such an order.
_OVER = frozenset(VenueOrderState) - {VenueOrderState.OPEN, VenueOrderState.PARTIALLY_FILLED}


@dataclass(slots=True, kw_only=True)
class Logged:
    """What the log says of one account's orders."""

    approved: dict[ClientOrderId, OrderApproved] = field(default_factory=dict)
    orders: Mapping[ClientOrderId, Order] = field(default_factory=dict)

    def ours_of(self, seen: OrderSeen) -> ClientOrderId | None:
        """Name an order of ours that an exchange tells; None for somebody else's."""
        if is_ours(seen.client_order_id):
            return ClientOrderId(seen.client_order_id)
        if seen.client_order_id:
            return None
        # This exchange tells no ids of ours; its own one is unique.
        named = (key for key, one in self.orders.items() if _is_named(one, seen))
        return next(named, None)


def objections(logged: Logged, told: Iterable[OrderSeen]) -> list[str]:
    """
    Say what the log lacks or has otherwise, of orders that the exchange tells.

    Args:
        logged: read after the exchange was asked.

    """
    found = []
    for seen in told:
        key = logged.ours_of(seen)
        if key is None:
            continue
        approval, order = logged.approved.get(key), logged.orders.get(key)
        if approval is None:
            found.append(f"{key}: {_words(seen)} at the exchange, and nobody approved it")
        elif not _is_as_approved(seen, approval):
            found.append(f"{key}: {_words(seen)} at the exchange, in other terms than approved")
        elif order is None:
            found.append(f"{key}: {_words(seen)} at the exchange, and the log has no claim of it")
        elif seen.filled > order.filled or (seen.state in _OVER and seen.filled != order.filled):
            amounts = decimal_text(seen.filled), decimal_text(order.filled)
            found.append(f"{key}: filled {amounts[0]} at the exchange, {amounts[1]} on the log")
    return found


def untold(logged: Logged, told: Iterable[OrderSeen]) -> list[Order]:
    """List orders that the log says the exchange took, and that it did not tell."""
    numbers = {(seen.symbol, seen.exchange_order_id) for seen in told}
    return [
        order
        for order in logged.orders.values()
        if order.exchange_order_id
        and is_real(order)
        and (order.symbol, order.exchange_order_id) not in numbers
    ]


def _is_named(order: Order, seen: OrderSeen) -> bool:
    return (order.symbol, order.exchange_order_id) == (seen.symbol, seen.exchange_order_id)


def _is_as_approved(seen: OrderSeen, approval: OrderApproved) -> bool:
    told = (seen.symbol, seen.side, seen.quantity, seen.price)
    return told == (approval.symbol, approval.side, approval.quantity, approval.price)


def _words(seen: OrderSeen) -> str:
    price = "the market" if seen.price is None else decimal_text(seen.price)
    terms = f"{seen.symbol} {seen.side} {decimal_text(seen.quantity)} at {price}"
    return f"{terms} (order {seen.exchange_order_id})"
