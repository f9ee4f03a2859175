"""
`spark bench feed`: Feed→DB of the whole pipeline against a raw COPY.

A tape of WebSocket frames is played to a real feed, which writes to a real broker,
from which a real writer carries the rows into a real PostgreSQL. The writer notes
the age of each row at its COMMIT; a jitter probe runs beside it. The raw COPY puts
rows of the same tape into the same tables, without a socket and without Kafka.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from spark.bench.children import Child, child
from spark.bench.feed_child import MODULE, ChildPlan, read_samples
from spark.bench.feed_result import FeedBench, Run, result
from spark.bench.probe import Probe
from spark.bench.tape import SYMBOLS, Player, Tape, make_tape, playing
from spark.bus.kafka import KafkaBus, KafkaLogin
from spark.bus.port import Partition, Record
from spark.consumers.feed_batch import BATCH_ROWS_MAX
from spark.consumers.feed_rows import READERS
from spark.db.pool import Database
from spark.errors import SparkError
from spark.metrics import Metrics
from spark.names import Role
from spark.producers.binance_rows import Gathering
from spark.settings import DatabaseSettings

_RAW_S: Final = 3.0
_DRAIN_S_MAX: Final = 120.0
_POLL_S: Final = 0.05

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStack:
    """A running stack's coordinates; no feed and no feed writer may run on it."""

    bootstrap: str
    #: By role: `binance_feed`, `feed_writer`.
    kafka_passwords: Mapping[str, str]
    #: The feed writer's.
    database_url: str
    #: Servers to account for: `kafka`, `postgres`.
    pids: Mapping[str, int]


async def bench_feed(stack: FeedStack, bench: FeedBench, say: Report) -> dict[str, object]:
    """
    Run the benchmark on a running stack.

    Args:
        say: takes lines of progress.

    Returns: the object that `--json` prints; figures are medians over the runs.

    Raises:
        SparkError: a part of the pipeline ended, or did not keep up.

    """
    tape = make_tape()
    with tempfile.TemporaryDirectory(prefix="spark-bench-") as directory:
        place = Path(directory)
        async with AsyncExitStack() as exits:
            player = await exits.enter_async_context(playing(tape))
            feed, writer = await _start(exits, stack, player, place=place)
            drain = _Drain(stack)
            exits.push_async_callback(drain.close)
            await drain.open()
            say(f"warming up for {bench.warm_seconds:g} s")
            await player.play(seconds=bench.warm_seconds, rate=bench.rate)
            await drain.wait(feed, writer)
            runs = []
            for number in range(bench.runs):
                raw = await _raw_copy(stack, tape)
                parts = _Parts(player, drain, feed, writer)
                run = await _play(stack, bench, parts, raw=raw)
                runs.append(run)
                say(f"run {number + 1}: {run.frames} frames, drained {run.drained_s:.2f} s later")
            await feed.stop()
            await writer.stop()
        return result(bench, runs, read_samples(place / "samples"))


