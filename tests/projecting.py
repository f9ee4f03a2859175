"""The projector at work on a real database, and what its tables hold, for tests."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from spark import topics
from spark.bus.memory import MemoryBroker
from spark.bus.port import Bus, Outgoing, Partition, Record
from spark.clock import SystemClock
from spark.consumers.projector import Projector
from spark.consumers.projector_batch import BATCH_RECORDS_MAX, SOURCES, Mark
from spark.consumers.projector_rows import Line, dump
from spark.metrics import Metrics
from tests.database import ask, connected
from tests.projection import NUMBER, Past
from tests.servers import RunningPostgres

#: Topics that a projector touches, with their partition counts.
TOPICS: Final = {name: topics.BY_NAME[name].partitions for name in (*SOURCES, topics.CONTROL_PULSE)}
#: Tables whose rows follow from the log alone, with their keys.
TABLES: Final[Mapping[str, str]] = {
    "intents": "partition, record_offset",
    "orders": "account, client_order_id",
    "order_parts": "account, client_order_id",
    "trades": "account, client_order_id, cumulative",
    "positions": "account, mode, symbol, exchange",
    "projector_rejects": "topic, partition, record_offset",
    "projector_offsets": "topic, partition",
}


@dataclass(slots=True)
class RunningProjector:
    """A projector at work in this loop."""

    projector: Projector
    task: asyncio.Task[None]

    async def begun(self) -> None:
        """Wait until something is in the tables."""
        while not any(mark.next_offset for mark in self._marks()):  # noqa: ASYNC110  (nothing tells)
            await asyncio.sleep(0)

    async def reached(self, past: Past) -> None:
        """Wait until everything of a past is in the tables; fails when it ends before."""
        ends = {Partition(topic, NUMBER): len(log) for topic, log in past.logs.items()}
        while any(self._at(partition) < end for partition, end in ends.items()):
            if self.task.done():
                self.task.result()
                raise AssertionError(f"ended at {self.projector._marks}")
            await asyncio.sleep(0.002)

    def _marks(self) -> Iterable[Mark]:
        return self.projector._marks.values()

    def _at(self, partition: Partition) -> int:
        mark = self.projector._marks.get(partition)
        return mark.next_offset if mark else 0


@asynccontextmanager
async def projecting(
    bus: Bus,
    postgres: RunningPostgres,
    metrics: Metrics | None = None,
    *,
    batch_records_max: int = BATCH_RECORDS_MAX,
) -> AsyncIterator[RunningProjector]:
    """Run a projector while the body runs; its own error comes out of the body."""
    async with connected(postgres.url("projector")) as database:
        projector = Projector(
            bus=bus,
            database=database,
            clock=SystemClock(),
            metrics=metrics or Metrics("projector"),
            instance="test",
            partitions=tuple(range(topics.ACCOUNT_PARTITIONS)),
            ready=asyncio.Event(),
            batch_records_max=batch_records_max,
        )
        stop = asyncio.Event()
        task = asyncio.create_task(_unwrapped(projector, stop))
        readied = asyncio.create_task(projector.ready.wait())
        await asyncio.wait({task, readied}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if task.done():
                task.result()
            yield RunningProjector(projector, task)
        finally:
            readied.cancel()
            stop.set()
            await task


async def _unwrapped(projector: Projector, stop: asyncio.Event) -> None:
    try:
        await projector.run(stop)
    except BaseExceptionGroup as group:
        # Not `except*`: early 3.11 wraps what is raised inside it once more.
        raise group.exceptions[0] from None


def lay(broker: MemoryBroker, records: Iterable[Record]) -> None:
    """Put records on the log as they are, append times included."""
    for record in records:
        log = broker.log(record.partition)
        assert record.offset == len(log), "out of order"
        log.append(record)


async def wake(broker: MemoryBroker) -> None:
    """Let readers look again, by a record that they do not read."""
    await broker.append([Outgoing(Partition(topics.CONTROL_PULSE, 0), None, b"")])


async def dumped(postgres: RunningPostgres) -> dict[str, list[dict[str, Any]]]:
    """Read every table whole, in the order of its key, each number as it is spelled."""
    found = {}
    for table, key in TABLES.items():
        sql = f"SELECT row_to_json(t)::text FROM {table} AS t ORDER BY {key}"
        rows = await ask(postgres.superuser_url, sql)
        found[table] = [json.loads(row[0], parse_float=str, parse_int=str) for row in rows]
    return found


def texts(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """Spell lines of the projection in memory as `dumped` spells rows."""
    loaded: list[dict[str, Any]] = json.loads(dump(lines), parse_float=str, parse_int=str)
    return loaded


def in_order(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Write rows so that two sets of them can be compared."""
    return sorted(json.dumps(row, sort_keys=True) for row in rows)
