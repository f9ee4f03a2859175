"""
The market streams: who is subscribed to what, and what the book has to tell them.

Reads   the venue's trades and book changes, as they happen
Writes  bookTicker and trade at once, depth every 100 ms and every second
Owns    the open market sockets
Fails   with its process; a socket that fails takes nobody with it
"""

import asyncio
from decimal import Decimal
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from spark.exchanges.simulator.binance import frames
from spark.exchanges.simulator.binance.sockets import Socket
from spark.exchanges.simulator.book import Book
from spark.exchanges.simulator.faults import Channel, Faults
from spark.exchanges.simulator.orders import Fill
from spark.exchanges.simulator.venue import Venue
from spark.names import Side

DEPTH_MS: Final = 100
#: One slow depth event to this many fast ones.
SLOW_DEPTH: Final = 10
_NS_PER_MS: Final = 1_000_000
_SHUTDOWN: Final = "!serverShutdown"


class _Window:
    """Levels changed since one depth stream last spoke."""

    def __init__(self, book: Book, suffix: str) -> None:
        self.stream = f"{book.symbol.lower()}@depth{suffix}"
        self.touched: dict[tuple[Side, Decimal], None] = {}
        self._book = book
        #: What changed before is in every snapshot already.
        self._spoken_id = book.update_id
        book.touched.clear()

    def speak(self, now_ms: int) -> bytes | None:
        """Return the event of what changed, None when nothing did."""
        if not self.touched:
            return None
        first_id, self._spoken_id = self._spoken_id + 1, self._book.update_id
        event = frames.depth_update(self._book, self.touched, first_id=first_id, now_ms=now_ms)
        self.touched.clear()
        return event


class Streams:
    """The handler of every path outside `/api/`."""

    def __init__(
        self, venue: Venue, faults: Faults, *, recorded: set[str], is_limited: bool
    ) -> None:
        self._venue = venue
        self._faults = faults
        self._is_limited = is_limited
        #: Symbols whose frames come from a recording instead.
        self._recorded = recorded
        self._sockets: dict[Socket, None] = {}
        self._by_stream: dict[str, list[Socket]] = {}
        self._tops: dict[str, tuple[tuple[Decimal, Decimal], tuple[Decimal, Decimal]]] = {}
        self._windows = [
            (book, _Window(book, "@100ms"), _Window(book, "")) for book in venue.books.values()
        ]
        #: Set when somebody subscribes.
        self.changed = asyncio.Event()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one market socket."""
        path, _, query = request.raw_path.partition("?")
        if path == "/stream":
            names = dict(parse_qsl(query)).get("streams", "").split("/")
        elif path == "/ws" or path.startswith("/ws/"):
            names = path.removeprefix("/ws").split("/")
        else:
            return web.Response(status=404)
        socket = Socket(
            request,
            [name for name in names if name],
            faults=self._faults,
            is_combined=path == "/stream",
            is_limited=self._is_limited,
        )
        socket.on_change = self._subscribed
        self._sockets[socket] = None
        try:
            return await socket.serve()
        finally:
            del self._sockets[socket]
            self._rebuild()

    def subscribers(self, stream: str) -> list[Socket]:
        """Return the sockets subscribed to `stream`."""
        return self._by_stream.get(stream, [])

    def traded(self, symbol: str, fill: Fill) -> None:
        """Publish a trade."""
        stream = f"{symbol.lower()}@trade"
        sockets = self._by_stream.get(stream)
        if sockets and symbol not in self._recorded:
            data = frames.trade(fill, now_ms=self._now_ms())
            for socket in sockets:
                socket.send(stream, data)

    def book_changed(self, book: Book) -> None:
        """Publish the best prices if they changed."""
        stream = f"{book.symbol.lower()}@bookTicker"
        sockets = self._by_stream.get(stream)
        if not sockets or book.symbol in self._recorded:
            return
        tops = (book.top(Side.BUY), book.top(Side.SELL))
        if self._tops.get(book.symbol) == tops:
            return
        self._tops[book.symbol] = tops
        data = frames.book_ticker(book)
        for socket in sockets:
            socket.send(stream, data)

    async def run(self) -> None:
        """Publish depth, for ever."""
        turn = 0
        while True:
            await asyncio.sleep(DEPTH_MS / 1_000)
            turn += 1
            now_ms = self._now_ms()
            for book, fast, slow in self._windows:
                slow.touched |= book.touched
                fast.touched |= book.touched
                book.touched.clear()
                self._publish(book, fast, now_ms)
                if turn % SLOW_DEPTH == 0:
                    self._publish(book, slow, now_ms)

    def apply_faults(self) -> None:
        """Apply armed faults to sockets that are open now, oldest first."""
        for socket in list(self._sockets):
            if not socket.is_struck:
                hit = self._faults.take_socket(Channel.MARKET)
                if hit is None:
                    return
                socket.strike(hit)

    def heal(self) -> None:
        """Let muted sockets speak again."""
        for socket in self._sockets:
            socket.heal()

    async def close(self) -> None:
        """Announce the shutdown and close every socket."""
        data = b'{"e":"serverShutdown","E":%d}' % self._now_ms()
        for socket in list(self._sockets):
            socket.send(_SHUTDOWN, data)
            await socket.close()

    def _publish(self, book: Book, window: _Window, now_ms: int) -> None:
        event = window.speak(now_ms)
        if event is None or book.symbol in self._recorded:
            return
        for socket in self.subscribers(window.stream):
            socket.send(window.stream, event)

    def _subscribed(self, _socket: Socket) -> None:
        self._rebuild()
        self.apply_faults()
        self.changed.set()

    def _rebuild(self) -> None:
        by_stream: dict[str, list[Socket]] = {}
        for socket in self._sockets:
            for name in socket.names:
                by_stream.setdefault(name, []).append(socket)
        self._by_stream = by_stream

    def _now_ms(self) -> int:
        return self._venue.clock.wall_ns() // _NS_PER_MS
