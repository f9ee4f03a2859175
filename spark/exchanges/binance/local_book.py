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
from decimal import Decimal
from typing import Final

from spark.events.market import BookRow
from spark.exchanges.book import Book

#: Updates that wait for a full book; the feed asks for one within seconds.
_WAITING_ROWS_MAX: Final = 1_000


class LocalBook(Book):
    """One symbol's levels."""

    def __init__(self) -> None:
        super().__init__()
        #: Prices of the last full book's worst bid and ask: what stood beyond is not known.
        self.reach = ("", "")
        self._waiting: deque[BookRow] = deque(maxlen=_WAITING_ROWS_MAX)

    def apply(self, row: BookRow) -> None:
        """Take one row of the topic; what is old changes nothing."""
        _, _, first_id, last_id, _, _ = row
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
            self._put(row)

    def differs(self, other: "LocalBook") -> bool:
        """Compare with a book at the same id, as far as both know every level."""
        lows = (self.reach[0], other.reach[0])
        highs = (self.reach[1], other.reach[1])
        low = max(filter(None, lows), key=Decimal, default="")
        high = min(filter(None, highs), key=Decimal, default="")
        return self.bids.differ(other.bids, low, "") or self.asks.differ(other.asks, "", high)

    def _begin(self, row: BookRow) -> None:
        _, _, _, last_id, _, _ = row
        if last_id <= self.last_id:
            # Asked for while what we have was on its way: ours is newer.
            return
        self._begin_anew(row)
        lowest, highest = self.bids.lowest(), self.asks.highest()
        self.reach = (lowest[0] if lowest else "", highest[0] if highest else "")
        waiting, self._waiting = self._waiting, deque(maxlen=_WAITING_ROWS_MAX)
        for later in waiting:
            self.apply(later)
