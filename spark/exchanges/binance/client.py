"""
Binance over HTTP: the only place that talks to it for orders and public questions.

A place goes out once; how is the link's matter (`exchanges/http.py`).
"""

from dataclasses import replace
from typing import Final

from spark.clock import Clock
from spark.events import InstrumentPublished, Mark
from spark.exchanges.binance import evidence
from spark.exchanges.binance.wire import NAME
from spark.exchanges.binance.wire_answers import Answer as Reply
from spark.exchanges.binance.wire_answers import classify, weight_used
from spark.exchanges.binance.wire_info import (
    EXCHANGE_INFO_PATH,
    TIME_PATH,
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
from spark.exchanges.public import compare_clocks, usable
from spark.names import Symbol, Venue

_NS_PER_MS: Final = 1_000_000
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
            NAME, rest_url, clock, connections_max=concurrency_max, reply_ms_max=reply_ms_max
        )

    async def place(self, request: SignedRequest, about: About, check: LastCheck) -> Outcome:
        """Send a place once."""
        reply = await self._link.send_once(request, check)
        if reply.cause:
            return _weighed(Outcome(answer=Answer.UNKNOWN, cause=reply.cause), reply)
        return _weighed(evidence.of_place(_classified(reply), about, reply.times), reply)

    async def cancel(self, request: SignedRequest, about: About, check: LastCheck) -> Outcome:
        """Send a cancel once."""
        reply = await self._link.send_once(request, check)
        if reply.cause:
            return _weighed(Outcome(answer=Answer.UNKNOWN, cause=reply.cause), reply)
        return _weighed(evidence.of_cancel(_classified(reply), about, reply.times), reply)

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
            NAME,
            rest_url,
            clock,
            connections_max=_PUBLIC_CONNECTIONS_MAX,
            reply_ms_max=reply_ms_max,
        )

    async def clock(self) -> ClockReading:
        """Compare clocks: the reply's time belongs to the middle of the round trip."""
        return await compare_clocks(self._link, TIME_PATH, self._clock, read=server_time)

    async def instruments(self, symbols: tuple[Symbol, ...]) -> tuple[InstrumentPublished, ...]:
        """Ask for symbols' rules."""
        body = await self._link.get(EXCHANGE_INFO_PATH)
        info = usable(f"{NAME}'s exchangeInfo", lambda: exchange_info(body))
        now_ns = self._clock.wall_ns()
        return tuple(
            one.published(Venue.BINANCE, now_ns)
            for one in info.instruments
            if one.symbol in symbols
        )

    async def marks(self, symbols: tuple[Symbol, ...]) -> tuple[Mark, ...]:
        """Ask for best prices; they are as old as the question."""
        asked_ns = self._clock.wall_ns()
        body = await self._link.get(book_tickers_path(symbols))
        found = usable(f"{NAME}'s prices", lambda: book_tickers(body, asked_ns))
        return tuple(mark for mark in found if mark.symbol in symbols)

    async def klines(
        self, symbol: Symbol, interval: str, since_ms: int | None = None
    ) -> tuple[Candle, ...]:
        """Ask for candles, the newest or those since a time; raises as `clock`."""
        body = await self._link.get(klines_path(symbol, interval, since_ms))
        return usable(f"{NAME}'s candles", lambda: klines(body))

    async def trades(self, symbol: Symbol) -> tuple[PublicTrade, ...]:
        """Ask for a symbol's last trades; raises as `clock`."""
        body = await self._link.get(trades_path(symbol))
        return usable(f"{NAME}'s trades", lambda: public_trades(body))

    async def depth(self, symbol: Symbol) -> DepthSnapshot:
        """Ask for a symbol's book, as deep as one request of moderate weight goes."""
        body = await self._link.get(f"{DEPTH_PATH}?symbol={symbol}&limit={_DEPTH_LEVELS}")
        return usable(f"{NAME}'s book", lambda: depth_snapshot(body))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._link.close()


def _classified(reply: HttpReply) -> Reply:
    return classify(reply.status, reply.body, retry_after_s=reply.retry_after_s)


def _weighed(outcome: Outcome, reply: HttpReply) -> Outcome:
    """Add what the headers say to what the content proves."""
    return replace(reply.heeded(outcome), weight_used=weight_used(reply.headers))
