"""
Binance feed: carries market frames from the socket onto topics.

Reads   Binance's combined streams bookTicker, trade, depth@100ms; a full book
        over REST wherever depth updates do not join up
Writes  market.binance.quotes, market.binance.trades, market.binance.books, keyed by
        symbol, one record for each read of the socket, symbol and kind;
        market.binance.marks, a few a second; dlq.binance_feed; control.pulse
Owns    nothing
Fails   visibly: a socket that ends or says nothing is replaced, and what it missed
        shows as a full book on the topic; a broker that does not take what comes
        makes the socket wait, not memory grow
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

import stamina

from spark.bus.port import Bus, Outgoing, Partition, Writer
from spark.clock import Clock
from spark.errors import VenueUnavailable, WireError
from spark.exchanges.binance.wire_market import ControlReply, DepthSnapshot, ServerShutdown
from spark.log import logger
from spark.metrics import Metrics, at_scrape
from spark.names import Reason, Role, Symbol, Venue
from spark.producers.binance_marks import Marker, Marking
from spark.producers.binance_rows import Gathering
from spark.topics import (
    BINANCE_BOOKS,
    BINANCE_MARKS,
    BINANCE_QUOTES,
    BINANCE_TRADES,
    CONTROL_PULSE,
)
from spark.worker.contract import Fault
from spark.worker.pulse import Pulse
from spark.worker.quarantine import Quarantine

#: Rows that may wait while a produce is on its way; beyond, the socket is not read.
WAITING_ROWS_MAX: Final = 20_000
#: An open socket that says nothing for so long is replaced (spec C5).
MUTE_S_MAX: Final = 30.0
#: From one full book of a symbol to the next at most (consumers/gateway_market.py).
BOOK_S_MAX: Final = 120.0
#: A connection that ends sooner does not count as one that worked.
_STEADY_S_MIN: Final = 10.0
_RECONNECT_S_MIN: Final = 0.25
_RECONNECT_S_MAX: Final = 10.0
_SNAPSHOT_PAUSE_S: Final = 1.0
_SNAPSHOT_RETRY_S_MAX: Final = 60.0
#: Of a frame that cannot be used, so many bytes go with its dead letter.
_DEAD_BYTES_MAX: Final = 64 * 1024
#: From one produce to the next.
_GATHER_S: Final = 0.005
_NS_PER_S: Final = 1e9
#: Where dead letters say that frames come from; no topic can be called so.
_SOCKET: Final = Partition("binance stream", 0)


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


class Streams(Protocol):
    """The way to a venue's streams."""

    async def open(self, symbols: tuple[Symbol, ...]) -> Socket:
        """Connect; raises VenueUnavailable."""

    async def close(self) -> None:
        """Let go of everything."""


class Depths(Protocol):
    """The way to a venue's full books."""

    async def depth(self, symbol: Symbol) -> DepthSnapshot:
        """Ask for a book; raises VenueUnavailable."""

    async def close(self) -> None:
        """Let go of everything."""


