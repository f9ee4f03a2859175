"""
BTCTurk over HTTP: the only place that talks to it for orders, questions and prices.

A place goes out once; how is the link's matter (`exchanges/http.py`). Candles stand on a
host of their own.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final, TypeVar

from spark.clock import Clock
from spark.errors import VenueUnavailable
from spark.events import InstrumentPublished, Mark
from spark.exchanges.answers import Accepted
from spark.exchanges.btcturk import evidence, wire_account, wire_market, wire_orders
from spark.exchanges.btcturk.wire import NAME
from spark.exchanges.btcturk.wire_answers import Refusal, Rejected, Worth, classify_as
from spark.exchanges.btcturk.wire_info import (
    EXCHANGE_INFO_PATH,
    TIME_PATH,
    exchange_info,
    server_time,
)
from spark.exchanges.http import HttpLink
from spark.exchanges.http import Reply as HttpReply
from spark.exchanges.port import (
    About,
    Answer,
    BalanceSeen,
    ClockReading,
    FillSeen,
    LastCheck,
    OrderSeen,
    Outcome,
    SignedRequest,
    VenueCannotError,
)
from spark.exchanges.public import compare_clocks, usable
from spark.names import Symbol, Venue

_T = TypeVar("_T")

_NS_PER_MS: Final = 1_000_000
#: Questions at a time, to each host.
_QUESTIONS_MAX: Final = 2


class BtcturkOrders:
    """The gateway's way to BTCTurk."""

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
            return reply.heeded(Outcome(answer=Answer.UNKNOWN, cause=reply.cause))
        read = _read(wire_orders.submitted, reply)
        return reply.heeded(evidence.of_place(read, about, reply.times))

    async def cancel(self, request: SignedRequest, about: About, check: LastCheck) -> Outcome:
        """Send a cancel once."""
        reply = await self._link.send_once(request, check)
        if reply.cause:
            return reply.heeded(Outcome(answer=Answer.UNKNOWN, cause=reply.cause))
        read = _read(wire_orders.cancelled, reply)
        return reply.heeded(evidence.of_cancel(read, about, reply.times))

    async def query(self, request: SignedRequest, about: About) -> Outcome:
        """Ask for one order, which this venue cannot by the client's id."""
        del request, about
        raise VenueUnavailable(
            "BTCTurk finds no order by our id; the account feed searches its lists"
        )

    async def close(self) -> None:
        """Let go of the connections."""
        await self._link.close()


class BtcturkAccount:
    """The account feed's questions to BTCTurk."""

    def __init__(self, rest_url: str, clock: Clock, *, reply_ms_max: int) -> None:
        self._link = HttpLink(
            NAME, rest_url, clock, connections_max=_QUESTIONS_MAX, reply_ms_max=reply_ms_max
        )

    async def orders(self, request: SignedRequest) -> tuple[OrderSeen, ...]:
        """Ask for one order, the open ones, or those of a symbol since a time."""
        if request.path == wire_orders.OPEN_ORDERS_PATH:
            return await self._ask(request, wire_orders.open_orders)
        if request.path == wire_orders.ALL_ORDERS_PATH:
            return await self._ask(request, wire_orders.all_orders)
        return await self._ask(request, wire_orders.one_order, where_absent=())

    async def fills(self, request: SignedRequest) -> tuple[FillSeen, ...]:
        """Ask for trades; they lag behind the stream by some polls (trap 23)."""
        return await self._ask(request, wire_account.fills)

    async def balances(self, request: SignedRequest) -> tuple[BalanceSeen, ...]:
        """Ask for balances."""
        return await self._ask(request, wire_account.balances)

    async def fees(self, request: SignedRequest) -> tuple[Decimal, Decimal]:
        """Say that there is no such question; the signer says so before."""
        raise VenueCannotError(f"BTCTurk tells no commission ({request.path or 'no path'})")

    async def close(self) -> None:
        """Let go of the connections."""
        await self._link.close()

    async def _ask(
        self,
        request: SignedRequest,
        read: Callable[[object], _T],
        *,
        where_absent: _T | None = None,
    ) -> _T:
        reply = await self._link.ask(request)
        match _read(read, reply):
            case Accepted(reply=found):
                return found
            case Rejected(worth=Worth.ABSENT) if where_absent is not None:
                return where_absent
            case refusal:
                raise reply.refused(f"{NAME} {request.path}", refusal)


class BtcturkPublic:
    """Public questions to BTCTurk."""

    def __init__(self, rest_url: str, graph_url: str, clock: Clock, *, reply_ms_max: int) -> None:
        self._clock = clock
        self._link, self._graph = (
            HttpLink(NAME, url, clock, connections_max=_QUESTIONS_MAX, reply_ms_max=reply_ms_max)
            for url in (rest_url, graph_url)
        )

    async def clock(self) -> ClockReading:
        """Compare clocks: the reply's time belongs to the middle of the round trip."""
        return await compare_clocks(self._link, TIME_PATH, self._clock, read=server_time)

    async def instruments(self, symbols: tuple[Symbol, ...]) -> tuple[InstrumentPublished, ...]:
        """Ask for symbols' rules."""
        body = await self._link.get(EXCHANGE_INFO_PATH)
        found = usable(f"{NAME}'s exchangeinfo", lambda: exchange_info(body, symbols))
        now_ns = self._clock.wall_ns()
        return tuple(one.published(Venue.BTCTURK, now_ns) for one in found)

    async def marks(self, symbols: tuple[Symbol, ...]) -> tuple[Mark, ...]:
        """Ask for best prices; they are as old as the question, and up to 2 s older there."""
        asked_ns = self._clock.wall_ns()
        body = await self._link.get(wire_market.tickers_path(symbols))
        return usable(f"{NAME}'s prices", lambda: wire_market.marks(body, symbols, asked_ns))

    async def order_book(self, symbol: Symbol) -> wire_market.OrderBook:
        """Ask for a symbol's book, 100 levels a side; raises as `clock`."""
        body = await self._link.get(wire_market.order_book_path(symbol))
        return usable(f"{NAME}'s book", lambda: wire_market.order_book(body))

    async def trades(self, symbol: Symbol) -> tuple[wire_market.PublicTrade, ...]:
        """Ask for a symbol's last 50 trades; raises as `clock`."""
        body = await self._link.get(wire_market.trades_path(symbol))
        return usable(f"{NAME}'s trades", lambda: wire_market.trades(body))

    async def klines(
        self, symbol: Symbol, resolution: str, span: wire_market.Span
    ) -> tuple[wire_market.Candle, ...]:
        """Ask for candles; raises as `clock`."""
        body = await self._graph.get(wire_market.klines_path(symbol, resolution, span))
        return usable(f"{NAME}'s candles", lambda: wire_market.klines(body))

    async def ohlcs(self, symbol: Symbol, span: wire_market.Span) -> tuple[wire_market.Candle, ...]:
        """Ask for daily candles; raises as `clock`."""
        body = await self._graph.get(wire_market.ohlcs_path(symbol, span))
        return usable(f"{NAME}'s daily candles", lambda: wire_market.ohlcs(body))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._link.close()
        await self._graph.close()


def _read(read: Callable[[object], _T], reply: HttpReply) -> Accepted[_T] | Refusal:
    return classify_as(read, reply.status, reply.body, retry_after_s=reply.retry_after_s)
