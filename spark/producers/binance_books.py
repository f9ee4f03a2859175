"""
The feed's own copy of each Binance book, by which it knows that something is wrong. Pure.

Whatever differs on the way is found in one of three ways: an update does not join up
with the one before; the book is crossed; or it is not the book that the exchange gives
when asked, brought to the same id by the same updates. Then the copy is given up, the
updates that go on wait, and the next full book begins anew. An update may straddle a
full book's id, and updates that are newer than a full book are never thrown away: one
that is older than all of them is asked for again.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

import orjson

from spark.events.market import BookRow
from spark.exchanges.binance.local_book import LocalBook

#: Updates kept for the next full book: 100 s of them; a question takes 10 s at most.
_RECENT_MAX: Final = 1_000
#: A book that is crossed again so soon is so at the exchange; asking anew does not help.
_CROSSED_NS_MIN: Final = 30_000_000_000


class _Recent(NamedTuple):
    """An update."""

    first_id: int
    text: bytes


class Cause(StrEnum):
    """Why a stream has a gap (events/market.py)."""

    START = "start"
    CONNECTION_LOST = "connection_lost"
    MUTE = "mute"
    SEQUENCE = "sequence"
    CROSSED = "crossed"
    DIFFERS = "differs_from_snapshot"


@dataclass(slots=True)
class KeptBook:
    """One symbol's."""

    book: LocalBook = field(default_factory=LocalBook)
    #: How many full books were compared with it and found to be the same.
    agreed: int = 0
    #: Of the last update of this connection; -1 before the first.
    joined_id: int = -1
    #: As text: a thousand updates taken apart would be looked through by every collection.
    _recent: deque[_Recent] = field(default_factory=lambda: deque(maxlen=_RECENT_MAX))
    #: A full book that is ahead of the updates.
    _early: BookRow | None = None
    _crossed_ns: int = 0

    def begin(self) -> None:
        """Begin with a new connection: what came before it may lack something."""
        self.book.doubt()
        self.joined_id = -1
        self._early = None
        self._recent.clear()

    @property
    def is_joined(self) -> bool:
        """Tell whether an update came on this connection."""
        return self.joined_id >= 0

    def joins(self, first_id: int) -> bool:
        """Say whether an update follows the last one of this connection; the first does not."""
        return self.is_joined and first_id <= self.joined_id + 1

    def follow(self, row: BookRow, text: bytes) -> Cause | None:
        """
        Take an update, with its text.

        Returns: what is wrong with the book from now on; asked of who wrote the row.

        """
        received_ns, last_id = row[0], row[3]
        self.joined_id = max(last_id, self.joined_id)
        self._recent.append(_Recent(row[2], text))
        self.book.apply(row)
        early, self._early = self._early, None
        if early is not None and (cause := self.check(early)) is not None:
            return cause
        if not self.book.is_whole or not self.book.is_crossed:
            return None
        if received_ns - self._crossed_ns < _CROSSED_NS_MIN:
            return None
        self._crossed_ns = received_ns
        self.book.doubt()
        return Cause.CROSSED

    def restart(self) -> None:
        """Take note of a gap in the ids: updates before it are of no use."""
        self.book.doubt()
        self._recent.clear()

    def reaches(self, full: BookRow) -> bool:
        """Say whether no update is missing between a full book and those that were kept."""
        return not self._recent or self._recent[0].first_id <= full[3] + 1

    def check(self, full: BookRow) -> Cause | None:
        """
        Take a full book: begin with it, or compare and go on with it.

        Returns: `DIFFERS` where the book was another; it is given up then.

        """
        book = self.book
        if not book.is_whole:
            book.apply(full)
            return None
        if full[3] > book.last_id:
            self._early = full
            return None
        fresh = LocalBook()
        fresh.apply(full)
        for recent in self._recent:
            fresh.apply(orjson.loads(recent.text))
        if fresh.last_id != book.last_id:
            # Too old to be compared; the next one is not.
            return None
        if book.differs(fresh):
            book.doubt()
            return Cause.DIFFERS
        self.agreed += 1
        self.book = fresh
        return None