@dataclass(slots=True, kw_only=True)
class BinanceFeed:
    """One process."""

    bus: Bus
    clock: Clock
    metrics: Metrics
    streams: Streams
    depths: Depths
    symbols: tuple[Symbol, ...]
    instance: str
    #: Set once the streams are open.
    ready: asyncio.Event
    mute_s_max: float = MUTE_S_MAX
    book_s_max: float = BOOK_S_MAX
    _gathering: Gathering = field(default_factory=Gathering)
    _letters: list[Outgoing] = field(default_factory=list)
    _marker: Marker = field(default_factory=Marker)
    _quarantine: Quarantine = field(default_factory=lambda: Quarantine(Role.BINANCE_FEED))
    #: Something waits to be produced; something was handed over; a book is wanted.
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _taken: asyncio.Event = field(default_factory=asyncio.Event)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    #: Wall time of the read whose frames are being taken; 0 between reads.
    _read_ns: int = 0
    _last_read_ns: int = 0
    #: The same by the clock that never steps, for the age.
    _heard_ns: int = 0
    _frames: int = 0
    _silence: asyncio.Timeout | None = None
    _is_over: bool = False

    async def run(self, stop: asyncio.Event) -> None:
        """
        Feed until told to stop; what was received by then is written.

        Raises:
            ExitError: a write failed; what the log holds is unsure.

        """
        self._heard_ns = self.clock.monotonic_ns()
        at_scrape(self.metrics.ws_staleness, self._staleness_s, Venue.BINANCE)
        at_scrape(
            self.metrics.ws_last_message, lambda: self._last_read_ns / _NS_PER_S, Venue.BINANCE
        )
        market = [BINANCE_QUOTES, BINANCE_TRADES, BINANCE_BOOKS, BINANCE_MARKS]
        writer = await self.bus.writer([*market, "dlq.binance_feed", CONTROL_PULSE])
        pulse = Pulse(Role.BINANCE_FEED, self.instance, writer, clock=self.clock)
        try:
            async with asyncio.TaskGroup() as group:
                sides = [
                    group.create_task(self._listen()),
                    group.create_task(self._fetch_books()),
                    group.create_task(self._marking().run()),
                    group.create_task(pulse.beat(list, dict)),
                ]
                group.create_task(self._publish(writer))
                await stop.wait()
                for side in sides:
                    side.cancel()
                await asyncio.wait(sides)
                self._is_over = True
                self._arrived.set()
        finally:
            await writer.close()
            await self.streams.close()
            await self.depths.close()

    def _marking(self) -> Marking:
        return Marking(
            marker=self._marker,
            gathering=self._gathering,
            symbols=self.symbols,
            clock=self.clock,
            metrics=self.metrics,
            arrived=self._arrived,
        )

    async def _listen(self) -> None:
        while True:
            async for attempt in stamina.retry_context(
                on=VenueUnavailable,
                attempts=None,
                timeout=None,
                wait_initial=_RECONNECT_S_MIN,
                wait_max=_RECONNECT_S_MAX,
                wait_jitter=_RECONNECT_S_MIN,
            ):
                with attempt:
                    await self._serve_connection()

    async def _serve_connection(self) -> None:
        """Take frames until the connection ends; one that held returns, another raises."""
        socket = await self.streams.open(self.symbols)
        opened_ns = self.clock.monotonic_ns()
        self._gathering.begin()
        self._marker.begin(socket)
        self.ready.set()
        try:
            async with asyncio.timeout(self.mute_s_max) as self._silence:
                await self._receive(socket)
        except (VenueUnavailable, TimeoutError) as error:
            why = str(error) or f"silent for {self.mute_s_max:g} s"
            logger().warning("stream_lost", why=why)
            self.metrics.ws_reconnects.labels(Venue.BINANCE).inc()
            if self.clock.monotonic_ns() - opened_ns < _STEADY_S_MIN * _NS_PER_S:
                raise VenueUnavailable(why) from None
        finally:
            self._silence = None
            self._marker.begin(None)
            await socket.close()

    async def _receive(self, socket: Socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            frame = await socket.receive()
            if frame is None:
                self._marker.hear(self.clock.wall_ns())
                continue
            if self._read_ns == 0:
                # Frames of one read come without a pause; the callback runs after the last.
                self._read_ns = self.clock.wall_ns()
                loop.call_soon(self._end_read)
            self._take(frame)
            while self._gathering.rows >= WAITING_ROWS_MAX:
                self._taken.clear()
                await self._taken.wait()

    def _end_read(self) -> None:
        self._last_read_ns, self._read_ns = self._read_ns, 0
        self._marker.hear(self._last_read_ns)
        self._heard_ns = self.clock.monotonic_ns()
        if self._silence is not None:
            self._silence.reschedule(asyncio.get_running_loop().time() + self.mute_s_max)
        self._arrived.set()
        if self._gathering.unsynced:
            self._wanted.set()

    def _take(self, frame: bytes) -> None:
        self._frames += 1
        try:
            about = self._gathering.add(frame, self._read_ns)
        except WireError as error:
            self._bury(frame, str(error))
            return
        if isinstance(about, ControlReply) and about.error is not None:
            logger().warning("stream_refused", why=about.error)
        elif isinstance(about, ServerShutdown):
            logger().info("stream_will_end")

    def _bury(self, frame: bytes, detail: str) -> None:
        fault = Fault(reason=Reason.MALFORMED, detail=detail)
        self.metrics.dead_letters.labels(fault.reason).inc()
        letter = self._quarantine.letter(
            _SOCKET, self._frames, frame, fault=fault, now_ns=self.clock.wall_ns()
        )
        if letter is None:
            self.metrics.dead_letters_muted.inc()
            return
        # No topic holds the bytes of a frame, so they go with the letter.
        self._letters.append(letter._replace(headers=(("frame", frame[:_DEAD_BYTES_MAX]),)))

    async def _publish(self, writer: Writer) -> None:
        loop = asyncio.get_running_loop()
        while not self._is_over or self._gathering.rows or self._letters:
            await self._arrived.wait()
            self._arrived.clear()
            letters, self._letters = [*self._letters, *self._marker.take()], []
            records = self._gathering.take()
            self._taken.set()
            if records or letters:
                began = loop.time()
                await writer.write([*records, *letters])
                # A request costs the same for one row and for a thousand: what comes
                # right behind it is gathered for a moment; what comes alone is not.
                await asyncio.sleep(began + _GATHER_S - loop.time())

    async def _fetch_books(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.book_s_max):
                    await self._wanted.wait()
            self._wanted.clear()
            # Now and then without need, so that who reads the topic's tail can begin.
            for symbol in self._gathering.take_unsynced() or self.symbols:
                async for attempt in stamina.retry_context(
                    on=VenueUnavailable,
                    attempts=None,
                    timeout=None,
                    wait_initial=_SNAPSHOT_PAUSE_S,
                    wait_max=_SNAPSHOT_RETRY_S_MAX,
                ):
                    with attempt:
                        book = await self.depths.depth(Symbol(symbol))
                        self._gathering.add_snapshot(symbol, book, self.clock.wall_ns())
                self._arrived.set()
            # A stream full of gaps must not spend the request weight.
            await asyncio.sleep(_SNAPSHOT_PAUSE_S)

    def _staleness_s(self) -> float:
        return (self.clock.monotonic_ns() - self._heard_ns) / _NS_PER_S
