"""
Binance over HTTP: the only place that talks to it for orders and public questions.

A place goes out once; how is the link's matter (`exchanges/http.py`).
"""

from dataclasses import replace
from typing import Final

from spark.clock import Clock
from spark.errors import VenueUnavailable, WireError
from spark.events import InstrumentPublished, Mark
from spark.exchanges.binance import evidence
from spark.exchanges.binance.wire_answers import Answer as Reply
from spark.exchanges.binance.wire_answers import classify, weight_used
from spark.exchanges.binance.wire_info import (
    EXCHANGE_INFO_PATH,
    TIME_PATH,
    Instrument,
    exchange_info,
    server_time,
)
from spark.exchanges.binance.wire_klines import (
    Candle,
    PublicTrade,
    klines,
    klines_path,
    public_trades,
    trades_path,
)
from spark.exchanges.binance.wire_market import DEPTH_PATH, DepthSnapshot, depth_snapshot
from spark.exchanges.binance.wire_marks import book_tickers, book_tickers_path
from spark.exchanges.http import HttpLink
from spark.exchanges.http import Reply as HttpReply
from spark.exchanges.port import (
    About,
    Answer,
    ClockReading,
    LastCheck,
    Outcome,
    SignedRequest,
)
from spark.names import Symbol, Venue

_NS_PER_MS: Final = 1_000_000
_VENUE: Final = "Binance"
#: Public questions at a time.
_PUBLIC_CONNECTIONS_MAX: Final = 2
#: A side; costs 50 of the minute's weight.
_DEPTH_LEVELS: Final = 1000


class BinanceOrders:
    """The gateway's way to Binance spot."""

    def __init__(
        self, rest_url: str, clock: Clock, *, concurrency_max: int, reply_ms_max: int
    ) -> None:
        self._link = HttpLink(
            _VENUE, rest_url, clock, connections_max=concurrency_max, reply_ms_max=reply_ms_max
        )

    async def place(self, request: SignedRequest, about: About, check: LastCheck) -> Outcome:
        """Send a place once."""
        reply = await self._link.send_once(request, check)
        if reply.cause:
            return Outcome(answer=Answer.UNKNOWN, cause=reply.cause)
        return _weighed(evidence.of_place(_classified(reply), about, _times(reply)), reply)

    async def cancel(self, request: SignedRequest, about: About, check: LastCheck) -> Outcome:
        """Send a cancel once."""
        reply = await self._link.send_once(request, check)
        if reply.cause:
            return Outcome(answer=Answer.UNKNOWN, cause=reply.cause)
        return _weighed(evidence.of_cancel(_classified(reply), about, _times(reply)), reply)

    async def query(self, request: SignedRequest, about: About) -> Outcome:
        """Ask for one order."""
        reply = await self._link.ask(request)
        return _weighed(evidence.of_query(_classified(reply), about), reply)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._link.close()


class BinancePublic:
    """Public questions to Binance spot."""

    def __init__(self, rest_url: str, clock: Clock, *, reply_ms_max: int) -> None:
        self._clock = clock
        self._link = HttpLink(
            _VENUE,
            rest_url,
            clock,
            connections_max=_PUBLIC_CONNECTIONS_MAX,
            reply_ms_max=reply_ms_max,
        )

    async def clock(self) -> ClockReading:
        """Compare clocks: the reply's time belongs to the middle of the round trip."""
        before_ns = self._clock.wall_ns()
        body = await self._link.get(TIME_PATH)
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
        body = await self._link.get(EXCHANGE_INFO_PATH)
        try:
            info = exchange_info(body)
        except WireError as error:
            raise VenueUnavailable(f"Binance's exchangeInfo: {error}") from None
        now_ns = self._clock.wall_ns()
        return tuple(_published(one, now_ns) for one in info.instruments if one.symbol in symbols)

    async def marks(self, symbols: tuple[Symbol, ...]) -> tuple[Mark, ...]:
        """Ask for best prices; they are as old as the question."""
        asked_ns = self._clock.wall_ns()
        body = await self._link.get(book_tickers_path(symbols))
        try:
            found = book_tickers(body, asked_ns)
        except WireError as error:
            raise VenueUnavailable(f"Binance's prices: {error}") from None
        return tuple(mark for mark in found if mark.symbol in symbols)

    async def klines(
        self, symbol: Symbol, interval: str, since_ms: int | None = None
    ) -> tuple[Candle, ...]:
        """Ask for candles, the newest or those since a time; raises as `clock`."""
        body = await self._link.get(klines_path(symbol, interval, since_ms))
        try:
            return klines(body)
        except WireError as error:
            raise VenueUnavailable(f"Binance's candles: {error}") from None

    async def trades(self, symbol: Symbol) -> tuple[PublicTrade, ...]:
        """Ask for a symbol's last trades; raises as `clock`."""
        body = await self._link.get(trades_path(symbol))
        try:
            return public_trades(body)
        except WireError as error:
            raise VenueUnavailable(f"Binance's trades: {error}") from None

    async def depth(self, symbol: Symbol) -> DepthSnapshot:
        """Ask for a symbol's book, as deep as one request of moderate weight goes."""
        body = await self._link.get(f"{DEPTH_PATH}?symbol={symbol}&limit={_DEPTH_LEVELS}")
        try:
            return depth_snapshot(body)
        except WireError as error:
            raise VenueUnavailable(f"Binance's book: {error}") from None

    async def close(self) -> None:
        """Let go of the connections."""
        await self._link.close()


def _classified(reply: HttpReply) -> Reply:
    return classify(reply.status, reply.body, retry_after=reply.retry_after)


def _times(reply: HttpReply) -> evidence.Times:
    return evidence.Times(reply.sent_ns, reply.answered_ns)


def _weighed(outcome: Outcome, reply: HttpReply) -> Outcome:
    return replace(outcome, weight_used=weight_used(reply.headers))


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
