"""Market records, and the feed writer that carries them, for tests."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import orjson

from spark.bus.port import Bus, Outgoing, Partition
from spark.clock import SystemClock
from spark.consumers.feed_writer import FeedWriter
from spark.metrics import Metrics
from spark.topics import (
    BINANCE_BOOKS,
    BINANCE_MARKS,
    BINANCE_QUOTES,
    BINANCE_TRADES,
    BTCTURK_BOOKS,
    BTCTURK_MARKS,
    BTCTURK_QUOTES,
    BTCTURK_TRADES,
    BY_NAME,
)
from tests.database import connected
from tests.servers import RunningPostgres

NOW_NS: Final = 1_763_700_000_000_000_000
QUOTES: Final = Partition(BINANCE_QUOTES, 0)
TRADES: Final = Partition(BINANCE_TRADES, 0)
BOOKS: Final = Partition(BINANCE_BOOKS, 0)
TURK_QUOTES: Final = Partition(BTCTURK_QUOTES, 0)
TURK_TRADES: Final = Partition(BTCTURK_TRADES, 0)
TURK_BOOKS: Final = Partition(BTCTURK_BOOKS, 0)
#: Topics that a feed writer touches, with their partition counts.
FEED_TOPICS: Final = {
    name: BY_NAME[name].partitions
    for name in (
        BINANCE_QUOTES,
        BINANCE_TRADES,
        BINANCE_BOOKS,
        BINANCE_MARKS,
        BTCTURK_QUOTES,
        BTCTURK_TRADES,
        BTCTURK_BOOKS,
        BTCTURK_MARKS,
        "control.pulse",
        "dlq.binance_feed",
        "dlq.btcturk_feed",
    )
}


def market_record(partition: Partition, ids: Sequence[int]) -> Outgoing:
    """Make a record of one row for each id."""
    rows: dict[str, list[tuple[object, ...]]] = {
        "quotes": [(NOW_NS, n, "1.50", "2", "1.60", "3") for n in ids],
        "trades": [(NOW_NS, NOW_NS, n, "1.50", "2", n % 2) for n in ids],
        "books": [(NOW_NS, NOW_NS, n, n, [("1.50", "2"), ("1.4", "0")], []) for n in ids],
    }
    _, venue, kind = partition.topic.split(".")
    body = {
        "rows": rows[kind],
        "symbol": "BTCUSDT",
        "type": BY_NAME[partition.topic].events[0],
        "v": 1,
        "venue": venue,
    }
    return Outgoing(partition, b"BTCUSDT", orjson.dumps(body))


@dataclass(slots=True)
class RunningWriter:
    """A feed writer at work in this loop."""

    writer: FeedWriter
    task: asyncio.Task[None]
    stop: asyncio.Event

    async def reached(self, positions: dict[Partition, int]) -> None:
        """Wait until it has committed so far; fails when it ends before."""
        while not positions.items() <= self.writer._positions.items():
            if self.task.done():
                self.task.result()
                raise AssertionError(f"ended at {self.writer._positions}")
            await asyncio.sleep(0.002)


@asynccontextmanager
async def writing(
    bus: Bus, postgres: RunningPostgres, metrics: Metrics | None = None
) -> AsyncIterator[RunningWriter]:
    """Run a feed writer while the body runs; its own error comes out of the body."""
    async with connected(postgres.url("feed_writer")) as database:
        writer = FeedWriter(
            bus=bus,
            database=database,
            clock=SystemClock(),
            metrics=metrics or Metrics("feed_writer"),
            instance="test",
            ready=asyncio.Event(),
        )
        async with _running(writer) as running:
            yield running


@asynccontextmanager
async def _running(writer: FeedWriter) -> AsyncIterator[RunningWriter]:
    stop = asyncio.Event()
    task = asyncio.create_task(_unwrapped(writer, stop))
    readied = asyncio.create_task(writer.ready.wait())
    await asyncio.wait({task, readied}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if task.done():
            task.result()
        yield RunningWriter(writer, task, stop)
    finally:
        readied.cancel()
        stop.set()
        await task


async def _unwrapped(writer: FeedWriter, stop: asyncio.Event) -> None:
    try:
        await writer.run(stop)
    except BaseExceptionGroup as group:
        # Not `except*`: early 3.11 wraps what is raised inside it once more.
        raise group.exceptions[0] from None
