"""
The feed's marks: what each symbol is worth, and since when that is known to hold.

A quote says nothing of how long it holds; its connection does. As long as the
connection lives - a frame, a ping, a pong - no quote means that nothing changed. So a
quiet symbol on a living socket does not grow stale, and every symbol of a mute one does.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from spark.bus.port import Outgoing, Partition
from spark.clock import Clock
from spark.codec import encode
from spark.events import Mark, PricesMarked
from spark.metrics import Metrics
from spark.names import Symbol, Venue

#: From one record of marks to the next.
MARK_S: Final = 0.25
#: A connection that was silent for so long is asked whether it lives.
QUIET_NS: Final = 500_000_000
#: From one such question to the next: the venue takes 5 messages a second.
ASK_NS: Final = 1_000_000_000


#: Makes a mark of bid and ask as they were written, known to hold at a time; None for
#: prices that nobody can mean.
MarkOf = Callable[[str, tuple[str, str], int], Mark | None]
#: Symbol -> bid and ask of its last quote, as JSON strings.
Tops = Mapping[bytes, tuple[bytes, bytes]]


class Pinged(Protocol):
    """An open connection."""

    async def ping(self) -> None:
        """Ask for a sign of life; never raises."""


@dataclass(slots=True)
class Marker:
    """What is known of one connection at a time."""

    venue: Venue
    mark_of: MarkOf
    #: None between two connections.
    socket: Pinged | None = None
    #: The newest marks that wait to be produced: behind a slow broker older ones are of no use.
    _waiting: list[Outgoing] = field(default_factory=list)
    #: Wall time of the connection's last sign of life; 0 before the first.
    _alive_ns: int = 0
    _marked_ns: int = 0
    _asked_ns: int = 0
    #: How many symbols had prices that mark nothing, at the last look.
    unusable: int = 0

    def begin(self, socket: Pinged | None) -> None:
        """Begin with a new connection, of which nothing is known, or with none."""
        self.socket = socket
        self._alive_ns = 0

    def hear(self, now_ns: int) -> None:
        """Take note of a sign of life; one of a connection that is over says nothing."""
        if self.socket is not None:
            self._alive_ns = now_ns

    def wants_to_know(self, now_ns: int) -> bool:
        """Say whether the connection is to be asked if it lives, and take it that it is."""
        if now_ns - self._alive_ns < QUIET_NS or now_ns - self._asked_ns < ASK_NS:
            return False
        self._asked_ns = now_ns
        return True

    def mark(self, tops: Tops, now_ns: int) -> bool:
        """
        Mark every symbol whose last quote is known.

        Args:
            tops: symbol -> its bid and ask, as JSON strings.
            now_ns: when it is said.

        Returns: False where nothing was learnt since the last time.

        """
        if not tops or self._alive_ns in {0, self._marked_ns}:
            return False
        self._marked_ns = self._alive_ns
        found = [
            self.mark_of(symbol.decode(), (bid[1:-1].decode(), ask[1:-1].decode()), self._alive_ns)
            for symbol, (bid, ask) in tops.items()
        ]
        marks = tuple(one for one in found if one is not None)
        self.unusable = len(found) - len(marks)
        if not marks:
            return False
        event = PricesMarked(venue=self.venue, marks=marks, marked_ns=now_ns)
        topic = Partition(f"market.{self.venue}.marks", 0)
        self._waiting = [Outgoing(topic, self.venue.encode(), encode(event))]
        return True

    def take(self) -> list[Outgoing]:
        """Hand over the marks that wait."""
        taken, self._waiting = self._waiting, []
        return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """What keeps a marker going."""

    marker: Marker
    tops: Callable[[], Tops]
    symbols: tuple[Symbol, ...]
    clock: Clock
    metrics: Metrics
    #: Set when marks wait.
    arrived: asyncio.Event

    async def run(self) -> None:
        """Mark, and ask a silent connection whether it lives; runs until cancelled."""
        missing = self.metrics.marks_missing.labels(self.marker.venue)
        while True:
            await asyncio.sleep(MARK_S)
            now_ns, tops = self.clock.wall_ns(), self.tops()
            socket = self.marker.socket
            if socket is None:
                missing.set(len(self.symbols))
                continue
            if self.marker.mark(tops, now_ns):
                self.arrived.set()
            missing.set(len(self.symbols) - len(tops) + self.marker.unusable)
            if self.marker.wants_to_know(now_ns):
                await socket.ping()
