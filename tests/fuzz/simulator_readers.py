"""
The simulated exchanges' own entry points, over real sockets: REST, WebSocket, the judges' port.

Whatever a client says is answered or cut off; no handler fails, and the next request is
served. Requests are signed over what they became, so that they get past the signature.
"""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import quote

import aiohttp
import orjson
from aiohttp import WSMsgType

from spark.exchanges.simulator.server import Options, Running, running
from spark.names import Venue
from tests import simulated_btcturk, simulated_venue
from tests.fuzz.campaign import Harness, Reader
from tests.fuzz.mutator import AMOUNTS, NUMBERS, TEXTS, Mutator
from tests.fuzz.running import running_in_turns

#: Only ends what is stuck for good.
_ANSWER_S_MAX: Final = 60
_FRESH: Final = 500
_SERVER_ERROR: Final = 500
_WORDS: Final = (
    *AMOUNTS, *[one.text for one in NUMBERS], *TEXTS, "BTCUSDT", "BTCTRY", "BUY", "SELL", "LIMIT",
    "MARKET", "GTC", "1m", "60", "true", "full", "a-1",
)  # fmt: skip
_LINE_MAX: Final = 6_000
_OK: Final = 200

#: (method, path, parameters) of Binance's REST; the signed ones say so.
_BINANCE: Final[tuple[tuple[str, str, Mapping[str, str]], ...]] = (
    ("POST", "/api/v3/order", {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT",
                               "timeInForce": "GTC", "quantity": "0.01", "price": "60000",
                               "newClientOrderId": "a-1", "newOrderRespType": "FULL"}),
    ("POST", "/api/v3/order", {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET",
                               "quoteOrderQty": "100"}),
    ("DELETE", "/api/v3/order", {"symbol": "BTCUSDT", "origClientOrderId": "a-1"}),
    ("GET", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": "1"}),
    ("GET", "/api/v3/openOrders", {"symbol": "BTCUSDT"}),
    ("GET", "/api/v3/account", {"omitZeroBalances": "true"}),
    ("GET", "/api/v3/account/commission", {"symbol": "BTCUSDT"}),
    ("GET", "/api/v3/allOrders", {"symbol": "BTCUSDT", "startTime": "1", "endTime": "2",
                                  "limit": "5"}),
    ("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT", "fromId": "1", "limit": "5"}),
    ("GET", "/api/v3/depth", {"symbol": "BTCUSDT", "limit": "5"}),
    ("GET", "/api/v3/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": "5",
                               "startTime": "1"}),
    ("GET", "/api/v3/exchangeInfo", {"symbols": '["BTCUSDT"]'}),
    ("GET", "/api/v3/trades", {"symbol": "BTCUSDT", "limit": "5"}),
    ("GET", "/api/v3/ticker/bookTicker", {"symbols": '["BTCUSDT"]'}),
    ("GET", "/stream", {"streams": "btcusdt@trade/btcusdt@depth"}),
)  # fmt: skip
_BTCTURK: Final[tuple[tuple[str, str, Mapping[str, str]], ...]] = (
    ("POST", "/api/v1/order", {}),
    ("POST", "/api/v1/order", {}),
    ("DELETE", "/api/v1/order", {"id": "1"}),
    ("GET", "/api/v1/order/1", {}),
    ("GET", "/api/v1/openOrders", {"pairSymbol": "BTCTRY"}),
    ("GET", "/api/v1/allOrders", {"pairSymbol": "BTCTRY", "startTime": "1", "limit": "5",
                                  "orderId": "1"}),
    ("GET", "/api/v1/users/balances", {}),
    ("GET", "/api/v1/users/transactions/trade", {"type": "buy", "symbol": "btc",
                                                 "startDate": "1", "endDate": "2"}),
    ("GET", "/api/v2/ticker", {"pairSymbol": "BTCTRY"}),
    ("GET", "/api/v2/orderbook", {"pairSymbol": "BTCTRY", "limit": "5"}),
    ("GET", "/api/v2/trades", {"pairSymbol": "BTCTRY", "last": "5"}),
    ("GET", "/api/v2/ohlc", {"pairSymbol": "BTCTRY", "last": "5"}),
    ("GET", "/v1/klines/history", {"symbol": "BTCTRY", "resolution": "60", "from": "1",
                                   "to": "2"}),
    ("GET", "/v1/ohlcs", {"pair": "BTCTRY", "from": "1", "to": "2"}),
)  # fmt: skip
_BODY: Final = orjson.dumps(
    {"pairSymbol": "BTCTRY", "orderMethod": "limit", "orderType": "buy", "quantity": "0.01",
     "price": "2000000", "newOrderClientId": "a-1"}
)  # fmt: skip
_JUDGES: Final[tuple[tuple[str, str, bytes], ...]] = (
    ("POST", "/faults", b'{"kind":"delay_before","count":2,"ms":5,"route":"POST /api/v3/order"}'),
    ("POST", "/faults", b'{"kind":"storm_429","count":2,"ms":5}'),
    ("POST", "/funds", b'{"account":"other","asset":"USDT","amount":"5"}'),
    ("POST", "/clock", b'{"offset_ms":5}'),
    ("GET", "/ledger?since=0&limit=5", b""),
    ("GET", "/ledger/summary", b""),
    ("DELETE", "/faults", b""),
    ("GET", "/accounts", b""),
)
_BINANCE_WORDS: Final = (
    b'{"id":1,"method":"ping"}',
    b'{"id":"a","method":"time","params":{"returnRateLimits":false}}',
    b'{"id":2,"method":"session.status"}',
    b'{"id":3,"method":"userDataStream.unsubscribe","params":{"subscriptionId":0}}',
    (
        b'{"id":4,"method":"userDataStream.subscribe.signature","params":{"apiKey":"F",'
        b'"timestamp":1,"signature":"00","recvWindow":5000}}'
    ),
)
_BINANCE_MARKET: Final = (
    b'{"method":"SUBSCRIBE","params":["btcusdt@trade","btcusdt@depth"],"id":1}',
    b'{"method":"UNSUBSCRIBE","params":["btcusdt@trade"],"id":"x"}',
    b'{"method":"SET_PROPERTY","params":["combined",true],"id":5}',
    b'{"method":"GET_PROPERTY","params":["combined"],"id":2}',
    b'{"method":"LIST_SUBSCRIPTIONS","id":3}',
)
_BTCTURK_WORDS: Final = (
    b'[151,{"type":151,"channel":"orderbook","event":"BTCTRY","join":true}]',
    b'[151,{"type":151,"channel":"obdiff","event":"BTCTRY","join":true}]',
    b'[151,{"type":151,"channel":"trade","event":"all","join":false}]',
    b'[114,{"type":114,"publicKey":"full-key","timestamp":1,"nonce":3000,"signature":"x"}]',
)

