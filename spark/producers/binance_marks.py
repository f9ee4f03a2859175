"""
The feed's marks: what each symbol is worth, and since when that is known to hold.

A quote says nothing of how long it holds; its connection does. As long as the
connection lives - a frame, a ping, a pong - no quote means that nothing changed. So a
quiet symbol on a living socket does not grow stale, and every symbol of a mute one does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from spark.bus.port import Outgoing, Partition
from spark.codec import encode
from spark.events import PricesMarked
from spark.exchanges.binance.wire_marks import mark_of
from spark.names import Venue
from spark.topics import BINANCE_MARKS

#: From one record of marks to the next.
MARK_S: Final = 0.25
#: A connection that was silent for so long is asked whether it lives.
QUIET_NS: Final = 500_000_000
#: From one such question to the next: the venue takes 5 messages a second.
ASK_NS: Final = 1_000_000_000


@dataclass(slots=True)
class Marker:
    """What is known of one connection at a time."""

    #: Wall time of its last sign of life; 0 before the first.
    _alive_ns: int = 0
    _marked_ns: int = 0
    _asked_ns: int = 0
    #: How many symbols had prices that mark nothing, at the last record.
    unusable: int = 0

    def begin(self) -> None:
        """Begin with a new connection, of which nothing is known."""
        self._alive_ns = 0

    def hear(self, now_ns: int) -> None:
        """Take note of a sign of life."""
        self._alive_ns = now_ns

    def wants_to_know(self, now_ns: int) -> bool:
        """Say whether the connection is to be asked if it lives, and take it that it is."""
        if now_ns - self._alive_ns < QUIET_NS or now_ns - self._asked_ns < ASK_NS:
            return False
        self._asked_ns = now_ns
        return True

    def mark(self, tops: Mapping[bytes, tuple[bytes, bytes]], now_ns: int) -> Outgoing | None:
        """
        Mark every symbol whose last quote is known.

        Args:
            tops: symbol -> its bid and ask, as JSON strings.
            now_ns: when it is said.

        Returns: None where nothing was learnt since the last time.

        """
        if not tops or self._alive_ns in {0, self._marked_ns}:
            return None
        self._marked_ns = self._alive_ns
        found = [
            mark_of(symbol.decode(), (bid[1:-1].decode(), ask[1:-1].decode()), self._alive_ns)
            for symbol, (bid, ask) in tops.items()
        ]
        marks = tuple(one for one in found if one is not None)
        self.unusable = len(found) - len(marks)
        if not marks:
            return None
        event = PricesMarked(venue=Venue.BINANCE, marks=marks, marked_ns=now_ns)
        return Outgoing(Partition(BINANCE_MARKS, 0), Venue.BINANCE.encode(), encode(event))
