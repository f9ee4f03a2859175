"""
What the contracts of exchanges' ports are played on: each venue's simulator and adapters.

A scene is one account at one simulator whose book stands still, asked through the real
signer and the real clients; a judge looks into the venue's own ledger.
"""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from spark.clock import SystemClock
from spark.events import CancelApproved, OrderApproved
from spark.exchanges.binance.account_client import BinanceAccount
from spark.exchanges.binance.auth import SecretKey as BinanceSecret
from spark.exchanges.binance.client import BinanceOrders, BinancePublic
from spark.exchanges.binance.private_stream import BinancePrivateStream
from spark.exchanges.binance.signer import BinanceKey, BinanceSigner
from spark.exchanges.btcturk.auth import SecretKey as BtcturkSecret
from spark.exchanges.btcturk.client import BtcturkAccount, BtcturkOrders, BtcturkPublic
from spark.exchanges.btcturk.private_stream import BtcturkPrivateStream
from spark.exchanges.btcturk.signer import BtcturkKey, BtcturkSigner
from spark.exchanges.port import (
    AccountVenue,
    Asked,
    LastCheck,
    OrderSigner,
    OrderVenue,
    Outcome,
    PrivateStream,
    PublicVenue,
    Question,
    SignedRequest,
    next_stamp,
)
from spark.exchanges.simulator.server import Options, Running, running
from spark.names import AccountId, Side, Symbol, Venue
from tests.venues import about, approved, cancelling

#: On offer at both, at prices that hardly differ.
SYMBOL: Final = Symbol("BTCUSDT")
#: Far below what is asked for there, and far above.
RESTS: Final = Decimal(55_000)
TAKES: Final = Decimal(63_000)
QUANTITY: Final = Decimal("0.01")
#: Long for a simulator in the same process, short for a test that waits for nothing.
REPLY_MS_MAX: Final = 400
#: A mute stream ends after so long.
SILENCE_S_MAX: Final = 1.0
#: Enough for anything here; a test that waits this long has failed.
PATIENCE_S: Final = 10.0
_RECV_WINDOW_MS: Final = 20_000
_BALANCES: Final = {"USDT": "1000000", "BTC": "10"}

#: (api key, secret) of the trade and the read key, and of one that may do nothing here.
Pair = tuple[str, str]
_BINANCE: Final = (("T" * 64, "trade-secret"), ("R" * 64, "read-secret"))
_BTCTURK: Final = (
    ("11111111-1111-1111-1111-111111111111", base64.b64encode(b"trade-secret").decode()),
    ("22222222-2222-2222-2222-222222222222", base64.b64encode(b"read-secret").decode()),
)
_KEYS: Final[dict[Venue, tuple[Pair, Pair]]] = {Venue.BINANCE: _BINANCE, Venue.BTCTURK: _BTCTURK}
_PLACE: Final = {Venue.BINANCE: "/api/v3/order", Venue.BTCTURK: "/api/v1/order"}
_TIME: Final = {Venue.BINANCE: "GET /api/v3/time", Venue.BTCTURK: "GET /api/v2/server/time"}

Adapters = tuple[OrderVenue, PublicVenue, AccountVenue, PrivateStream]


