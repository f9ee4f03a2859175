"""A Binance feed at work in this loop, and what it writes, for tests."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from aiohttp import web

from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Partition
from spark.clock import SystemClock
from spark.codec import decode
from spark.events import BooksChanged, FeedGapped
from spark.exchanges.binance.client import BinancePublic
from spark.exchanges.binance.stream import BinanceStreams
from spark.metrics import Metrics
from spark.names import Symbol
from spark.producers import market_feed
from spark.producers.binance_feed import BinanceFeed
from tests.market import BOOKS

SYMBOLS = (Symbol("BTCUSDT"), Symbol("ETHUSDT"))
#: Generous, so that a slow machine does not fail what is not about speed.
WAIT_S = 60


@asynccontextmanager
async def feeding(
    bus: MemoryBus,
    stream_url: str,
    rest_url: str,
    *,
    metrics: Metrics | None = None,
    mute_s_max: float = market_feed.MUTE_S_MAX,
    stream_s_max: float = market_feed.STREAM_S_MAX,
    book_s_max: float = market_feed.BOOK_S_MAX,
) -> AsyncIterator[BinanceFeed]:
    stop = asyncio.Event()
    feed = BinanceFeed(
        bus=bus,
        clock=SystemClock(),
        metrics=metrics or Metrics("binance_feed"),
        streams=BinanceStreams(stream_url),
        depths=BinancePublic(rest_url, SystemClock(), reply_ms_max=1000),
        symbols=SYMBOLS,
        instance="test",
        ready=asyncio.Event(),
        mute_s_max=mute_s_max,
        stream_s_max=stream_s_max,
        book_s_max=book_s_max,
    )
    task = asyncio.create_task(feed.run(stop))
    try:
        yield feed
    finally:
        stop.set()
        await task


async def until(broker: MemoryBroker, is_so: Callable[[], bool]) -> None:
    """Wait for news on the log until they are as wanted."""
    async with asyncio.timeout(WAIT_S), broker._arrived:
        await broker._arrived.wait_for(is_so)


def books(broker: MemoryBroker) -> list[BooksChanged]:
    found = [decode(record.value or b"") for record in broker.log(BOOKS)]
    return [event for event in found if isinstance(event, BooksChanged)]


def full_books(broker: MemoryBroker) -> list[str]:
    return [event.symbol for event in books(broker) for row in event.rows if row[2] == 0]


def write_turk_keys(directory: Path) -> Path:
    """Write a keys file as BTCTurk's simulator wants it."""
    path = directory / "turk_keys.json"
    secret = base64.b64encode(b"secret").decode()
    key = {"api_key": "F" * 36, "secret": secret, "permissions": ["read"], "id": "full"}
    path.write_text(json.dumps([key]))
    path.chmod(0o400)
    return path


def gaps(broker: MemoryBroker, partition: Partition) -> list[FeedGapped]:
    found = [decode(record.value or b"") for record in broker.log(partition)]
    return [event for event in found if isinstance(event, FeedGapped)]


def quote(number: int) -> bytes:
    return (
        b'{"stream":"btcusdt@bookTicker","data":{"u":%d,"s":"BTCUSDT",'
        b'"b":"1.50","B":"2","a":"1.60","A":"3"}}' % number
    )


@asynccontextmanager
async def saying(
    frames: Sequence[bytes | str], *, repeat_s: float | None = None
) -> AsyncIterator[str]:
    """A venue that says what it is told to every client, and then its first frame or nothing."""

    async def stream(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        for frame in frames:
            if isinstance(frame, bytes):
                await socket.send_bytes(frame)
            else:
                await socket.send_str(frame)
        while repeat_s is not None and not socket.closed:
            await socket.send_str(_as_text(frames[0]))
            with suppress(TimeoutError):
                await socket.receive(repeat_s)
        async for _ in socket:
            pass
        return socket

    app = web.Application()
    app.router.add_get("/stream", stream)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _as_text(frame: bytes | str) -> str:
    return frame if isinstance(frame, str) else frame.decode()
