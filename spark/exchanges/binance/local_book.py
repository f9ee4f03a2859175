"""
Binance's order book of one symbol, kept from what stands on its topic. Pure.

The rule: updates are applied in order of their ids on top of a full book; one that ends
before the book is old, one that begins beyond its next id means that something is
missing, and until the next full book there is none. A full book may come after updates
that are newer than it, so those wait for it.

Source: binance-spot-api-docs web-socket-streams.md "How to manage a local order book
correctly".
"""

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from spark.events.market import BookRow
from spark.exchanges.levels import Levels
from spark.fills import Offer
from spark.names import Side

#: Updates that wait for a full book; the feed asks for one within seconds.
_WAITING_ROWS_MAX: Final = 1_000


class LocalBook:
    """One symbol's levels."""

    def __init__(self) -> None:
        #: Wall time of the last read that it holds, by the feed's clock.
        self.heard_ns = 0
        #: Id of the last update that it holds; -1 without a book.
        self.last_id = -1
        self.bids, self.asks = Levels(), Levels()
        #: Prices of the last full book's worst bid and ask: what stood beyond is not known.
        self.reach = ("", "")
        self._waiting: deque[BookRow] = deque(maxlen=_WAITING_ROWS_MAX)

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing is missing."""
        return self.last_id >= 0

    @property
    def is_crossed(self) -> bool:
        """Tell whether a bid stands at an ask's price or above: then a level is wrong."""
        return self.bids.is_above(self.asks)

    def apply(self, row: BookRow) -> None:
        """Take one row of the topic; what is old changes nothing."""
        received_ns, _, first_id, last_id, bids, asks = row
        if not first_id:
            self._begin(row)
        elif not self.is_whole:
            self._waiting.append(row)
        elif last_id <= self.last_id:
            return
        elif first_id > self.last_id + 1:
            self.last_id = -1
            self._waiting.append(row)
        else:
            self.bids.put(bids)
            self.asks.put(asks)
            self.last_id, self.heard_ns = last_id, received_ns

    def doubt(self) -> None:
        """Give the book up until the next full one; updates wait for that from now on."""
        self.last_id = -1

    def differs(self, other: "LocalBook") -> bool:
        """Compare with a book at the same id, as far as both know every level."""
        lows = (self.reach[0], other.reach[0])
        highs = (self.reach[1], other.reach[1])
        low = max(filter(None, lows), key=Decimal, default="")
        high = min(filter(None, highs), key=Decimal, default="")
        return self.bids.differ(other.bids, low, "") or self.asks.differ(other.asks, "", high)

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

    def _begin(self, row: BookRow) -> None:
        received_ns, _, _, last_id, bids, asks = row
        if last_id <= self.last_id:
            # Asked for while what we have was on its way: ours is newer.
            return
        self.bids, self.asks = Levels(), Levels()
        self.bids.put(bids)
        self.asks.put(asks)
        lowest, highest = self.bids.lowest(), self.asks.highest()
        self.reach = (lowest[0] if lowest else "", highest[0] if highest else "")
        self.last_id, self.heard_ns = last_id, received_ns
        waiting, self._waiting = self._waiting, deque(maxlen=_WAITING_ROWS_MAX)
        for later in waiting:
            self.apply(later)