#: Last parts of Binance's signed paths.
_SIGNED: Final = frozenset(
    {"order", "openOrders", "account", "commission", "allOrders", "myTrades"}
)
#: A request: method, path with its query, headers, body.
Request = tuple[str, str, Mapping[str, str], bytes]


@asynccontextmanager
async def _venue(venue: Venue, place: Path) -> AsyncIterator[Running]:
    made = simulated_venue if venue is Venue.BINANCE else simulated_btcturk
    options = Options(keys_file=made.write_keys(place), venue=venue, market_steps_per_s=0)
    async with running(options) as simulator:
        yield simulator


class _Wire:
    """One keep-alive connection, on which bytes go out as they are."""

    def __init__(self, host: str, port: int) -> None:
        self._where = (host, port)
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: Request) -> int:
        """Send a request; give the status of its answer, 0 where the server hung up."""
        async with asyncio.timeout(_ANSWER_S_MAX):
            try:
                return await self._ask(request)
            except (ConnectionError, asyncio.IncompleteReadError):
                await self.close()
                return 0

    async def _ask(self, request: Request) -> int:
        if self._ends is None:
            self._ends = await asyncio.open_connection(*self._where, limit=1 << 22)
        reader, writer = self._ends
        method, path, headers, body = request
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._where[0]}:{self._where[1]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines).encode("latin-1", "replace")
        writer.write(head + b"\r\n\r\n" + body)
        await writer.drain()
        found = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(found.split(" ", 2)[1])
        fields = dict(
            line.lower().split(": ", 1) for line in found.split("\r\n")[1:] if ": " in line
        )
        if "chunked" in fields.get("transfer-encoding", "") or status < _OK:
            # A stream that began, or another protocol: this connection is used up.
            await self.close()
            return status
        await reader.readexactly(int(fields.get("content-length", "0")))
        if fields.get("connection") == "close":
            await self.close()
        return status

    async def close(self) -> None:
        """Let go of the connection."""
        if self._ends is not None:
            self._ends[1].close()
            self._ends = None


