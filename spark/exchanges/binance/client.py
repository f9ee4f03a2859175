"""
Binance over HTTP: the only place that talks to it for orders and public questions.

A place goes out once: no redirect is followed, nothing is sent again by the
client, and the last check runs with the connection in hand, right before the
first byte (facts: protocol.md, "easy to get wrong"). Errors carry a class and a
status, never a URL: the URL is signed (S18).
"""

import socket
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from spark.clock import Clock
from spark.errors import VenueUnavailable, WireError
from spark.events import InstrumentPublished, Mark
from spark.exchanges.binance import evidence
from spark.exchanges.binance.wire_answers import Answer as Reply
from spark.exchanges.binance.wire_answers import classify
from spark.exchanges.binance.wire_info import (
    EXCHANGE_INFO_PATH,
    TIME_PATH,
    Instrument,
    exchange_info,
    server_time,
)
from spark.exchanges.binance.wire_market import DEPTH_PATH, DepthSnapshot, depth_snapshot
from spark.exchanges.binance.wire_marks import book_tickers, book_tickers_path
from spark.exchanges.port import (
    About,
    Answer,
    ClockReading,
    LastCheck,
    NotSentError,
    Outcome,
    SignedRequest,
)
from spark.names import Symbol, Venue

_NS_PER_MS: Final = 1_000_000
_CONNECT_S_MAX: Final = 3.0
_KEEPALIVE_S: Final = 60.0
_OK: Final = 200
#: A side; costs 50 of the minute's weight.
_DEPTH_LEVELS: Final = 1000


@dataclass(slots=True)
class _Flight:
    """One request on its way; `sent_ns` is 0 until its first byte."""

    check: LastCheck
    clock: Clock
    sent_ns: int = 0


_flight: ContextVar[_Flight | None] = ContextVar("flight", default=None)


