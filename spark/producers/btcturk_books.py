"""
The feed's own copy of each BTCTurk book, and when it is to be asked for anew. Pure.

A book is joined: a whole one comes, then differences; a difference before it is of no use.
It is joined again where the whole one does not come, which is all that tells of a symbol
that does not exist (trap 20); where a number is missing; where it is crossed; where the
ticker shows another best price for long; and where whole books of another subscription
show a level otherwise, again and again, while ours stood still (trap 17). Two subscriptions
count by themselves and may be a moment apart, so one look proves nothing.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from spark.events.market import BookRow
from spark.exchanges.btcturk.local_book import LocalBook
from spark.producers.binance_books import Cause

#: How long the ticker may show other prices than the book: each is told every 0.75 s.
_APART_NS_MAX: Final = 10_000_000_000
#: Between two joinings that bring nothing; it doubles up to this.
_JOIN_NS_MAX: Final = 300_000_000_000

#: Side, price and quantity of a level that another book shows otherwise.
_Unlike = frozenset[tuple[str, int, str]]


@dataclass(slots=True)
class TurkBook:
    """
    One symbol's.

    Args:
        first_ns_max: how long the whole book may take after joining.

    """

    first_ns_max: int
    book: LocalBook = field(default_factory=LocalBook)
    #: Joinings in a row that brought no book.
    silent: int = 0
    #: How many times another subscription showed the same.
    agreed: int = 0
    #: Since when a whole book is due; 0 once it came.
    _joined_ns: int = 0
    _apart_ns: int = 0
    _unlike: _Unlike | None = None

    def begin(self, now_ns: int) -> None:
        """Begin with a new connection, on which the book was joined."""
        self.silent = 0
        self.joined(now_ns)

    def joined(self, now_ns: int) -> None:
        """Take note that it was joined: what still comes of the old numbering is not used."""
        self.book.doubt()
        self._joined_ns, self._apart_ns, self._unlike = now_ns, 0, None

    @property
    def is_awaited(self) -> bool:
        """Tell whether a whole book is due."""
        return self._joined_ns > 0

    def is_silent(self, now_ns: int) -> bool:
        """Tell whether the whole book that is due is late; it is, if so, and may be joined."""
        if not self.is_awaited:
            return False
        wait_ns = min(self.first_ns_max << self.silent, _JOIN_NS_MAX)
        if now_ns - self._joined_ns <= wait_ns:
            return False
        self.silent += 1
        return True

    def full(self, row: BookRow) -> None:
        """Take a whole book: a chain begins."""
        self.book.apply(row)
        self._joined_ns = self.silent = 0

    def follow(self, row: BookRow) -> Cause | None:
        """Take a difference; returns why the book is to be joined again, with it or without."""
        if row[3] != self.book.last_id + 1:
            self.book.doubt()
            return Cause.SEQUENCE
        self.book.apply(row)
        return Cause.CROSSED if self.book.is_crossed else None

    def best(self) -> tuple[str, str, str, str] | None:
        """Give bid, its quantity, ask, its quantity; None where a side is missing."""
        bid, ask = self.book.bids.highest(), self.book.asks.lowest()
        if not self.book.is_whole or bid is None or ask is None:
            return None
        return bid[0], bid[1], ask[0], ask[1]

    def compare_best(self, bid: str, ask: str, now_ns: int) -> Cause | None:
        """Look at the ticker's best prices; returns why the book is to be joined again."""
        best = self.best()
        if best is None or (Decimal(best[0]), Decimal(best[2])) == (Decimal(bid), Decimal(ask)):
            self._apart_ns = 0
        elif self._apart_ns == 0:
            self._apart_ns = now_ns
        elif now_ns - self._apart_ns > _APART_NS_MAX:
            return Cause.MUTE
        return None

    def begin_check(self) -> None:
        """Begin to compare with whole books of another subscription."""
        self._unlike = None

    def compare(self, other: LocalBook) -> None:
        """Look at another subscription's whole book."""
        if self.book.is_whole:
            found = self._differences(other)
            self._unlike = found if self._unlike is None else self._unlike & found

    def end_check(self) -> Cause | None:
        """Judge: a level that was otherwise each time, and has not moved, is wrong."""
        found, self._unlike = self._unlike, None
        if found is None or not self.book.is_whole:
            return None
        now = {
            "bid": self.book.bids.between("", ""),
            "ask": self.book.asks.between("", ""),
        }
        if any(now[side].get(key, "") == quantity for side, key, quantity in found):
            return Cause.DIFFERS
        self.agreed += 1
        return None

    def as_full(self, now_ns: int) -> BookRow:
        """Write the book as it is now as a whole one, for who begins to read here."""
        bids = tuple((f"{p:f}", f"{q:f}") for p, q in self.book.bids.descending())
        asks = tuple((f"{p:f}", f"{q:f}") for p, q in self.book.asks.ascending())
        return now_ns, 0, 0, self.book.last_id, bids, asks

    def _differences(self, other: LocalBook) -> _Unlike:
        bids = self.book.bids.unlike(other.bids)
        asks = self.book.asks.unlike(other.asks)
        return frozenset(("bid", *one) for one in bids) | frozenset(("ask", *one) for one in asks)
