"""
The simulated venue's WebSocket API: logins, an account's own events, faults of them.
"""

import asyncio
import hashlib
import hmac
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import pytest

from spark.exchanges.simulator.options import Options
from spark.exchanges.simulator.server import Running, running
from tests.simulated_venue import FULL, OTHER, READ, TRADE, Client

WAIT_S: Final = 5.0
SUBSCRIBE: Final = "userDataStream.subscribe.signature"
#: As the venue documents them; `eR`, `W` and others depend on the event.
KEYS: Final = frozenset((*"eEscSofqpPFgCxXrilzLnNTtIwmMOZYQV",))


def signed(key: tuple[str, str], **more: object) -> dict[str, object]:
    """Sign a subscription: the parameters sorted by name, the key among them."""
    params = {"apiKey": key[0], "timestamp": int(time.time() * 1_000), **more}
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    signature = hmac.new(key[1].encode(), payload.encode(), hashlib.sha256).hexdigest()
    return {**params, "signature": signature}


class Private:
    """A client of the WebSocket API."""

    def __init__(self, socket: "aiohttp.ClientWebSocketResponse[bool]") -> None:
        self.socket = socket
        self._heard: list[Any] = []

    async def ask(self, method: str, params: dict[str, object] | None = None) -> Any:  # noqa: ANN401
        """Ask, and give the reply; events before it are kept for later."""
        await self.socket.send_json({"id": method, "method": method, "params": params or {}})
        while "subscriptionId" in (reply := await self._frame()):
            self._heard.append(reply)
        return reply

    async def event(self) -> Any:  # noqa: ANN401
        """Give the next event."""
        frame = self._heard.pop(0) if self._heard else await self._frame()
        return frame["event"]

    async def events(self, count: int) -> list[Any]:
        """Give the next events."""
        return [await self.event() for _ in range(count)]

    async def _frame(self) -> Any:  # noqa: ANN401
        return orjson.loads(await self.socket.receive_str(timeout=WAIT_S))


@asynccontextmanager
async def connected(session: aiohttp.ClientSession, venue: Running) -> AsyncIterator[Private]:
    async with session.ws_connect(f"{venue.stream_url}/ws-api/v3") as socket:
        yield Private(socket)


@pytest.fixture
async def private(session: aiohttp.ClientSession, venue: Running) -> AsyncIterator[Private]:
    async with connected(session, venue) as one:
        yield one


@pytest.fixture
async def listening(private: Private) -> Private:
    reply = await private.ask(SUBSCRIBE, signed(READ))
    assert (reply["status"], reply["result"]) == (200, {"subscriptionId": 0})
    return private


def kinds(events: list[Any]) -> list[str]:
    return [
        f"{one['x']} {one['X']}" if one["e"] == "executionReport" else one["e"] for one in events
    ]


async def test_an_order_is_told_with_every_documented_key(
    listening: Private, client: Client
) -> None:
    """An order that rests: executionReport NEW, then what the account has now."""
    placed = (await client.place(newClientOrderId="a-1")).json
    report, position = await listening.events(2)
    assert report.keys() >= KEYS
    assert (report["c"], report["C"], report["i"]) == ("a-1", "", placed["orderId"])
    assert (report["x"], report["X"], report["r"], report["t"]) == ("NEW", "NEW", "NONE", -1)
    assert position["e"] == "outboundAccountPosition"
    held = {row["a"]: (row["f"], row["l"]) for row in position["B"]}
    assert held["USDT"] == ("999400.00000000", "600.00000000")


