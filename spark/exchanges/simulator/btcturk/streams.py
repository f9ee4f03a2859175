"""
The sockets: who is subscribed to what, what the books have to tell them, who is logged in.

Reads   the venue's trades, and its books every 750 ms
Writes  trades at once; tickers and books as often as it looks
Owns    the open sockets
Fails   with its process; a socket that fails takes nobody with it
"""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import web

from spark.exchanges.simulator.accounts import Account
from spark.exchanges.simulator.book import Book
from spark.exchanges.simulator.btcturk import chain, credentials, frames
from spark.exchanges.simulator.btcturk.api import Parts, refused
from spark.exchanges.simulator.btcturk.chain import Chain, Window
from spark.exchanges.simulator.btcturk.control import Login, Subscription
from spark.exchanges.simulator.btcturk.limits import CONNECTS, Policy
from spark.exchanges.simulator.btcturk.refusals import Refusal
from spark.exchanges.simulator.btcturk.sockets import Socket
from spark.exchanges.simulator.faults import Channel, Faults
from spark.exchanges.simulator.orders import Fill

PERIOD_MS: Final = 750
_ALL: Final = "all"
_BOOKS: Final = frozenset({"obdiff", "orderbook"})
#: Between the numbers with which two subscriptions begin.
_NUMBER_STRIDE: Final = 100_003
_NS_PER_MS: Final = 1_000_000


class Streams:
    """The handler of every upgrade to a WebSocket."""

    def __init__(self, parts: Parts, faults: Faults) -> None:
        self._parts = parts
        self._faults = faults
        self._sockets: dict[Socket, None] = {}
        self._first_number = 6_900_000

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one socket."""
        now_ns, address = self._parts.venue.clock.wall_ns(), request.remote or ""
        try:
            self._parts.limits.check_address(address, now_ns)
            self._parts.limits.admit(
                "connect", CONNECTS, policy=Policy.IP, caller=address, now_ns=now_ns
            )
        except Refusal as refusal:
            reply = refused(refusal)
            return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
        socket = Socket(request, self._faults, self._parts.habits)
        socket.on_open, socket.on_join = self.apply_faults, self._joined
        socket.on_login = self._log_in
        self._sockets[socket] = None
        try:
            return await socket.serve()
        finally:
            del self._sockets[socket]

    def traded(self, symbol: str, fill: Fill) -> None:
        """Publish a trade."""
        wanted = Subscription("trade", symbol, is_join=True)
        text: bytes | None = None
        for socket in self._sockets:
            if wanted in socket.subscriptions:
                text = text or frames.trade(fill)
                socket.send(text, channel=Channel.MARKET)

    def book_changed(self, book: Book) -> None:
        """Ignore what changed until the next look."""

    def tell(self, account: Account, make: Callable[[], list[bytes]]) -> None:
        """Tell the sockets of an account something; it is composed only if one listens."""
        texts: list[bytes] | None = None
        for socket in self._sockets:
            if socket.account is account:
                texts = make() if texts is None else texts
                for text in texts:
                    socket.send(text, channel=Channel.PRIVATE)

    async def run(self) -> None:
        """Look at the books, for ever."""
        while True:
            await asyncio.sleep(PERIOD_MS / 1_000)
            if self._sockets:
                self._publish()

    def apply_faults(self) -> None:
        """Apply armed faults to sockets that are open now, oldest first."""
        for channel in Channel:
            for socket in list(self._sockets):
                if channel is Channel.PRIVATE and socket.account is None:
                    continue
                if not socket.is_struck(channel):
                    hit = self._faults.take_socket(channel)
                    if hit is None:
                        break
                    socket.strike(hit, channel)

    def heal(self) -> None:
        """Let muted sockets speak again."""
        for socket in self._sockets:
            socket.heal()

    async def close(self) -> None:
        """Close every socket."""
        for socket in list(self._sockets):
            await socket.close()

    def _publish(self) -> None:
        windows: dict[str, Window] = {}
        rows: dict[str, dict[str, object]] = {}
        for socket in list(self._sockets):
            for subscription, told in list(socket.subscriptions.items()):
                symbol = subscription.event
                if told is not None and told.is_begun:
                    now = windows.setdefault(symbol, self._window(symbol))
                    is_difference = subscription.channel == "obdiff"
                    text = told.difference(now) if is_difference else told.changed(now)
                    if text is not None:
                        socket.send(text, channel=Channel.MARKET, is_sequenced=is_difference)
                elif subscription.channel == "ticker":
                    for text in self._tickers(symbol, rows):
                        socket.send(text, channel=Channel.MARKET)

    def _window(self, symbol: str) -> Window:
        return chain.window(self._parts.venue.books[symbol])

    def _tickers(self, event: str, rows: dict[str, dict[str, object]]) -> list[bytes]:
        if event == _ALL:
            return [frames.tickers([self._row(symbol, rows) for symbol in self._parts.rules])]
        return [frames.ticker(self._row(event, rows))] if event in self._parts.rules else []

    def _row(self, symbol: str, rows: dict[str, dict[str, object]]) -> dict[str, object]:
        if symbol not in rows:
            parts = self._parts
            day = parts.tape.day(symbol, parts.venue.clock.wall_ns())
            rows[symbol] = frames.ticker_row(parts.venue.books[symbol], parts.rules[symbol], day)
        return rows[symbol]

    def _joined(self, socket: Socket, subscription: Subscription) -> None:
        symbol = subscription.event
        if symbol not in self._parts.rules:
            return
        if subscription.channel == "trade":
            recent = self._parts.tape.trades(symbol)
            socket.send(frames.trade_list(symbol, recent), channel=Channel.MARKET)
        elif subscription.channel in _BOOKS:
            self._first_number += _NUMBER_STRIDE
            told = Chain(subscription.channel, symbol, first_number=self._first_number)
            socket.subscriptions[subscription] = told
            after_s = self._parts.habits.snapshot_ms / 1_000
            asyncio.get_running_loop().call_later(after_s, self._begin, socket, subscription, told)

    def _begin(self, socket: Socket, subscription: Subscription, told: Chain) -> None:
        # It may have left meanwhile, and even joined again.
        if socket.subscriptions.get(subscription) is told:
            socket.send(told.whole(self._window(told.symbol)), channel=Channel.MARKET)

    def _log_in(self, socket: Socket, login: Login) -> None:
        now_ms = self._parts.venue.clock.wall_ns() // _NS_PER_MS
        found = credentials.log_in(self._parts.accounts, login.fields, now_ms=now_ms)
        if isinstance(found, str):
            socket.answer(frames.logged_in(found))
            return
        socket.account = found.account
        socket.answer(frames.logged_in(None))
        self.apply_faults()
