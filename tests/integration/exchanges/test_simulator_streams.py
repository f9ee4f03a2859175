"""
Market sockets: the seeded market, control frames, recorded frames, faults.
"""

import asyncio
import gzip
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import pytest

from spark.errors import SettingError
from spark.exchanges.simulator.server import Options, Running, running
from tests.recordings import recorded
from tests.simulated_venue import Client

RECORDING: Final = "binance-spot-btcusdt-20240808.frames.gz"
STREAMS: Final = "btcusdt@bookTicker/btcusdt@trade/btcusdt@depth@100ms"
#: Generous, so that a slow machine does not fail what is not about speed.
WAIT_S: Final = 30


async def texts(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[str]:
    async for message in socket:
        assert message.type is aiohttp.WSMsgType.TEXT
        yield message.data


async def ask(socket: aiohttp.ClientWebSocketResponse, **message: object) -> Any:  # noqa: ANN401
    await socket.send_str(orjson.dumps(message).decode())
    async for text in texts(socket):
        reply = orjson.loads(text)
        if "stream" not in reply and "e" not in reply and "u" not in reply:
            return reply
    raise AssertionError("the socket closed")


async def snapshot(client: Client) -> dict[str, Any]:
    reply = await client.public("/api/v3/depth", symbol="BTCUSDT", limit=5000)
    assert isinstance(reply.json, dict)
    return reply.json


class LocalBook:
    """The documented local-book rule, and nothing else."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.last_id = snapshot["lastUpdateId"]
        self.sides = {
            side: {Decimal(price): Decimal(quantity) for price, quantity in snapshot[side]}
            for side in ("bids", "asks")
        }

    def apply(self, event: dict[str, Any]) -> None:
        if event["u"] <= self.last_id:
            return
        assert event["U"] <= self.last_id + 1, "a gap"
        for side, key in (("bids", "b"), ("asks", "a")):
            for price, quantity in event[key]:
                if Decimal(quantity):
                    self.sides[side][Decimal(price)] = Decimal(quantity)
                else:
                    self.sides[side].pop(Decimal(price), None)
        self.last_id = event["u"]


async def test_c2_a_local_book_follows_the_seeded_market(
    session: aiohttp.ClientSession, keys_file: Path
) -> None:
    """Update ids chain without a gap: two books seeded at different moments become one."""
    options = Options(keys_file=keys_file, market_steps_per_s=200)
    async with running(options) as venue:
        client = Client(session, venue)
        async with session.ws_connect(f"{venue.stream_url}/ws/btcusdt@depth@100ms") as socket:
            stream = texts(socket)
            await anext(stream)
            async with asyncio.timeout(WAIT_S):
                early = LocalBook(await snapshot(client))
                for _ in range(10):
                    early.apply(orjson.loads(await anext(stream)))
                late = LocalBook(await snapshot(client))
                while early.last_id != late.last_id:
                    event = orjson.loads(await anext(stream))
                    early.apply(event)
                    late.apply(event)
            assert early.sides == late.sides


async def test_the_book_ticker_agrees_with_the_book(
    session: aiohttp.ClientSession, client: Client, venue: Running
) -> None:
    """An order that betters the best bid is the best bid, at once and with its quantity."""
    async with session.ws_connect(f"{venue.stream_url}/stream?streams={STREAMS}") as socket:
        stream = texts(socket)
        depth = (await client.public("/api/v3/depth", symbol="BTCUSDT", limit=5)).json
        await client.place(newClientOrderId="a-1", price=depth["bids"][0][0], quantity="0.01")
        frame = orjson.loads(await anext(stream))
        assert frame["stream"] == "btcusdt@bookTicker"
        best = Decimal(depth["bids"][0][1]) + Decimal("0.01")
        assert frame["data"]["b"] == depth["bids"][0][0]
        assert Decimal(frame["data"]["B"]) == best
        update = orjson.loads(await anext(stream))
        assert update["stream"] == "btcusdt@depth@100ms"
        assert update["data"]["b"] == [[depth["bids"][0][0], f"{best:.8f}"]]
        assert (update["data"]["U"], update["data"]["u"]) == (
            depth["lastUpdateId"] + 1,
            frame["data"]["u"],
        )


async def test_a_trade_is_published_with_its_maker(
    session: aiohttp.ClientSession, client: Client, venue: Running
) -> None:
    """`m` is true when the buyer was the maker, so false for a buyer that takes."""
    async with session.ws_connect(f"{venue.stream_url}/ws/btcusdt@trade") as socket:
        stream = texts(socket)
        reply = (await client.place(price="61900", quantity="0.001")).json
        frame = orjson.loads(await anext(stream))
        assert (frame["e"], frame["m"]) == ("trade", False)
        assert (frame["t"], frame["p"], frame["q"]) == (
            reply["fills"][0]["tradeId"],
            reply["fills"][0]["price"],
            "0.00100000",
        )


async def test_the_same_seed_makes_the_same_market(
    session: aiohttp.ClientSession, keys_file: Path
) -> None:
    """A run can be repeated from its seed."""
    books: list[object] = []
    for seed in (7, 7, 8):
        options = Options(keys_file=keys_file, seed=seed, market_steps_per_s=0)
        async with running(options) as venue:
            client = Client(session, venue)
            book = await snapshot(client)
            books.append((book["bids"], book["asks"]))
    assert books[0] == books[1]
    assert books[0] != books[2]


async def test_subscriptions_change_on_an_open_socket(
    session: aiohttp.ClientSession, client: Client, venue: Running
) -> None:
    """SUBSCRIBE, LIST_SUBSCRIPTIONS, UNSUBSCRIBE and the combined property."""
    async with session.ws_connect(f"{venue.stream_url}/ws") as socket:
        assert await ask(socket, method="SUBSCRIBE", params=["btcusdt@trade"], id=1) == {
            "result": None,
            "id": 1,
        }
        assert await ask(socket, method="LIST_SUBSCRIPTIONS", id=2) == {
            "result": ["btcusdt@trade"],
            "id": 2,
        }
        assert (await ask(socket, method="GET_PROPERTY", params=["combined"], id=3))[
            "result"
        ] is False
        await ask(socket, method="SET_PROPERTY", params=["combined", True], id="four")
        await client.place(price="61900", quantity="0.001")
        frame = orjson.loads(await anext(texts(socket)))
        assert frame["stream"] == "btcusdt@trade"
        await ask(socket, method="UNSUBSCRIBE", params=["btcusdt@trade"], id=None)
        await client.place(price="61900", quantity="0.001")
        assert await ask(socket, method="LIST_SUBSCRIPTIONS", id=5) == {"result": [], "id": 5}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", 3),
        ("[]", 2),
        ('{"method":"WISH","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":"btcusdt@trade","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":[1],"id":1}', 2),
        ('{"method":"SUBSCRIBE","params":[],"id":1.5}', 2),
        ('{"method":"SET_PROPERTY","params":["combined"],"id":1}', 2),
    ],
)
async def test_a_bad_control_frame_gets_an_error(
    session: aiohttp.ClientSession, venue: Running, text: str, code: int
) -> None:
    """H5: it is answered, and the socket stays."""
    async with session.ws_connect(f"{venue.stream_url}/ws") as socket:
        await socket.send_str(text)
        reply = orjson.loads(await anext(texts(socket)))
        assert reply["error"]["code"] == code
        assert (await ask(socket, method="LIST_SUBSCRIPTIONS", id=1))["result"] == []


async def test_a_plain_get_is_no_socket(session: aiohttp.ClientSession, venue: Running) -> None:
    """Without an upgrade the stream paths answer 400."""
    async with session.get(f"{venue.url}/ws") as response:
        assert response.status == 400


async def test_disconnect_cuts_a_socket_without_a_close_frame(
    session: aiohttp.ClientSession, client: Client, venue: Running
) -> None:
    """C5: a cut socket is not a closed one."""
    async with session.ws_connect(f"{venue.stream_url}/ws/btcusdt@trade") as socket:
        await ask(socket, method="LIST_SUBSCRIPTIONS", id=1)
        await client.judge("POST", "/faults", {"kind": "disconnect"})
        message = await socket.receive(timeout=WAIT_S)
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert socket.close_code == 1006


async def test_a_mute_socket_stays_open_and_says_nothing(
    session: aiohttp.ClientSession, client: Client, venue: Running
) -> None:
    """C5: one socket falls silent, the other goes on; nothing is closed."""
    url = f"{venue.stream_url}/ws/btcusdt@trade"
    async with session.ws_connect(url) as mute, session.ws_connect(url) as heard:
        await ask(mute, method="LIST_SUBSCRIPTIONS", id=1)
        await ask(heard, method="LIST_SUBSCRIPTIONS", id=1)
        await client.judge("POST", "/faults", {"kind": "mute_socket"})
        await client.place(price="61900", quantity="0.001")
        assert orjson.loads(await anext(texts(heard)))["e"] == "trade"
        # The reply to a control frame comes after whatever was sent before it.
        await mute.send_str('{"method":"LIST_SUBSCRIPTIONS","id":2}')
        assert orjson.loads(await anext(texts(mute)))["id"] == 2
        assert not mute.closed


def write_recording(path: Path, *lines: str) -> Path:
    with gzip.open(path, "wt") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


def made_up(count: int) -> list[str]:
    """Make frames of each kind in turn, a tenth of a millisecond apart."""
    kinds = ("bookTicker", "trade", "depth@100ms")
    frame = '{{"stream":"btcusdt@{}","data":{{ "n" : {}, "odd":"  " }}}}'
    return [f"{1_000 + n * 100_000} {frame.format(kinds[n % 3], n)}" for n in range(count)]


SNAPSHOT: Final = (
    '1000 {"lastUpdateId":5,"bids":[["61837.63","3.78826"]],"asks":[["61837.64","1"]]}'
)


@pytest.mark.parametrize("speed", [1.0, 10.0, None], ids=["own pace", "ten times", "max"])
async def test_a_recording_is_played_once_byte_for_byte(
    session: aiohttp.ClientSession, keys_file: Path, tmp_path: Path, *, speed: float | None
) -> None:
    """Nothing starts before somebody listens, nothing is missed, and the end leaves all open."""
    lines = made_up(1_000)
    path = write_recording(tmp_path / "r.gz", lines[0], SNAPSHOT, *lines[1:])
    options = Options(keys_file=keys_file, replay=(path,), speed=speed)
    async with running(options) as venue:
        client = Client(session, venue)
        assert (await client.judge("GET", "/replay/status"))["done"] is False
        url = f"{venue.stream_url}/stream?streams={STREAMS}"
        async with session.ws_connect(url) as socket:
            got = [await anext(texts(socket)) for _ in lines]
            assert got == [line.partition(" ")[2] for line in lines]
            status = await client.judge("GET", "/replay/status")
            assert status["done"] is True
            assert status["sent"] == {"bookTicker": 334, "depth": 333, "trade": 333}
            assert (await ask(socket, method="LIST_SUBSCRIPTIONS", id=1))["id"] == 1
        async with session.ws_connect(url) as late:
            assert (await ask(late, method="LIST_SUBSCRIPTIONS", id=1))["id"] == 1
        depth = await client.public("/api/v3/depth", symbol="BTCUSDT")
        assert depth.content == SNAPSHOT.partition(" ")[2].encode()
        filled = (await client.place(price="61900", quantity="0.1")).json
        assert filled["fills"][0]["price"] == "61837.64000000"


async def test_each_socket_gets_the_frames_of_its_own_streams(
    session: aiohttp.ClientSession, keys_file: Path, tmp_path: Path
) -> None:
    """Streams on several sockets are played together, and none twice."""
    lines = made_up(300)
    path = write_recording(tmp_path / "r.gz", *lines)
    options = Options(keys_file=keys_file, replay=(path,), speed=None)
    async with running(options) as venue:
        base = f"{venue.stream_url}/stream?streams="
        async with (
            session.ws_connect(f"{base}btcusdt@trade") as trades,
            session.ws_connect(f"{base}btcusdt@bookTicker/btcusdt@depth@100ms") as others,
        ):
            async with asyncio.timeout(WAIT_S):
                got = [await anext(texts(trades)) for _ in range(100)]
                rest = [await anext(texts(others)) for _ in range(200)]
        frames = [line.partition(" ")[2] for line in lines]
        assert got == [frame for frame in frames if "@trade" in frame]
        assert rest == [frame for frame in frames if "@trade" not in frame]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([], "0 symbols"),
        (["x {}"], "line 1 does not start with a time"),
        (["1 {}"], "line 1 is neither"),
        ([*made_up(1), "2"], "line 2 is neither"),
        ([*made_up(1), '1 {"stream":"ethusdt@trade","data":{}}'], "2 symbols"),
        (['1 {"stream":"dogeusdt@trade","data":{}}'], "DOGEUSDT is not among"),
        ([*made_up(1), '1 {"lastUpdateId":5}'], "not a depth snapshot"),
    ],
)
async def test_a_bad_recording_is_refused_at_start(
    keys_file: Path, tmp_path: Path, lines: list[str], text: str
) -> None:
    """H5: one line says which file, and what is wrong with it."""
    path = write_recording(tmp_path / "r.gz", *lines)
    with pytest.raises(SettingError, match=text):
        async with running(Options(keys_file=keys_file, replay=(path,))):
            pass


@pytest.mark.parametrize("content", [b"", b"no gzip", gzip.compress(b"1 {")[:-9]])
async def test_a_recording_that_is_no_gzip_is_refused(
    keys_file: Path, tmp_path: Path, content: bytes
) -> None:
    """The same for a file that cannot be read at all."""
    path = tmp_path / "r.gz"
    path.write_bytes(content)
    with pytest.raises(SettingError, match=r"r\.gz"):
        async with running(Options(keys_file=keys_file, replay=(path,))):
            pass


async def test_a_real_recording_arrives_whole_and_unchanged(
    session: aiohttp.ClientSession, keys_file: Path
) -> None:
    """Every recorded frame arrives, in order, as it was recorded."""
    path = recorded(RECORDING)
    with gzip.open(path, "rt") as file:
        lines = [line.rstrip("\n").partition(" ")[2] for line in file]
    frames = [line for line in lines if line.startswith('{"stream"')]
    (snapshot,) = [line for line in lines if line.startswith('{"lastUpdateId"')]
    options = Options(keys_file=keys_file, replay=(path,), speed=None)
    async with running(options) as venue:
        client = Client(session, venue)
        async with session.ws_connect(f"{venue.stream_url}/stream?streams={STREAMS}") as socket:
            for number, frame in enumerate(frames):
                assert await anext(texts(socket)) == frame, number
        status = await client.judge("GET", "/replay/status")
        assert status["sent"] == {"bookTicker": 28_040, "depth": 3_451, "trade": 9_757}
        counted = Counter(frame.split("@")[1].split('"')[0] for frame in frames)
        assert counted == Counter(status["sent"])
        depth = await client.public("/api/v3/depth", symbol="BTCUSDT", limit=5000)
        assert depth.content == snapshot.encode()
