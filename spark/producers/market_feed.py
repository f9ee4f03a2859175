"""
What every market feed does: one connection after another, watched, onto the topics.

A venue's feed says how to open it, what a frame means, and how a book is mended.
"""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Final, Protocol

from spark.bus.port import Bus
from spark.clock import Clock
from spark.errors import VenueUnavailable, WireError
from spark.log import logger
from spark.metrics import Metrics, at_scrape
from spark.names import Role, Symbol, Venue
from spark.producers.dead_frames import DeadFrames
from spark.producers.feed_health import Health
from spark.producers.feed_lanes import KINDS, Lanes, Stream
from spark.producers.feed_marks import Marker, Marking, Tops
from spark.producers.feed_outbox import Outbox
from spark.producers.feed_watch import Watchdog
from spark.topics import CONTROL_PULSE
from spark.worker.crew import Crew
from spark.worker.hold import hold_topics
from spark.worker.pulse import Pulse
from spark.worker.retry import Schedule, draw

#: Rows that may wait while a produce is on its way; beyond, the socket is not read.
WAITING_ROWS_MAX: Final = 20_000
#: An open socket that says nothing for so long is replaced (spec C5).
MUTE_S_MAX: Final = 30.0
#: A stream that says nothing for so long is, with its socket, while others still speak.
STREAM_S_MAX: Final = 120.0
#: From one full book of a symbol to the next at most (consumers/gateway_market.py).
BOOK_S_MAX: Final = 120.0
#: A connection that ends sooner does not count as one that worked: with less, one that holds now
#: and then would bring the pauses back to their beginning, and BTCTurk takes 15 connects a minute.
_STEADY_S_MIN: Final = 30.0
_RECONNECT_S_MAX: Final = 10.0
_JITTER_S_MAX: Final = 0.25
#: From one look at the streams to the next.
_WATCH_S: Final = 1.0
_NS_PER_S: Final = 1e9


class Socket(Protocol):
    """One open stream connection."""

    async def receive(self) -> bytes | None:
        """
        Take the next frame; None is a sign of life without one.

        Raises VenueUnavailable when the connection is over.
        """

    async def ping(self) -> None:
        """Ask for a sign of life; never raises."""

    async def close(self) -> None:
        """Let go of it."""


class Rows(Protocol):
    """What a venue's frames become."""

    lanes: Lanes

    @property
    def tops(self) -> Tops:
        """Give each symbol's last bid and ask of this connection, as JSON."""

    def begin(self, symbols: tuple[Symbol, ...], cause: str, now_ns: int) -> None:
        """Begin with a new connection."""


