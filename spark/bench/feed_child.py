"""
One process of the feed path, as benchmarks and drills run it: `python -m spark.bench.feed_child`.

Reads   its plan, one JSON object, from stdin, so that no password is an argument
Writes  what the process writes; the writer's ages of rows to the plan's file, at its end
Owns    nothing
Fails   as the process does, with its exit code
"""

import asyncio
import os
import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from spark.bus.kafka import KafkaBus, KafkaLogin
from spark.clock import SystemClock
from spark.metrics import Metrics
from spark.names import Role, Symbol
from spark.worker import supervise

#: What `children.child` runs.
MODULE: Final = "spark.bench.feed_child"
#: Numbers of one sample: when it was committed, when it was received, how many rows.
SAMPLE: Final = 3
_REPLY_MS_MAX: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildPlan:
    """What a child is told."""

    role: str
    bootstrap: str
    kafka_password: str
    #: The feed's: where frames come from, and full books.
    venue_url: str = ""
    symbols: tuple[str, ...] = ()
    #: The writer's.
    database_url: str = ""
    samples: str = ""


class Samples:
    """Ages of rows as the writer commits them, kept until its end."""

    def __init__(self) -> None:
        self._numbers = array("q")

    def committed(self, at_ns: int, received: Mapping[str, Mapping[int, int]]) -> None:
        """Note one transaction."""
        for ages in received.values():
            for received_ns, rows in ages.items():
                self._numbers.extend((at_ns, received_ns, rows))

    def save(self, path: Path) -> None:
        """Write all of them."""
        path.write_bytes(self._numbers.tobytes())


def read_samples(path: Path) -> list[tuple[int, int, int]]:
    """Read what `Samples.save` wrote: committed, received, rows."""
    numbers = array("q")
    numbers.frombytes(path.read_bytes())
    return list(zip(numbers[0::SAMPLE], numbers[1::SAMPLE], numbers[2::SAMPLE], strict=True))


async def _feed(plan: ChildPlan, bus: KafkaBus, stop: asyncio.Event) -> None:
    # As in `spark run`, a process loads what it uses: its memory is measured.
    from spark.exchanges.binance.client import BinancePublic  # noqa: PLC0415
    from spark.exchanges.binance.stream import BinanceStreams  # noqa: PLC0415
    from spark.producers.binance_feed import BinanceFeed  # noqa: PLC0415

    clock = SystemClock()
    feed = BinanceFeed(
        bus=bus,
        clock=clock,
        metrics=Metrics(plan.role),
        streams=BinanceStreams(plan.venue_url.replace("http", "ws", 1)),
        depths=BinancePublic(plan.venue_url, clock, reply_ms_max=_REPLY_MS_MAX),
        symbols=tuple(Symbol(symbol) for symbol in plan.symbols),
        instance=str(os.getpid()),
        ready=asyncio.Event(),
    )
    await feed.run(stop)


async def _write(plan: ChildPlan, bus: KafkaBus, stop: asyncio.Event) -> None:
    from spark.consumers.feed_writer import FeedWriter  # noqa: PLC0415
    from spark.db.pool import Database  # noqa: PLC0415
    from spark.settings import DatabaseSettings  # noqa: PLC0415

    metrics = Metrics(plan.role)
    database = Database(
        plan.database_url, name=plan.role, settings=DatabaseSettings(), metrics=metrics
    )
    samples = Samples()
    await database.open()
    try:
        writer = FeedWriter(
            bus=bus,
            database=database,
            clock=SystemClock(),
            metrics=metrics,
            instance=str(os.getpid()),
            ready=asyncio.Event(),
            committed=samples.committed,
        )
        await writer.run(stop)
    finally:
        await database.close()
        if plan.samples:
            samples.save(Path(plan.samples))


async def _work(plan: ChildPlan, stop: asyncio.Event) -> None:
    bus = KafkaBus(KafkaLogin(plan.bootstrap, plan.role, plan.kafka_password))
    try:
        await (_feed if plan.role == Role.BINANCE_FEED else _write)(plan, bus, stop)
    finally:
        await bus.close()


def main() -> int:
    """Run the planned process until SIGTERM."""
    plan = ChildPlan(**orjson.loads(sys.stdin.buffer.read()))
    return supervise.run(lambda stop: _work(plan, stop))


if __name__ == "__main__":
    sys.exit(main())
