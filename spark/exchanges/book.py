"""
An order book of one symbol: what every exchange's has in common. Pure.

Whether an update fits is each exchange's own rule, in its `local_book`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from decimal import Decimal

from spark.events.market import BookRow
from spark.exchanges.levels import Levels
from spark.fills import Offer
from spark.names import Side


class Book(ABC):
    """One symbol's levels."""

    def __init__(self) -> None:
        #: Wall time of the last read that it holds, by the feed's clock.
        self.heard_ns = 0
        #: Id of the last update that it holds; -1 without a book.
        self.last_id = -1
        self.bids, self.asks = Levels(), Levels()

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing is missing."""
        return self.last_id >= 0

    @property
    def is_crossed(self) -> bool:
        """Tell whether a bid stands at an ask's price or above: then a level is wrong."""
        return self.bids.is_above(self.asks)

    @abstractmethod
    def apply(self, row: BookRow) -> None:
        """Take one row of the topic."""

    def doubt(self) -> None:
        """Give the book up until the next full one."""
        self.last_id = -1

    def offers(self, side: Side) -> Iterator[Offer[None]]:
        """Yield the levels of a side, best first; what is taken on the way changes the book."""
        levels = self.bids.descending() if side is Side.BUY else self.asks.ascending()
        for price, quantity in levels:
            yield Offer(price, quantity, None)

    def quantity_at(self, side: Side, price: Decimal) -> Decimal:
        """Give what stands at a price."""
        return self._levels(side).quantity_at(price)

    def take(self, side: Side, price: Decimal, quantity: Decimal) -> None:
        """Remember that this was used up, until the exchange says something new of the level."""
        levels = self._levels(side)
        levels.set(price, levels.quantity_at(price) - quantity)

    def _levels(self, side: Side) -> Levels:
        return self.bids if side is Side.BUY else self.asks

    def _put(self, row: BookRow) -> None:
        received_ns, _, _, last_id, bids, asks = row
        self.bids.put(bids)
        self.asks.put(asks)
        self.last_id, self.heard_ns = last_id, received_ns

    def _begin_anew(self, row: BookRow) -> None:
        self.bids, self.asks = Levels(), Levels()
        self._put(row)
