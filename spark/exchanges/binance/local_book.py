"""
Binance's order book of one symbol, kept from what stands on its topic. Pure.

The rule: updates are applied in order of their ids on top of a full book; one that ends
before the book is old, one that begins beyond its next id means that something is
missing, and until the next full book there is none. A full book may come after updates
that are newer than it, so those wait for it.

Source: binance-spot-api-docs web-socket-streams.md "How to manage a local order book
correctly".
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from spark.events.market import BookRow
from spark.fills import ZERO, Offer
from spark.names import Side

#: Updates that wait for a full book; the feed asks for one within seconds.
_WAITING_ROWS_MAX: Final = 1_000


class LocalBook:
    """One symbol's levels."""

    def __init__(self) -> None:
        #: Wall time of the last read that it holds, by the feed's clock.
        self.heard_ns = 0
        self._last_id = -1
        self._sides: dict[Side, _Levels] = {Side.BUY: _Levels(), Side.SELL: _Levels()}
        self._waiting: deque[BookRow] = deque(maxlen=_WAITING_ROWS_MAX)

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing is missing."""
        return self._last_id >= 0

    def apply(self, row: BookRow) -> None:
        """Take one row of the topic; what is old changes nothing."""
        received_ns, _, first_id, last_id, bids, asks = row
        if not first_id:
            self._begin(row)
        elif not self.is_whole:
            self._waiting.append(row)
        elif last_id <= self._last_id:
            return
        elif first_id > self._last_id + 1:
            self._last_id = -1
            self._waiting.append(row)
        else:
            self._sides[Side.BUY].put(bids)
            self._sides[Side.SELL].put(asks)
            self._last_id, self.heard_ns = last_id, received_ns

    def offers(self, side: Side) -> Iterator[Offer[None]]:
        """Yield the levels of a side, best first."""
        levels = self._sides[side]
        # A copy: what is taken on the way changes the levels.
        prices = levels.prices[::-1] if side is Side.BUY else levels.prices[:]
        for price in prices:
            yield Offer(price, levels.quantities[price], None)

    def quantity_at(self, side: Side, price: Decimal) -> Decimal:
        """Give what stands at a price."""
        return self._sides[side].quantities.get(price, ZERO)

    def take(self, side: Side, price: Decimal, quantity: Decimal) -> None:
        """Remember that this was used up, until the exchange says something new of the level."""
        levels = self._sides[side]
        levels.set(price, levels.quantities[price] - quantity)

    def _begin(self, row: BookRow) -> None:
        received_ns, _, _, last_id, bids, asks = row
        if last_id <= self._last_id:
            # Asked for while what we have was on its way: ours is newer.
            return
        self._sides = {Side.BUY: _Levels(), Side.SELL: _Levels()}
        self._sides[Side.BUY].put(bids)
        self._sides[Side.SELL].put(asks)
        self._last_id, self.heard_ns = last_id, received_ns
        waiting, self._waiting = self._waiting, deque(maxlen=_WAITING_ROWS_MAX)
        for later in waiting:
            self.apply(later)


class _Levels:
    """One side."""

    __slots__ = ("prices", "quantities")

    def __init__(self) -> None:
        #: Ascending.
        self.prices: list[Decimal] = []
        self.quantities: dict[Decimal, Decimal] = {}

    def put(self, levels: tuple[tuple[str, str], ...]) -> None:
        for price, quantity in levels:
            self.set(Decimal(price), Decimal(quantity))

    def set(self, price: Decimal, quantity: Decimal) -> None:
        if quantity > ZERO:
            if price not in self.quantities:
                insort(self.prices, price)
            self.quantities[price] = quantity
        elif price in self.quantities:
            del self.quantities[price]
            del self.prices[bisect_left(self.prices, price)]
