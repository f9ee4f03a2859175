"""
BTCTurk's order book of one symbol, kept from what stands on its topic. Pure.

The rule: a full book begins a chain, and each difference's change set is the last one plus
one; anything else means that something is missing, and until the next full book there is
none. No difference waits for that, because each full book begins a numbering of its own.
What is removed twice is removed; a book whose best bid meets its best ask is wrong, and to
be asked for anew (trap 17).

Rows are those of Binance's books: a full one has the first id 0, a difference has its
change set for both ids.

Source: docs.btcturk.com websocket-feed; facts: exchanges.md §1.9.
"""

from collections.abc import Iterator
from decimal import Decimal

from spark.events.market import BookRow
from spark.exchanges.levels import Levels
from spark.fills import Offer
from spark.names import Side


class LocalBook:
    """One symbol's levels: the best hundred a side, all of which the venue keeps up to date."""

    def __init__(self) -> None:
        #: Wall time of the last read that it holds, by the feed's clock.
        self.heard_ns = 0
        #: Change set that it holds; -1 without a book.
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

    def apply(self, row: BookRow) -> None:
        """Take one row of the topic."""
        received_ns, _, first_id, last_id, bids, asks = row
        if not first_id:
            self.bids, self.asks = Levels(), Levels()
        elif last_id != self.last_id + 1 or not self.is_whole:
            self.last_id = -1
            return
        self.bids.put(bids)
        self.asks.put(asks)
        self.last_id, self.heard_ns = last_id, received_ns

    def doubt(self) -> None:
        """Give the book up until the next full one."""
        self.last_id = -1

    def differs(self, other: "LocalBook") -> bool:
        """Compare with another subscription's book of the same moment; their ids say nothing."""
        return self.bids.differ(other.bids, "", "") or self.asks.differ(other.asks, "", "")

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