def _changed(random: Random, params: Mapping[str, str]) -> list[tuple[str, str]]:
    """Break parameters in up to three places."""
    pairs = list(params.items())
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        at = random.randrange(len(pairs)) if pairs else 0
        name, value = pairs[at] if pairs else ("symbol", "BTCUSDT")
        match random.randrange(5):
            case 0 | 1:
                pairs[at : at + 1] = [(name, random.choice(_WORDS)[:_LINE_MAX])]
            case 2:
                pairs.insert(at, (name, value))
            case 3:
                pairs[at : at + 1] = []
            case _:
                pairs.insert(at, (random.choice(("x", *TEXTS))[:_LINE_MAX], value))
    return pairs


def _query(random: Random, pairs: list[tuple[str, str]]) -> str:
    text = "&".join(
        f"{quote(name, errors='replace')}={quote(value, errors='replace')}" for name, value in pairs
    )
    if random.random() < 0.05:
        broken = Mutator(random).broken_bytes(text.encode())[:_LINE_MAX]
        text = "".join(char for char in broken.decode("latin-1") if " " < char < "\x7f")
    return text


def _binance(random: Random) -> Request:
    method, path, params = random.choice(_BINANCE)
    query = _query(random, _changed(random, params))
    key = random.choice((*(simulated_venue.FULL,) * 9, simulated_venue.READ))
    if path.rpartition("/")[2] in _SIGNED:
        stamp = random.choice(("{now}", "{now}", "{now}", "0", "9" * 19))
        query = f"{query}&timestamp={stamp}&recvWindow=60000&signature={{signature}}"
    return method, f"{path}?{query}", {"X-MBX-APIKEY": key[0]}, b""


def _signature(secret: str, payload: str) -> str:
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def _stamped_binance(request: Request, now_ms: int) -> Request:
    """Put in the time and the signature, which are of the moment that it is sent."""
    method, path, headers, body = request
    secret = {simulated_venue.FULL[0]: simulated_venue.FULL[1]}.get(
        headers["X-MBX-APIKEY"], simulated_venue.READ[1]
    )
    path = path.replace("{now}", str(now_ms))
    before, mark, _ = path.partition("&signature={signature}")
    if mark:
        payload = before.partition("?")[2]
        path = f"{before}&signature={_signature(secret, payload)}"
    return method, path, headers, body


def _btcturk(random: Random) -> Request:
    method, path, params = random.choice(_BTCTURK)
    query = _query(random, _changed(random, params))
    body = Mutator(random, (_BODY,)).case() if method == "POST" else b""
    kind = "application/json" if random.random() < 0.95 else random.choice(("", "text/plain"))
    if random.random() < 0.1:
        path += quote(random.choice(TEXTS)[:200], errors="replace")
    return method, f"{path}?{query}" if query else path, {"Content-Type": kind}, body


def _stamped_btcturk(request: Request, now_ms: int) -> Request:
    del now_ms
    method, path, headers, body = request
    signed = simulated_btcturk.headers_of(simulated_btcturk.FULL, simulated_btcturk.STAMPS.next())
    return method, path, {**headers, **signed}, body


def _judged(random: Random) -> Request:
    method, path, sample = random.choice(_JUDGES)
    body = Mutator(random, (sample,)).case() if sample else b""
    if "?" in path:
        pairs = _changed(random, {"since": "0", "limit": "5"})
        path = f"/ledger?{_query(random, pairs)}"
    return method, path, {"Content-Type": "application/json"}, body


