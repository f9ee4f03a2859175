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

from spark.events.market import BookRow
from spark.exchanges.book import Book


class LocalBook(Book):
    """One symbol's levels: the best hundred a side, all of which the venue keeps up to date."""

    def apply(self, row: BookRow) -> None:
        """Take one row of the topic."""
        _, _, first_id, last_id, _, _ = row
        if not first_id:
            self._begin_anew(row)
        elif last_id != self.last_id + 1 or not self.is_whole:
            self.last_id = -1
        else:
            self._put(row)

    def differs(self, other: "LocalBook") -> bool:
        """Compare with another subscription's book of the same moment; their ids say nothing."""
        return self.bids.differ(other.bids, "", "") or self.asks.differ(other.asks, "", "")