async def test_trades_are_told_one_by_one(listening: Private, client: Client) -> None:
    """Each trade with its own id, price and commission, cumulated; the last one says FILLED."""
    placed = (await client.place(price="61900", quantity="0.7", newClientOrderId="a-1")).json
    assert len(placed["fills"]) > 1
    told = await listening.events(len(placed["fills"]) + 2)
    trades = told[1:-1]
    assert kinds(trades) == ["TRADE PARTIALLY_FILLED"] * (len(trades) - 1) + ["TRADE FILLED"]
    assert [(one["t"], one["L"], one["l"], one["n"], one["N"]) for one in trades] == [
        (one["tradeId"], one["price"], one["qty"], one["commission"], one["commissionAsset"])
        for one in placed["fills"]
    ]
    assert (trades[-1]["z"], trades[-1]["Z"]) == (
        placed["executedQty"],
        placed["cummulativeQuoteQty"],
    )
    assert told[-1]["e"] == "outboundAccountPosition"


async def test_a_cancel_has_a_name_of_its_own(listening: Private, client: Client) -> None:
    """In CANCELED `C` is the order's client id, and `c` the cancel's."""
    await client.place(newClientOrderId="a-1")
    cancelled = (await client.cancel("a-1")).json
    _, _, report, _ = await listening.events(4)
    assert (report["x"], report["X"]) == ("CANCELED", "CANCELED")
    assert (report["C"], report["c"]) == ("a-1", cancelled["clientOrderId"])


async def test_what_expires_says_why(listening: Private, client: Client) -> None:
    """An IOC that meets nobody: NEW, then EXPIRED with its reason."""
    await client.place(timeInForce="IOC")
    told = await listening.events(3)
    assert kinds(told) == ["NEW NEW", "EXPIRED EXPIRED", "outboundAccountPosition"]
    assert told[1]["eR"] == "UNFILLED_IOC_QUANTITY_EXPIRED"


async def test_what_the_engine_refuses_is_told_with_its_reason(
    listening: Private, client: Client
) -> None:
    """An order that nobody can pay for: REJECTED; a duplicate is told on the reply alone."""
    assert (await client.place(quantity="100", newClientOrderId="a-1")).code == -2010
    (report,) = await listening.events(1)
    assert (report["x"], report["X"], report["r"]) == (
        "REJECTED",
        "REJECTED",
        "INSUFFICIENT_BALANCES",
    )
    await client.place(newClientOrderId="a-2")
    assert (await client.place(newClientOrderId="a-2")).code == -2010
    await client.cancel("a-2")
    assert kinds(await listening.events(4))[::2] == ["NEW NEW", "CANCELED CANCELED"]


async def test_a_deposit_is_told(listening: Private, client: Client) -> None:
    """BalanceUpdate with what came, then what there is."""
    await client.judge("POST", "/funds", {"account": "main", "asset": "BTC", "amount": "-0.5"})
    moved, position = await listening.events(2)
    assert (moved["e"], moved["a"], moved["d"]) == ("balanceUpdate", "BTC", "-0.50000000")
    assert position["B"] == [{"a": "BTC", "f": "9.50000000", "l": "0.00000000"}]


async def test_each_account_hears_its_own(listening: Private, client: Client) -> None:
    """Two accounts on one connection: each event names the subscription it belongs to."""
    await listening.ask(SUBSCRIBE, signed(OTHER))
    await client.with_key(OTHER).place(quantity="0.001", newClientOrderId="b-1")
    frame = orjson.loads(await listening.socket.receive_str(timeout=WAIT_S))
    assert (frame["subscriptionId"], frame["event"]["c"]) == (1, "b-1")


@pytest.mark.parametrize(
    ("key", "changes", "code"),
    [
        (TRADE, {}, -2015),
        (("N" * 64, "x"), {}, -2015),
        (("short", "x"), {}, -2014),
        ((READ[0], "another secret"), {}, -1022),
        (READ, {"timestamp": 1}, -1021),
        (READ, {"recvWindow": "60001"}, -1102),
        (READ, {"extra": "1"}, -1104),
    ],
)
async def test_s4_a_login_needs_the_read_key(
    private: Private, key: tuple[str, str], changes: dict[str, object], code: int
) -> None:
    """S4: only a key with the permission to read opens the private stream, signed and in time."""
    reply = await private.ask(SUBSCRIBE, signed(key, **changes))
    assert reply["error"]["code"] == code
    assert (await private.ask("session.status"))["result"]["userDataStream"] is False