def _rest(
    venue: Venue,
    make: Callable[[Random], Request],
    stamped: Callable[[Request, int], Request] | None,
) -> Callable[[], Iterator[Harness]]:
    """Send requests; without `stamped` they go to the judges' port."""

    def opened() -> Iterator[Harness]:
        async def start(stack: AsyncExitStack, place: Path) -> tuple[Running, _Wire]:
            simulator = await stack.enter_async_context(_venue(venue, place))
            port = simulator.port if stamped else simulator.admin_port
            wire = _Wire(simulator.host, port)
            stack.push_async_callback(wire.close)
            return simulator, wire

        with running_in_turns(start) as (runner, (simulator, wire), errors):

            def read(request: Request) -> bool:
                if stamped is not None:
                    request = stamped(request, simulator.venue.clock.wall_ns() // 1_000_000)
                else:
                    method, path, headers, body = request
                    given = {**headers, "Authorization": f"Bearer {simulator.admin_token}"}
                    request = (method, path, given, body)
                status = runner.run(wire.ask(request))
                assert status < _SERVER_ERROR, f"HTTP {status}"
                assert not errors.found, errors.found[:1]
                return bool(status == _OK)

            yield Harness(make, read)

    return opened


class _Socket:
    """A WebSocket that is opened again whenever the server ends it."""

    def __init__(self, session: aiohttp.ClientSession, url: str, probe: bytes) -> None:
        self._session = session
        self._url = url
        self._probe = probe
        self._open: aiohttp.ClientWebSocketResponse | None = None

    async def say(self, text: bytes) -> bool:
        """Send bytes as a text frame, then a question; False where the server hung up."""
        async with asyncio.timeout(_ANSWER_S_MAX):
            if self._open is None or self._open.closed:
                self._open = await self._session.ws_connect(self._url, max_msg_size=0)
            try:
                await self._open._writer.send_frame(text, WSMsgType.TEXT)
                await self._open._writer.send_frame(self._probe, WSMsgType.TEXT)
                return await self._heard(self._open)
            except (ConnectionError, aiohttp.ClientError):
                self._open = None
                return False

    async def _heard(self, connection: aiohttp.ClientWebSocketResponse) -> bool:
        while True:
            message = await connection.receive()
            if message.type is not WSMsgType.TEXT:
                await connection.close()
                self._open = None
                return False
            if "probe-of-tests" in message.data:
                return True


def _stream(
    venue: Venue, path: str, samples: tuple[bytes, ...], *, probe: bytes
) -> Callable[[], Iterator[Harness]]:
    def opened() -> Iterator[Harness]:
        async def start(stack: AsyncExitStack, place: Path) -> _Socket:
            simulator = await stack.enter_async_context(_venue(venue, place))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return _Socket(session, simulator.stream_url + path, probe)

        with running_in_turns(start) as (runner, socket, errors):

            def case(random: Random) -> bytes:
                return Mutator(random, samples).case()

            def read(text: bytes) -> bool:
                is_alive = bool(runner.run(socket.say(text)))
                assert not errors.found, errors.found[:1]
                return is_alive

            yield Harness(case, read)

    return opened


def _readers() -> Iterator[Reader]:
    turk_probe = b'[151,{"type":151,"channel":"probe-of-tests","event":"x","join":false}]'
    ws_probe = b'{"id":"probe-of-tests","method":"ping"}'
    market_probe = b'{"id":"probe-of-tests","method":"LIST_SUBSCRIPTIONS"}'
    for name, opened in (
        ("sim-binance-rest", _rest(Venue.BINANCE, _binance, _stamped_binance)),
        ("sim-btcturk-rest", _rest(Venue.BTCTURK, _btcturk, _stamped_btcturk)),
        ("sim-judges", _rest(Venue.BINANCE, _judged, None)),
        (
            "sim-binance-ws-api",
            _stream(Venue.BINANCE, "/ws-api/v3", _BINANCE_WORDS, probe=ws_probe),
        ),
        (
            "sim-binance-market",
            _stream(Venue.BINANCE, "/stream", _BINANCE_MARKET, probe=market_probe),
        ),
        ("sim-btcturk-ws", _stream(Venue.BTCTURK, "/", _BTCTURK_WORDS, probe=turk_probe)),
    ):
        yield Reader(name, contextmanager(opened), weight=2, fresh_every=_FRESH)


READERS: Final = tuple(_readers())