class _CheckedRequest(aiohttp.ClientRequest):
    """Asks the last check with the connection in hand; aiohttp writes right after it."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        flight = _flight.get()
        if flight is not None:
            # aiohttp repeats a DELETE on a connection that was closed under it;
            # whether the first one arrived is then for evidence to say.
            if flight.sent_ns:
                raise aiohttp.ServerDisconnectedError
            if not flight.check():
                raise NotSentError
            flight.sent_ns = flight.clock.wall_ns()
        return await super().send(conn)


def _session(concurrency_max: int, reply_ms_max: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        # IPv4: what API keys are bound to, and one address to count limits on.
        connector=aiohttp.TCPConnector(
            limit=concurrency_max,
            keepalive_timeout=_KEEPALIVE_S,
            family=socket.AF_INET,
            ttl_dns_cache=300,
        ),
        request_class=_CheckedRequest,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_S_MAX, sock_read=reply_ms_max / 1000
        ),
    )


class BinanceOrders:
    """The gateway's way to Binance spot."""

    def __init__(
        self, rest_url: str, clock: Clock, *, concurrency_max: int, reply_ms_max: int
    ) -> None:
        self._rest_url = rest_url
        self._clock = clock
        self._session = _session(concurrency_max, reply_ms_max)

    async def place(self, request: SignedRequest, about: About, check: LastCheck) -> Outcome:
        """Send a place once."""
        reply, times = await self._send_once(request, check)
        if isinstance(reply, str):
            return Outcome(answer=Answer.UNKNOWN, cause=reply)
        return evidence.of_place(reply, about, times)

    async def cancel(self, request: SignedRequest, about: About, check: LastCheck) -> Outcome:
        """Send a cancel once."""
        reply, times = await self._send_once(request, check)
        if isinstance(reply, str):
            return Outcome(answer=Answer.UNKNOWN, cause=reply)
        return evidence.of_cancel(reply, about, times)

    async def query(self, request: SignedRequest, about: About) -> Outcome:
        """Ask for one order."""
        try:
            reply, _ = await self._send_once(request, lambda: True)
        except NotSentError:
            raise VenueUnavailable("Binance cannot be reached") from None
        if isinstance(reply, str):
            raise VenueUnavailable(f"Binance did not say what became of an order: {reply}")
        return evidence.of_query(reply, about)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._session.close()

    async def _send_once(
        self, request: SignedRequest, check: LastCheck
    ) -> tuple[Reply | str, evidence.Times]:
        flight = _Flight(check, self._clock)
        token = _flight.set(flight)
        try:
            async with self._session.request(
                request.method,
                URL(f"{self._rest_url}{request.path}?{request.query}", encoded=True),
                headers=request.headers,
                allow_redirects=False,
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if not flight.sent_ns:
                raise NotSentError from None
            cause = "timeout" if isinstance(error, TimeoutError) else "connection_lost"
            return cause, evidence.Times(flight.sent_ns, self._clock.wall_ns())
        finally:
            _flight.reset(token)
        reply = classify(response.status, body, retry_after=response.headers.get("Retry-After"))
        return reply, evidence.Times(flight.sent_ns, self._clock.wall_ns())


class BinancePublic:
    """Public questions to Binance spot."""

    def __init__(self, rest_url: str, clock: Clock, *, reply_ms_max: int) -> None:
        self._rest_url = rest_url
        self._clock = clock
        self._session = _session(2, reply_ms_max)

    async def clock(self) -> ClockReading:
        """Compare clocks: the reply's time belongs to the middle of the round trip."""
        before_ns = self._clock.wall_ns()
        body = await self._get(TIME_PATH)
        after_ns = self._clock.wall_ns()
        try:
            exchange_ns = server_time(body) * _NS_PER_MS
        except WireError as error:
            raise VenueUnavailable(f"Binance's time: {error}") from None
        half_ns = (after_ns - before_ns) // 2
        return ClockReading(
            offset_ns=exchange_ns - (before_ns + half_ns),
            # The reply counts whole milliseconds.
            uncertainty_ns=half_ns + _NS_PER_MS,
        )

    async def instruments(self, symbols: tuple[Symbol, ...]) -> tuple[InstrumentPublished, ...]:
        """Ask for symbols' rules."""
        body = await self._get(EXCHANGE_INFO_PATH)
        try:
            info = exchange_info(body)
        except WireError as error:
            raise VenueUnavailable(f"Binance's exchangeInfo: {error}") from None
        now_ns = self._clock.wall_ns()
        return tuple(_published(one, now_ns) for one in info.instruments if one.symbol in symbols)

    async def marks(self, symbols: tuple[Symbol, ...]) -> tuple[Mark, ...]:
        """Ask for best prices; they are as old as the question."""
        asked_ns = self._clock.wall_ns()
        body = await self._get(book_tickers_path(symbols))
        try:
            found = book_tickers(body, asked_ns)
        except WireError as error:
            raise VenueUnavailable(f"Binance's prices: {error}") from None
        return tuple(mark for mark in found if mark.symbol in symbols)

    async def depth(self, symbol: Symbol) -> DepthSnapshot:
        """Ask for a symbol's book, as deep as one request of moderate weight goes."""
        body = await self._get(f"{DEPTH_PATH}?symbol={symbol}&limit={_DEPTH_LEVELS}")
        try:
            return depth_snapshot(body)
        except WireError as error:
            raise VenueUnavailable(f"Binance's book: {error}") from None

    async def close(self) -> None:
        """Let go of the connections."""
        await self._session.close()

    async def _get(self, path: str) -> bytes:
        try:
            async with self._session.get(
                URL(self._rest_url + path, encoded=True), allow_redirects=False
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise VenueUnavailable(f"Binance {path}: {type(error).__name__}") from None
        if response.status != _OK:
            raise VenueUnavailable(f"Binance {path}: HTTP {response.status}")
        return body


def _published(one: Instrument, now_ns: int) -> InstrumentPublished:
    return InstrumentPublished(
        venue=Venue.BINANCE,
        symbol=Symbol(one.symbol),
        base_asset=one.base_asset,
        quote_asset=one.quote_asset,
        is_trading=one.is_trading,
        tick_size=one.tick_size,
        price_min=one.price_min,
        price_max=one.price_max,
        step_size=one.step_size,
        quantity_min=one.quantity_min,
        quantity_max=one.quantity_max,
        notional_min=one.notional_min,
        published_ns=now_ns,
    )