async def _start(
    exits: AsyncExitStack, stack: FeedStack, player: Player, *, place: Path
) -> tuple[Child, Child]:
    plans = [
        ChildPlan(
            role=role,
            bootstrap=stack.bootstrap,
            kafka_password=stack.kafka_passwords[role],
            venue_url=player.url,
            symbols=SYMBOLS,
            database_url=stack.database_url if role == Role.FEED_WRITER else "",
            samples=str(place / "samples"),
        )
        for role in (Role.BINANCE_FEED, Role.FEED_WRITER)
    ]
    feed, writer = [
        await exits.enter_async_context(child(MODULE, asdict(plan), place / f"{plan.role}.log"))
        for plan in plans
    ]
    connected = asyncio.create_task(player.connected())
    while not connected.done():
        feed.check()
        writer.check()
        await asyncio.wait({connected}, timeout=_POLL_S)
    return feed, writer


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a run is played on."""

    player: Player
    drain: "_Drain"
    feed: Child
    writer: Child


async def _play(stack: FeedStack, bench: FeedBench, parts: _Parts, *, raw: float) -> Run:
    pids = {**stack.pids, Role.BINANCE_FEED.value: parts.feed.pid}
    pids[Role.FEED_WRITER.value] = parts.writer.pid
    async with Probe(pids) as probe:
        started_ns, cpu_s = time.time_ns(), time.process_time()
        frames = await parts.player.play(seconds=bench.seconds, rate=bench.rate)
        sent_until_ns, load_cpu_s = time.time_ns(), time.process_time() - cpu_s
        drained_s = await parts.drain.wait(parts.feed, parts.writer)
    return Run(
        started_ns=started_ns,
        sent_until_ns=sent_until_ns,
        frames=frames,
        drained_s=drained_s,
        load_cpu_us=load_cpu_s * 1e6,
        raw_rows_per_s=raw,
        usage=probe.usage(),
        stalls=probe.stall_times,
        machine_busy_pct=probe.machine_busy_pct,
    )


class _Drain:
    """Knows when everything that was sent is in the database."""

    def __init__(self, stack: FeedStack) -> None:
        role = Role.FEED_WRITER.value
        login = KafkaLogin(stack.bootstrap, role, stack.kafka_passwords[role])
        self._bus = KafkaBus(login)
        self._database = _database(stack)

    async def open(self) -> None:
        await self._database.open()

    async def close(self) -> None:
        await self._database.close()
        await self._bus.close()

    async def wait(self, *children: Child) -> float:
        """Wait until log and tables stand still together; give how long it took."""
        began = time.monotonic()
        before: dict[Partition, int] = {}
        while True:
            for one in children:
                one.check()
            ends = await self._bus.ends([Partition(topic, 0) for topic in READERS])
            if ends == before and await self._stored() == ends:
                return time.monotonic() - began
            if time.monotonic() - began > _DRAIN_S_MAX:
                raise SparkError(f"not drained within {_DRAIN_S_MAX:g} s: {ends}")
            before = ends
            await asyncio.sleep(_POLL_S)

    async def _stored(self) -> dict[Partition, int]:
        async with self._database.transaction() as transaction:
            rows = await transaction.fetch("feed_positions", {"topics": list(READERS)})
        return {Partition(topic, number): at for topic, number, _, at, _ in rows}


async def _raw_copy(stack: FeedStack, tape: Tape) -> float:
    """COPY rows of the tape as fast as one connection takes them; give rows a second."""
    blocks = list(_blocks(tape))
    database = _database(stack)
    await database.open()
    try:
        rows, began = 0, time.monotonic()
        while time.monotonic() - began < _RAW_S:
            for lines, count in blocks:
                await database.copy(lines, "ping", {})
                rows += count
        return rows / (time.monotonic() - began)
    finally:
        await database.close()


def _blocks(tape: Tape) -> Iterator[tuple[dict[str, bytes], int]]:
    """Cut the tape into transactions of the size that the writer's have at most."""
    now_ns = time.time_ns()
    for start in range(0, len(tape.texts), BATCH_ROWS_MAX):
        gathering = Gathering()
        for frame in tape.texts[start : start + BATCH_ROWS_MAX]:
            gathering.add(frame, now_ns)
        rows = gathering.rows
        lines: dict[str, bytes] = {}
        for out in gathering.take():
            reader = READERS[out.partition.topic]
            record = Record(out.partition, 0, 0, out.key, out.value, ())
            text = reader.read(record, oldest_ns=now_ns, newest_ns=now_ns).text
            lines[reader.kind.copy] = lines.get(reader.kind.copy, b"") + text
        yield lines, rows


def _database(stack: FeedStack) -> Database:
    return Database(
        stack.database_url,
        name=f"bench:{os.getpid()}",
        settings=DatabaseSettings(),
        metrics=Metrics("bench"),
    )