async def test_a_login_is_in_the_ledger(listening: Private, client: Client) -> None:
    """What reached the venue is told, whatever the way it came."""
    await listening.ask("time")
    entries = (await client.judge("GET", "/ledger"))["entries"]
    assert [(one["method"], one["path"], one["key_id"], one["status"]) for one in entries] == [
        ("WS", SUBSCRIBE, "read", 200),
        ("WS", "time", None, 200),
    ]


async def test_a_subscription_is_had_once_and_can_end(listening: Private, client: Client) -> None:
    """-2035 for the second, eventStreamTerminated for the end, -2036 for what is over."""
    assert (await listening.ask(SUBSCRIBE, signed(READ)))["error"]["code"] == -2035
    assert (await listening.ask("session.subscriptions"))["result"] == [{"subscriptionId": 0}]
    assert (await listening.ask("userDataStream.unsubscribe"))["result"] == {}
    assert (await listening.event())["e"] == "eventStreamTerminated"
    assert (await listening.ask("userDataStream.unsubscribe"))["error"]["code"] == -2036
    await client.place()
    assert (await listening.ask("ping"))["result"] == {}
    assert (await listening.ask(SUBSCRIBE, signed(READ)))["result"] == {"subscriptionId": 1}


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("{", 400, -1135),
        ("[]", 400, -1135),
        ('{"id":1,"method":1}', 400, -1135),
        ('{"id":1,"method":"order.place"}', 400, -1020),
        (
            '{"id":1,"method":"userDataStream.unsubscribe","params":{"subscriptionId":"x"}}',
            400,
            -1100,
        ),
    ],
)
async def test_a_request_that_is_none_is_answered(
    private: Private, text: str, status: int, code: int
) -> None:
    """H5: nothing a client says ends the connection or stays without an answer."""
    await private.socket.send_str(text)
    reply = orjson.loads(await private.socket.receive_str(timeout=WAIT_S))
    assert (reply["status"], reply["error"]["code"]) == (status, code)


@pytest.mark.parametrize("word", ["start", "ping", "stop"])
async def test_trap_25_listen_keys_are_gone_here_too(private: Private, word: str) -> None:
    """Trap 25: the WebSocket API's own listen key methods went with those of REST."""
    assert (await private.ask(f"userDataStream.{word}"))["status"] == 410


async def told_after(listening: Private, client: Client, kind: str) -> list[str]:
    """Arm a fault of private messages, place and cancel, and give what is told of it."""
    await client.judge("POST", "/faults", {"kind": kind, "route": "private"})
    await client.place(newClientOrderId="a-1")
    await client.cancel("a-1")
    await client.judge("POST", "/funds", {"account": "main", "asset": "EUR", "amount": "1"})
    told: list[str] = []
    while "balanceUpdate" not in told:
        told += kinds([await listening.event()])
    return told


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("duplicate_message", ["NEW NEW", "NEW NEW", "position", "CANCELED CANCELED", "position"]),
        ("reorder_messages", ["position", "NEW NEW", "CANCELED CANCELED", "position"]),
        ("drop_message", ["position", "CANCELED CANCELED", "position"]),
    ],
)
async def test_private_messages_can_be_spoiled_alone(
    listening: Private, client: Client, kind: str, wanted: list[str]
) -> None:
    """A judge doubles, delays or loses one private message, and nothing else."""
    told = await told_after(listening, client, kind)
    assert [one.replace("outboundAccountPosition", "position") for one in told[:-1]] == wanted


