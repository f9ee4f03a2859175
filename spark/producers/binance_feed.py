"""
Binance feed: carries market frames from the socket onto topics.

Reads   Binance's combined streams bookTicker, trade, depth@100ms; a full book
        over REST wherever depth updates do not join up, and now and then to compare
Writes  market.binance.quotes, market.binance.trades, market.binance.books, keyed by
        symbol, one record for each read of the socket, symbol and kind, and one for
        each gap; market.binance.marks, a few a second; dlq.binance_feed; control.pulse
Owns    nothing
Fails   visibly: a socket that ends or says nothing is replaced, and what it missed
        shows as a gap and a full book on the topic; a broker that does not take what
        comes makes the socket wait, not memory grow
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar, Final, Protocol

from spark.errors import VenueUnavailable
from spark.exchanges.binance.wire_market import ControlReply, DepthSnapshot, ServerShutdown
from spark.exchanges.binance.wire_marks import mark_of
from spark.log import logger
from spark.names import Role, Symbol, Venue
from spark.producers.binance_rows import Gathering
from spark.producers.feed_marks import Marker
from spark.producers.market_feed import MarketFeed, Socket
from spark.worker.retry import Schedule, ask_again

#: From one question for a full book to the next: each costs 50 of the minute's weight of
#: 6,000, so a stream full of gaps spends at most half of it.
_SNAPSHOT_PAUSE_S: Final = 1.0
#: A full book costs much of the weight.
_SCHEDULE: Final = Schedule(pause_s_max=60.0, deadline_s=120.0)


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
class BinanceFeed(MarketFeed):
    """One process."""

    venue: ClassVar[Venue] = Venue.BINANCE
    role: ClassVar[Role] = Role.BINANCE_FEED
    #: The venue takes 300 connects in 5 minutes.
    reconnect_s_min: ClassVar[float] = 0.25

    streams: Streams
    depths: Depths
    rows: Gathering = field(init=False)
    #: A full book is wanted.
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)

    def _make_rows(self) -> Gathering:
        return Gathering()

    def _make_marker(self) -> Marker:
        return Marker(self.venue, mark_of)

    async def _open(self) -> Socket:
        return await self.streams.open(self.symbols)

    async def _let_go(self) -> None:
        await self.streams.close()
        await self.depths.close()

    def _add(self, frame: bytes) -> None:
        about = self.rows.add(frame, self._read_ns)
        if self.rows.unsynced:
            self._wanted.set()
        if isinstance(about, ControlReply) and about.error is not None:
            logger().warning("stream_refused", why=about.error)
        elif isinstance(about, ServerShutdown):
            logger().info("stream_will_end")

    async def _mend(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.book_s_max):
                    await self._wanted.wait()
            self._wanted.clear()
            # Now and then without need: to compare it with what the updates made of the
            # last one, and so that who reads the topic's tail can begin.
            symbols = self.rows.take_unsynced() or set(self.symbols)
            for symbol in sorted(symbols):
                await self._fetch(Symbol(symbol))
            # A stream full of gaps must not spend the request weight.
            await asyncio.sleep(_SNAPSHOT_PAUSE_S * len(symbols))
            if self.rows.unsynced:
                self._wanted.set()

    async def _fetch(self, symbol: Symbol) -> None:
        try:
            book = await ask_again(lambda: self.depths.depth(symbol), self.clock, _SCHEDULE)
        except VenueUnavailable as error:
            logger().warning("book_not_read", symbol=symbol, why=str(error))
            await asyncio.sleep(error.retry_after_s)
            # Its turn comes again with the next round.
            self.rows.unsynced.add(symbol)
            return
        self.rows.add_snapshot(symbol, book, self.clock.wall_ns())
        self._outbox.arrived.set()
