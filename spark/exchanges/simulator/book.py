"""
A limit order book with price-time priority, and what changed in it.

Every order rests here alike, a client's or the market's own, so that priority
at one price is the order of arrival whoever came first. Pure: no I/O, no clock.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from decimal import Decimal

from spark.exchanges.simulator.orders import ZERO, Order
from spark.fills import Offer
from spark.names import Side


class Level:
    """One price: its orders in order of arrival, and their sum."""

    __slots__ = ("orders", "total")

    def __init__(self) -> None:
        #: Order id to order; a dict keeps arrival order and removes in O(1).
        self.orders: dict[int, Order] = {}
        self.total = ZERO


class BookSide:
    """All levels of one side, best price found in O(1)."""

    __slots__ = ("_best_at", "_levels", "_prices")

    def __init__(self, side: Side) -> None:
        self._best_at = -1 if side is Side.BUY else 0
        #: Ascending; a list beats a tree up to some ten thousand levels.
        self._prices: list[Decimal] = []
        self._levels: dict[Decimal, Level] = {}

    def best(self) -> Decimal | None:
        """Price of the best level, None when the side is empty."""
        return self._prices[self._best_at] if self._prices else None

    def level(self, price: Decimal) -> Level | None:
        """Return the level at `price`, if any order rests there."""
        return self._levels.get(price)

    def walk(self) -> Iterator[tuple[Decimal, Level]]:
        """Yield levels from the best on."""
        prices = reversed(self._prices) if self._best_at else iter(self._prices)
        for price in prices:
            yield price, self._levels[price]

    def offers(self) -> Iterator[Offer[Order]]:
        """Yield what rests here, best price first, within a price in order of arrival."""
        for price, level in self.walk():
            for order in level.orders.values():
                yield Offer(price, order.remaining, order)

    def add(self, price: Decimal, order: Order) -> None:
        """Queue an order behind all others at its price."""
        level = self._levels.get(price)
        if level is None:
            level = self._levels[price] = Level()
            insort(self._prices, price)
        level.orders[order.order_id] = order
        level.total += order.remaining

    def shrink(self, price: Decimal, by: Decimal) -> None:
        """Take traded quantity out of a level's sum, and drop an empty level."""
        level = self._levels[price]
        level.total -= by
        if not level.orders:
            assert level.total == ZERO, "a level without orders holds quantity"
            del self._levels[price]
            del self._prices[bisect_left(self._prices, price)]

    def __len__(self) -> int:
        return len(self._prices)


class Book:
    """Both sides of one symbol, with the update counter that streams quote."""

    __slots__ = ("asks", "bids", "symbol", "touched", "update_id")

    def __init__(self, symbol: str, *, update_id: int = 1) -> None:
        self.symbol = symbol
        self.bids = BookSide(Side.BUY)
        self.asks = BookSide(Side.SELL)
        #: Grows by one with each level that changes.
        self.update_id = update_id
        #: Levels changed since a stream last looked, oldest change first.
        self.touched: dict[tuple[Side, Decimal], None] = {}

    def side(self, side: Side) -> BookSide:
        """Return the side on which orders of `side` rest."""
        return self.bids if side is Side.BUY else self.asks

    def rest(self, order: Order) -> None:
        """Put an order at the end of its price's queue."""
        price = _price(order)
        self.side(order.terms.side).add(price, order)
        self._touch(order.terms.side, price)

    def withdraw(self, order: Order) -> None:
        """Take an order out, whatever is left of it."""
        price = _price(order)
        side = self.side(order.terms.side)
        level = side.level(price)
        assert level is not None, "an order that rests has a level"
        del level.orders[order.order_id]
        side.shrink(price, order.remaining)
        self._touch(order.terms.side, price)

    def traded(self, order: Order, quantity: Decimal) -> None:
        """Account for `quantity` just executed of a resting order."""
        price = _price(order)
        side = self.side(order.terms.side)
        if order.remaining == ZERO:
            level = side.level(price)
            assert level is not None, "an order that rests has a level"
            del level.orders[order.order_id]
        side.shrink(price, quantity)
        self._touch(order.terms.side, price)

    def quantity_at(self, side: Side, price: Decimal) -> Decimal:
        """Quantity resting at a price, zero where nothing rests."""
        level = self.side(side).level(price)
        return ZERO if level is None else level.total

    def top(self, side: Side) -> tuple[Decimal, Decimal]:
        """Best price and its quantity; zeros on an empty side, as venues write it."""
        price = self.side(side).best()
        return (ZERO, ZERO) if price is None else (price, self.quantity_at(side, price))

    def _touch(self, side: Side, price: Decimal) -> None:
        self.update_id += 1
        self.touched[side, price] = None


def _price(order: Order) -> Decimal:
    price = order.terms.price
    assert price is not None, "only priced orders rest"
    return price
