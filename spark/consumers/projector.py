"""
Projector: keeps the tables of orders, trades and positions equal to the topics.

Reads   orders.intents, orders.decisions, orders.events, account.events
Writes  tables intents, orders, order_parts, trades, positions, projector_rejects;
        control.pulse
Owns    projector_offsets: how far each partition is in the tables, moved in the very
        transaction that holds the rows, by compare-and-swap over all partitions at once
Fails   without loss: it remembers nothing beside the rows, so an aborted transaction is
        forgotten and the log is read on from the offset rows; a gap in the log halts
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from spark.bus.port import Bus, Pace, Partition, Reader
from spark.clock import Clock
from spark.consumers.comeback import Comeback
from spark.consumers.projector_batch import BATCH_RECORDS_MAX, Batch, Cutter, Mark
from spark.consumers.projector_places import take_marks
from spark.consumers.projector_store import advance, project
from spark.consumers.table_watch import watch_tables
from spark.crash_points import Point, reach
from spark.db.migrate import require_current
from spark.db.pool import Database
from spark.errors import DatabaseUnavailable, FencedError
from spark.metrics import Metrics
from spark.names import Role
from spark.topics import CONTROL_PULSE
from spark.worker.crew import Crew
from spark.worker.pulse import Pulse

_READ_WAIT_MS: Final = 200
#: From one wake-up's work to the next, at the least: rows are for people and reports.
_GATHER_S: Final = 0.05
_NS_PER_S: Final = 1e9


@dataclass(slots=True, kw_only=True)
class Projector:
    """One process."""

    bus: Bus
    database: Database
    clock: Clock
    metrics: Metrics
    instance: str
    partitions: Sequence[int]
    #: Set while records are being read and the database takes rows: what /healthz says.
    ready: asyncio.Event
    #: Records of one transaction.
    batch_records_max: int = BATCH_RECORDS_MAX
    #: How far each partition is in the tables.
    _marks: dict[Partition, Mark] = field(default_factory=dict)
    _topic_ids: dict[str, str] = field(default_factory=dict)
    _comeback: Comeback = field(init=False)

    def __post_init__(self) -> None:
        self._comeback = Comeback(
            database=self.database, clock=self.clock, ready=self.ready, positions=self._positions
        )

    async def run(self, stop: asyncio.Event) -> None:
        """
        Project until told to stop; what is in hand then is committed or forgotten whole.

        Raises:
            SettingError: the database lacks migrations.
            FencedError: another projector keeps taking the partitions.
            DatabaseUnavailable: it was away too long.
            HaltError: the log is not what it was; a person has to look.

        """
        await require_current(self.database)
        await self._find_place()
        reader = await self.bus.reader(self._positions(), Pace.SIDE)
        writer = await self.bus.writer([CONTROL_PULSE])
        pulse = Pulse(Role.PROJECTOR, self.instance, writer, clock=self.clock)
        try:
            async with Crew() as group:
                sides = [
                    group.create_task(pulse.beat(list, self._named_positions)),
                    group.create_task(self._watch()),
                ]
                self.ready.set()
                await self._project_until(stop, reader)
                for side in sides:
                    side.cancel()
        finally:
            await reader.close()
            await writer.close()

    async def _project_until(self, stop: asyncio.Event, reader: Reader) -> None:
        while not stop.is_set():
            try:
                await self._take_turn(reader)
            except (FencedError, DatabaseUnavailable) as error:
                await self._comeback.after(error, self._find_place, stop)
                for partition, offset in self._positions().items():
                    reader.seek(partition, offset)

    async def _take_turn(self, reader: Reader) -> None:
        records = await reader.read(_READ_WAIT_MS)
        loop = asyncio.get_running_loop()
        began = loop.time()
        cutter = Cutter(self._marks, records_max=self.batch_records_max)
        for record in records:
            if batch := cutter.add(record):
                await self._commit(batch)
        if batch := cutter.end():
            await self._commit(batch)
            # A transaction of one record costs nearly as much as one of a hundred.
            await asyncio.sleep(began + _GATHER_S - loop.time())

    async def _commit(self, batch: Batch) -> None:
        async with self.database.transaction() as transaction:
            # First, and over all partitions: from here on no other projector's rows change,
            # so what is read now is what the new rows are folded from.
            await advance(transaction, batch)
            reach(Point.OFFSETS_MOVED)
            rows = await project(transaction, batch)
            reach(Point.ROWS_WRITTEN)
        reach(Point.ROWS_COMMITTED)
        self._marks = batch.after
        self._comeback.stood()
        self._count(batch, rows)

    async def _find_place(self) -> None:
        standing = await take_marks(self.bus, self.database, self.partitions)
        self._marks = standing.marks
        self._topic_ids = {partition.topic: one for partition, one in standing.topic_ids.items()}

    def _count(self, batch: Batch, rows: dict[str, int]) -> None:
        now_ns = self.clock.wall_ns()
        for name, count in rows.items():
            self.metrics.rows_written.labels(name).inc(count)
        for item in batch.items:
            age_s = max(0, now_ns - item.appended_ns) / _NS_PER_S
            self.metrics.log_to_db.observe(item.partition.topic, age_s, 1)
        for topic, count in batch.void.items():
            self.metrics.void_records.labels(topic).inc(count)
        for reject in batch.rejects:
            self.metrics.rows_rejected.labels(reject.reason).inc()

    async def _watch(self) -> None:
        await watch_tables(
            self.bus,
            self._comeback,
            topic_ids=lambda: self._topic_ids,
            metrics=self.metrics,
        )

    def _positions(self) -> dict[Partition, int]:
        return {partition: mark.next_offset for partition, mark in self._marks.items()}

    def _named_positions(self) -> dict[str, int]:
        return {str(partition): offset for partition, offset in self._positions().items()}