@dataclass(slots=True)
class Scene:
    """One account of one venue."""

    venue: Venue
    simulator: Running
    signer: OrderSigner
    orders: OrderVenue
    public: PublicVenue
    account_venue: AccountVenue
    stream: PrivateStream
    _session: aiohttp.ClientSession
    _stamp_ns: int = 0
    logins: list[SignedRequest] = field(default_factory=list)

    @property
    def account(self) -> AccountId:
        """The account as Spark names it."""
        return AccountId(f"{self.venue}:main")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be seen in anything printed."""
        return tuple(secret for _, secret in _KEYS[self.venue])

    @property
    def place_route(self) -> str:
        """Name the request that places."""
        return f"POST {_PLACE[self.venue]}"

    @property
    def cancel_route(self) -> str:
        """Name the request that cancels."""
        return f"DELETE {_PLACE[self.venue]}"

    @property
    def time_route(self) -> str:
        """Name the question for the time."""
        return _TIME[self.venue]

    def stamp(self) -> int:
        """Give the next stamp; the simulator's clock is ours."""
        self._stamp_ns = next_stamp(time.time_ns(), self._stamp_ns)
        return self._stamp_ns

    def order(self, text: str = "one", /, **changes: object) -> OrderApproved:
        """Approve a buy that rests, or whatever the changes make of it."""
        usual = {"symbol": SYMBOL, "price": RESTS, "quantity": QUANTITY, "side": Side.BUY}
        return approved(self.account, text, **{**usual, **changes})

    def signed(self, order: OrderApproved) -> SignedRequest:
        """Sign a place."""
        return self.signer.place(order, self.stamp())

    async def place(self, order: OrderApproved, check: LastCheck = lambda: True) -> Outcome:
        """Send a place."""
        return await self.orders.place(self.signed(order), about(order), check)

    async def cancel(
        self, order: OrderApproved, exchange_order_id: str, cancel: CancelApproved | None = None
    ) -> Outcome:
        """Send a cancel."""
        cancel = cancel or cancelling(order)
        request = self.signer.cancel(cancel, self.stamp(), exchange_order_id=exchange_order_id)
        return await self.orders.cancel(request, about(order, cancel=cancel), lambda: True)

    def ask(self, question: Question, **fields: object) -> SignedRequest:
        """Sign a question."""
        made: dict[str, Any] = {"question": question, "account": self.account, **fields}
        return self.signer.ask(Asked(**made), self.stamp())

    async def log_in(self) -> SignedRequest:
        """Give a login, and remember it."""
        self.logins.append(self.ask(Question.LOGIN))
        return self.logins[-1]

    async def arm(self, kind: str, *, route: str, ms: int = 0, count: int = 1) -> None:
        """Arm a fault."""
        fault = {"kind": kind, "route": route, "ms": ms, "count": count}
        assert "error" not in await self._judge("POST", "/faults", fault)

    async def used_up(self) -> None:
        """Wait until no fault is armed any more."""
        async with asyncio.timeout(PATIENCE_S):
            while (await self._judge("GET", "/faults"))["armed"]:  # noqa: ASYNC110  (over HTTP)
                await asyncio.sleep(0.02)

    async def move_funds(self, asset: str, amount: str) -> None:
        """Deposit, or below zero withdraw."""
        moved = {"account": "main", "asset": asset, "amount": amount}
        assert "error" not in await self._judge("POST", "/funds", moved)

    async def set_clock(self, offset_ms: int) -> None:
        """Put the venue's clock so far ahead of ours."""
        await self._judge("POST", "/clock", {"offset_ms": offset_ms})

    async def entries(self, kind: str) -> list[dict[str, Any]]:
        """Read the venue's own ledger."""
        found = await self._judge("GET", "/ledger")
        return [one for one in found["entries"] if one["kind"] == kind]

    async def placed(self) -> list[str]:
        """List the client ids of orders that the venue has, once for each order."""
        ids = {one["order_id"]: one["client_order_id"] for one in await self.entries("order")}
        return list(ids.values())

    async def requests(self, route: str) -> int:
        """Count the requests of a kind that reached the venue."""
        return sum(
            f"{one['method']} {one['path']}" == route for one in await self.entries("request")
        )

    async def _judge(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401
        async with self._session.request(
            method,
            self.simulator.admin_url + path,
            headers={"Authorization": f"Bearer {self.simulator.admin_token}"},
            data=None if body is None else orjson.dumps(body),
        ) as response:
            return orjson.loads(await response.read())


@asynccontextmanager
async def playing(venue: Venue, directory: Path) -> AsyncIterator[Scene]:
    """Set a scene, and clear it away."""
    trade, read = _KEYS[venue]
    keys_file = directory / f"{venue}-keys.json"
    keys_file.write_text(
        json.dumps(
            [
                {
                    "api_key": trade[0],
                    "secret": trade[1],
                    "permissions": ["trade"],
                    "balances": _BALANCES,
                    "id": "trade",
                },
                {"api_key": read[0], "secret": read[1], "permissions": ["read"], "id": "read"},
            ]
        )
    )
    keys_file.chmod(0o400)
    options = Options(keys_file=keys_file, venue=venue, market_steps_per_s=0)
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(running(options))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        adapters = _ADAPTERS[venue](simulator)
        for one in adapters:
            stack.push_async_callback(one.close)
        yield Scene(venue, simulator, signer_of(venue), *adapters, session)


def signer_of(venue: Venue, *, read_key: str = "", read_secret: str = "") -> OrderSigner:
    """Make a venue's signer; with another read key, or secret of it, where one is given."""
    trade, (known_key, secret) = _KEYS[venue]
    read = (read_key or known_key, (read_secret or secret).encode())
    if venue is Venue.BINANCE:
        return BinanceSigner(
            BinanceKey(trade[0], BinanceSecret(trade[1].encode())),
            BinanceKey(read[0], BinanceSecret(read[1])),
            _RECV_WINDOW_MS,
        )
    return BtcturkSigner(
        BtcturkKey(trade[0], BtcturkSecret(trade[1].encode())),
        BtcturkKey(read[0], BtcturkSecret(read[1])),
    )


def orders_of(venue: Venue, url: str) -> OrderVenue:
    """Make a venue's order client."""
    make = BinanceOrders if venue is Venue.BINANCE else BtcturkOrders
    return make(url, SystemClock(), concurrency_max=4, reply_ms_max=REPLY_MS_MAX)


def public_of(venue: Venue, url: str) -> PublicVenue:
    """Make a venue's client of public questions."""
    clock = SystemClock()
    if venue is Venue.BINANCE:
        return BinancePublic(url, clock, reply_ms_max=REPLY_MS_MAX)
    return BtcturkPublic(url, url, clock, reply_ms_max=REPLY_MS_MAX)


def _binance(simulator: Running) -> Adapters:
    url, clock = simulator.url, SystemClock()
    return (
        orders_of(Venue.BINANCE, url),
        public_of(Venue.BINANCE, url),
        BinanceAccount(url, clock, reply_ms_max=REPLY_MS_MAX),
        BinancePrivateStream(simulator.stream_url, clock, silence_s_max=SILENCE_S_MAX),
    )


def _btcturk(simulator: Running) -> Adapters:
    url, clock = simulator.url, SystemClock()
    return (
        orders_of(Venue.BTCTURK, url),
        public_of(Venue.BTCTURK, url),
        BtcturkAccount(url, clock, reply_ms_max=REPLY_MS_MAX),
        BtcturkPrivateStream(simulator.stream_url, clock, silence_s_max=SILENCE_S_MAX),
    )


_ADAPTERS: Final[dict[Venue, Callable[[Running], Adapters]]] = {
    Venue.BINANCE: _binance,
    Venue.BTCTURK: _btcturk,
}
