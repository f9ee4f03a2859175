"""
Which resting orders an incoming one trades with, and how much. Pure.

The taker walks the other side from the best price on, and within a price in
order of arrival; a trade happens at the resting order's price.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from spark.exchanges.simulator.book import Book
from spark.exchanges.simulator.orders import ZERO, Order, Terms
from spark.names import Side


@dataclass(frozen=True, slots=True)
class Match:
    """One trade to be settled."""

    maker: Order
    price: Decimal
    quantity: Decimal


def crosses(book: Book, terms: Terms) -> bool:
    """Tell whether an order would trade at once."""
    best = book.side(other(terms.side)).best()
    return best is not None and _acceptable(terms, best)


def plan(book: Book, terms: Terms, *, step: Decimal) -> list[Match]:
    """
    List the trades that `terms` would make now; the book is not changed.

    Args:
        book: the symbol's book.
        terms: the incoming order; without a price it takes any.
        step: quantity step, to which a quote quantity is rounded down.

    Returns:
        Trades in the order in which they happen; empty when nothing crosses.
    """
    if terms.quantity is None:
        return list(_spend(book, terms, step))
    matches: list[Match] = []
    left = terms.quantity
    for maker, price in _resting(book, terms):
        quantity = min(left, maker.remaining)
        matches.append(Match(maker, price, quantity))
        left -= quantity
        if left == ZERO:
            break
    return matches


def _spend(book: Book, terms: Terms, step: Decimal) -> Iterator[Match]:
    left = terms.quote_quantity
    assert left is not None, "an order names a quantity or a quote quantity"
    for maker, price in _resting(book, terms):
        affordable = (left / price / step).to_integral_value(ROUND_DOWN) * step
        quantity = min(affordable, maker.remaining)
        if quantity == ZERO:
            return
        yield Match(maker, price, quantity)
        left -= quantity * price


def _resting(book: Book, terms: Terms) -> Iterator[tuple[Order, Decimal]]:
    for price, level in book.side(other(terms.side)).walk():
        if not _acceptable(terms, price):
            return
        for maker in level.orders.values():
            yield maker, price


def _acceptable(terms: Terms, price: Decimal) -> bool:
    if terms.price is None:
        return True
    return price <= terms.price if terms.side is Side.BUY else price >= terms.price


def other(side: Side) -> Side:
    """Return the opposite side."""
    return Side.SELL if side is Side.BUY else Side.BUY
