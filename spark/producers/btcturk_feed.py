"""
BTCTurk feed: carries market frames from the socket onto topics.

Reads   BTCTurk's stream: obdiff, trade and ticker of each symbol; orderbook of one
        symbol at a time, to compare
Writes  market.btcturk.quotes, market.btcturk.trades, market.btcturk.books, keyed by
        symbol, one record for each read of the socket, symbol and kind, and one for
        each gap; market.btcturk.marks, a few a second; dlq.btcturk_feed; control.pulse
Owns    nothing
Fails   visibly: a socket that ends or says nothing is replaced, a book that cannot be
        trusted is joined again, and both show as gaps and a full book on the topics; a
        broker that does not take what comes makes the socket wait, not memory grow
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar, Final, Protocol

from spark.errors import VenueUnavailable
from spark.exchanges.binance.wire_marks import mark_of
from spark.log import logger
from spark.names import Role, Symbol, Venue
from spark.producers.btcturk_rows import CHECKS, TurkGathering
from spark.producers.feed_marks import Marker
from spark.producers.market_feed import MarketFeed, Socket

#: How long the first book of a symbol may take; 0.4 s is usual (trap 20).
FIRST_S_MAX: Final = 5.0
#: From one look at what is due to the next.
_LOOK_S: Final = 0.25
#: Whole books that a symbol is compared with at a time, and how long to wait for them.
_LOOKS: Final = 3
_LOOKS_S_MAX: Final = 10.0
#: A book that is wrong again at once is not asked for faster than this.
_REJOIN_NS_MIN: Final = 2_000_000_000
_DIFFERENCES: Final = "obdiff"
_NS_PER_S: Final = 1e9


class JoinedSocket(Socket, Protocol):
    """One open connection whose channels can be joined again."""

    async def join(self, channel: str, symbol: Symbol) -> None:
        """Join a channel; raises VenueUnavailable."""

    async def leave(self, channel: str, symbol: Symbol) -> None:
        """Leave a channel; raises VenueUnavailable."""

    async def rejoin(self, channel: str, symbol: Symbol) -> None:
        """Leave and join a channel; raises VenueUnavailable."""


class Streams(Protocol):
    """The way to the venue's stream."""

    async def open(self, symbols: tuple[Symbol, ...]) -> JoinedSocket:
        """Connect, and ask for each channel of each symbol; raises VenueUnavailable."""

    async def close(self) -> None:
        """Let go of everything."""


@dataclass(slots=True, kw_only=True)
class BtcturkFeed(MarketFeed):
    """One process."""

    venue: ClassVar[Venue] = Venue.BTCTURK
    role: ClassVar[Role] = Role.BTCTURK_FEED
    #: The venue takes 15 connects a minute, and the account's stream needs some.
    reconnect_s_min: ClassVar[float] = 1.0

    streams: Streams
    first_s_max: float = FIRST_S_MAX
    rows: TurkGathering = field(init=False)
    _socket: JoinedSocket | None = None
    #: Set once enough whole books were compared.
    _looked: asyncio.Event = field(default_factory=asyncio.Event)
    #: Symbol -> when its book was last joined again.
    _rejoined: dict[Symbol, int] = field(default_factory=dict)

    def _make_rows(self) -> TurkGathering:
        return TurkGathering(self.symbols, first_ns_max=int(self.first_s_max * _NS_PER_S))

    def _make_marker(self) -> Marker:
        return Marker(self.venue, mark_of)

    async def _open(self) -> Socket:
        self._socket = None
        self._socket = await self.streams.open(self.symbols)
        return self._socket

    async def _let_go(self) -> None:
        await self.streams.close()

    def _add(self, frame: bytes) -> None:
        answer = self.rows.add(frame, self._read_ns)
        if self.rows.looks >= _LOOKS:
            self._looked.set()
        if answer is not None and not answer.is_ok:
            logger().warning("stream_refused", why=answer.message)

    async def _mend(self) -> None:
        """Join books again that are wrong or late, and compare one after the other."""
        checks = asyncio.create_task(self._check_books())
        try:
            while True:
                await asyncio.sleep(_LOOK_S)
                socket = self._socket
                if socket is None:
                    continue
                now_ns = self.clock.wall_ns()
                late = {s for s, kept in self.rows.books.items() if kept.is_silent(now_ns)}
                for symbol in sorted(late):
                    logger().warning(
                        "symbol_silent", symbol=symbol, joined=self.rows.books[symbol].silent
                    )
                for symbol in sorted(late | self.rows.take_unsynced()):
                    await self._rejoin(socket, symbol, now_ns)
        finally:
            checks.cancel()
            await asyncio.gather(checks, return_exceptions=True)

    async def _rejoin(self, socket: JoinedSocket, symbol: Symbol, now_ns: int) -> None:
        if now_ns - self._rejoined.get(symbol, 0) < _REJOIN_NS_MIN:
            self.rows.unsynced.add(symbol)
            return
        self._rejoined[symbol] = now_ns
        self.rows.books[symbol].joined(now_ns)
        # That the connection is over shows where it is read, and the next one joins all.
        with suppress(VenueUnavailable):
            await socket.rejoin(_DIFFERENCES, symbol)

    async def _check_books(self) -> None:
        """Each symbol once in `book_s_max`: BTCTurk has no number to compare REST's book by."""
        while True:
            for symbol in self.symbols:
                await asyncio.sleep(self.book_s_max / len(self.symbols))
                socket = self._socket
                if socket is not None and self.rows.books[symbol].book.is_whole:
                    await self._check(socket, symbol)

    async def _check(self, socket: JoinedSocket, symbol: Symbol) -> None:
        kept = self.rows.books[symbol]
        kept.begin_check()
        self.rows.looks = 0
        self._looked.clear()
        with suppress(VenueUnavailable):
            await socket.join(CHECKS, symbol)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOKS_S_MAX):
                    await self._looked.wait()
            await socket.leave(CHECKS, symbol)
        if self._socket is not socket:
            return
        now_ns = self.clock.wall_ns()
        self.rows.doubt(symbol, kept.end_check(), now_ns)
        # So that who reads the topic's tail can begin.
        self.rows.say_book(symbol, now_ns)
        self._outbox.arrived.set()