@dataclass(slots=True, kw_only=True)
class MarketFeed(ABC):
    """One process."""

    venue: ClassVar[Venue]
    role: ClassVar[Role]
    #: Pause before the second try to connect; it doubles.
    reconnect_s_min: ClassVar[float]

    bus: Bus
    clock: Clock
    metrics: Metrics
    symbols: tuple[Symbol, ...]
    instance: str
    #: Set once the streams are open.
    ready: asyncio.Event
    mute_s_max: float = MUTE_S_MAX
    stream_s_max: float = STREAM_S_MAX
    book_s_max: float = BOOK_S_MAX
    rows: Rows = field(init=False)
    _marker: Marker = field(init=False)
    _health: Health = field(init=False)
    _letters: DeadFrames = field(init=False)
    _outbox: Outbox = field(init=False)
    #: Wall time of the read whose frames are being taken; 0 between reads.
    _read_ns: int = 0
    _last_read_ns: int = 0
    _frames: int = 0
    _silence: asyncio.Timeout | None = None
    #: Why the next connection begins with a gap.
    _cause: str = "start"
    #: The stream that says nothing while others do.
    _dead: Stream | None = None
    _is_held: bool = False

    def __post_init__(self) -> None:
        """Make the parts that depend on the venue."""
        self.rows = self._make_rows()
        self._marker = self._make_marker()
        self._letters = DeadFrames(self.role, self.venue, self.metrics)
        self._outbox = Outbox(self.rows.lanes, self._letters, self._marker)
        streams = [Stream(kind, symbol.encode()) for kind in KINDS for symbol in self.symbols]
        self._health = Health(
            self.venue,
            self.rows.lanes,
            Watchdog(streams, limit_ns=int(self.stream_s_max * _NS_PER_S)),
            clock=self.clock,
            metrics=self.metrics,
        )

    @abstractmethod
    def _make_rows(self) -> Rows:
        """Make what frames go to."""

    @abstractmethod
    def _make_marker(self) -> Marker:
        """Make what marks symbols."""

    @abstractmethod
    async def _open(self) -> Socket:
        """Connect and subscribe; raises VenueUnavailable."""

    @abstractmethod
    def _add(self, frame: bytes) -> None:
        """Take one frame of the read at `_read_ns`; raises WireError."""

    @abstractmethod
    async def _mend(self) -> None:
        """Fetch full books, now and then and where one is wanted; until cancelled."""

    @abstractmethod
    async def _let_go(self) -> None:
        """Close every way to the venue."""

    async def run(self, stop: asyncio.Event) -> None:
        """
        Feed until told to stop; what was received by then is written.

        Raises:
            ExitError: fenced, or a write failed; what the log holds is unsure.

        """
        self._health.expose()
        at_scrape(self.metrics.ws_last_message, lambda: self._last_read_ns / _NS_PER_S, self.venue)
        topics = [f"market.{self.venue}.{kind}" for kind in (*KINDS, "marks")]
        writer = await self.bus.writer([*topics, f"dlq.{self.role}", CONTROL_PULSE])
        pulse = Pulse(self.role, self.instance, writer, clock=self.clock)
        try:
            held = await hold_topics(
                (self.bus, writer), topics, who=(self.role, self.instance), clock=self.clock
            )
            async with Crew() as group:
                sides = [
                    group.create_task(self._listen()),
                    group.create_task(self._mend()),
                    group.create_task(self._watch()),
                    group.create_task(self._marking().run()),
                    group.create_task(pulse.beat(lambda: held.tenures, dict)),
                ]
                group.create_task(self._outbox.publish(held))
                await stop.wait()
                for side in sides:
                    side.cancel()
                await asyncio.wait(sides)
                self._outbox.end()
        finally:
            await writer.close()
            await self._let_go()

    def _marking(self) -> Marking:
        return Marking(
            marker=self._marker,
            tops=lambda: self.rows.tops,
            symbols=self.symbols,
            clock=self.clock,
            metrics=self.metrics,
            arrived=self._outbox.arrived,
        )

    async def _listen(self) -> None:
        schedule = Schedule(
            first_s=self.reconnect_s_min, pause_s_max=_RECONNECT_S_MAX, jitter_s_max=_JITTER_S_MAX
        )
        tries = 0
        while True:
            try:
                await self._serve_connection()
            except VenueUnavailable as error:
                tries += 1
                pause_s = schedule.pause_s(tries, chance=draw(), retry_after_s=error.retry_after_s)
                logger().warning("stream_unavailable", why=str(error), pause_s=round(pause_s, 3))
            else:
                # One that held is replaced soon, but not by all its readers at the same moment.
                tries, pause_s = 0, _JITTER_S_MAX * draw()
            await asyncio.sleep(pause_s)

    async def _serve_connection(self) -> None:
        """Take frames until the connection ends; one that held returns, another raises."""
        socket = await self._open()
        opened_ns, now_ns = self.clock.monotonic_ns(), self.clock.wall_ns()
        self.rows.begin(self.symbols, self._cause, now_ns)
        self._health.begin(now_ns)
        self._marker.begin(socket)
        self._dead, self._is_held = None, False
        self.ready.set()
        try:
            async with asyncio.timeout(self.mute_s_max) as self._silence:
                await self._receive(socket)
        except (VenueUnavailable, TimeoutError) as error:
            why = str(error) or _mute_words(self._dead, self)
            self._cause = "connection_lost" if isinstance(error, VenueUnavailable) else "mute"
            logger().warning("stream_lost", why=why)
            self.metrics.ws_reconnects.labels(self.venue).inc()
            if self.clock.monotonic_ns() - opened_ns < _STEADY_S_MIN * _NS_PER_S:
                raise VenueUnavailable(why) from None
        finally:
            self._silence = None
            self._marker.begin(None)
            await socket.close()

    async def _receive(self, socket: Socket) -> None:
        loop = asyncio.get_running_loop()
        lanes = self.rows.lanes
        while True:
            frame = await socket.receive()
            if frame is None:
                self._marker.hear(self.clock.wall_ns())
                continue
            if self._read_ns == 0:
                # Frames of one read come without a pause; the callback runs after the last.
                self._read_ns = self.clock.wall_ns()
                loop.call_soon(self._end_read)
            self._frames += 1
            try:
                self._add(frame)
            except WireError as error:
                now_ns = self.clock.wall_ns()
                self._letters.bury(self._frames, frame, detail=str(error), now_ns=now_ns)
            while lanes.rows >= WAITING_ROWS_MAX:
                self._is_held = True
                await self._outbox.taken()
                self._is_held = False

    def _end_read(self) -> None:
        self._last_read_ns, self._read_ns = self._read_ns, 0
        self._marker.hear(self._last_read_ns)
        if self._silence is not None and self._dead is None:
            self._silence.reschedule(asyncio.get_running_loop().time() + self.mute_s_max)
        self._outbox.arrived.set()

    async def _watch(self) -> None:
        """Look after every stream; runs until cancelled."""
        while True:
            await asyncio.sleep(_WATCH_S)
            is_listening = self._silence is not None and not self._is_held and self._dead is None
            dead = self._health.look(is_listening=is_listening)
            if dead is not None and self._silence is not None:
                self._dead = dead
                self._silence.reschedule(asyncio.get_running_loop().time())


def _mute_words(dead: Stream | None, feed: MarketFeed) -> str:
    if dead is None:
        return f"silent for {feed.mute_s_max:g} s"
    symbol = dead.symbol.decode() or "every symbol"
    return f"{dead.kind} of {symbol} silent for {feed.stream_s_max:g} s"