async def test_the_private_stream_can_fall_silent_alone(
    session: aiohttp.ClientSession, listening: Private, client: Client, venue: Running
) -> None:
    """C5: a muted private stream stays open and answers nothing; a market socket goes on."""
    async with session.ws_connect(f"{venue.stream_url}/ws/btcusdt@trade") as market:
        await market.send_str('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        await market.receive_str(timeout=WAIT_S)
        await client.judge("POST", "/faults", {"kind": "mute_socket", "route": "private"})
        await client.place(price="61900", quantity="0.001")
        assert orjson.loads(await market.receive_str(timeout=WAIT_S))["e"] == "trade"
    await listening.socket.send_json({"id": 1, "method": "ping"})
    assert (await client.judge("DELETE", "/faults")) == {"disarmed": 0}
    await client.place(newClientOrderId="a-2")
    assert (await listening.event())["c"] == "a-2"


async def test_the_private_stream_can_be_cut_alone(listening: Private, client: Client) -> None:
    """A private stream that is cut ends without a goodbye."""
    await client.judge("POST", "/faults", {"kind": "disconnect", "route": "private"})
    message = await listening.socket.receive(timeout=WAIT_S)
    assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"kind": "maintenance"}, 503, -1016),
        ({"kind": "invalid_nonce"}, 400, -1021),
        ({"kind": "storm_429", "ms": 60_000}, 429, -1003),
        ({"kind": "error_5xx_before"}, 504, -1007),
    ],
)
async def test_a_login_can_be_refused_on_demand(
    private: Private, client: Client, fault: dict[str, object], status: int, code: int
) -> None:
    """A judge keeps the private stream from opening, and a limit says for how long."""
    await client.judge("POST", "/faults", {**fault, "route": f"WS {SUBSCRIBE}"})
    reply = await private.ask(SUBSCRIBE, signed(READ))
    assert (reply["status"], reply["error"]["code"]) == (status, code)
    if status == 429:
        data = reply["error"]["data"]
        assert 0 < data["retryAfter"] - data["serverTime"] <= 60_000


async def test_maintenance_keeps_connections_out(
    session: aiohttp.ClientSession, client: Client, venue: Running
) -> None:
    """503 is answered to who connects, as to every other request."""
    await client.judge("POST", "/faults", {"kind": "maintenance", "count": 2})
    with pytest.raises(aiohttp.WSServerHandshakeError) as error:
        await session.ws_connect(f"{venue.stream_url}/ws-api/v3")
    assert error.value.status == 503
    assert (await client.with_key(FULL).query("a-1")).status == 503


async def test_h5_whatever_is_said_is_answered(private: Private) -> None:
    """H5: no JSON of any shape ends the connection, or is answered by anything undocumented."""
    chance = random.Random(7)
    values: list[object] = [None, True, -1, 2**70 / 3, "x", "", [], {}, [1], {"a": 1}, "1" * 40]
    methods = [SUBSCRIBE, "userDataStream.unsubscribe", "session.status", "v3/time", "", None, 5]
    names = ["apiKey", "timestamp", "signature", "recvWindow", "subscriptionId", "x"]
    for number in range(300):
        params: object = {name: chance.choice(values) for name in chance.sample(names, k=3)}
        request = {
            "id": number,
            "method": chance.choice(methods),
            "params": chance.choice([params, params, params, *values]),
        }
        await private.socket.send_json(request)
        reply = orjson.loads(await private.socket.receive_str(timeout=WAIT_S))
        assert reply["status"] in {200, 400, 401}
        assert ("result" in reply) is (reply["status"] == 200)


async def test_a_venue_that_goes_says_so(session: aiohttp.ClientSession, keys_file: Path) -> None:
    """ServerShutdown on every connection, then the close."""
    async with AsyncExitStack() as clients, AsyncExitStack() as venues:
        options = Options(keys_file=keys_file, market_steps_per_s=0)
        venue = await venues.enter_async_context(running(options))
        private = await clients.enter_async_context(connected(session, venue))
        await private.ask("ping")
        heard = asyncio.ensure_future(private.event())
        closing = asyncio.ensure_future(venues.aclose())
        assert (await heard)["e"] == "serverShutdown"
        await closing
