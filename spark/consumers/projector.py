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
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from spark.bus.port import Bus, Pace, Partition, Reader
from spark.clock import Clock
from spark.consumers.comeback import come_back
from spark.consumers.projector_batch import BATCH_RECORDS_MAX, Batch, Cutter, Mark
from spark.consumers.projector_places import take_marks
from spark.consumers.projector_store import advance, project
from spark.db.migrate import require_current
from spark.db.pool import Database
from spark.errors import BusUnavailable, DatabaseUnavailable, FencedError
from spark.log import logger
from spark.metrics import Metrics
from spark.names import Role
from spark.topics import CONTROL_PULSE
from spark.worker.pulse import Pulse

_READ_WAIT_MS: Final = 200
_WATCH_PERIOD_S: Final = 2.0
#: From one wake-up's work to the next, at the least: rows are for people and reports.
_GATHER_S: Final = 0.05
_NS_PER_S: Final = 1e9
#: Transactions lost in a row to another projector, after which this one leaves.
_LOST_MAX: Final = 5


@dataclass(slots=True, kw_only=True)
class Projector:
    """One process."""

    bus: Bus
    database: Database
    clock: Clock
    metrics: Metrics
    instance: str
    partitions: Sequence[int]
    #: Set while records are being read and the database answers: what /healthz says.
    ready: asyncio.Event
    #: Records of one transaction.
    batch_records_max: int = BATCH_RECORDS_MAX
    #: How far each partition is in the tables.
    _marks: dict[Partition, Mark] = field(default_factory=dict)
    #: Transactions lost in a row.
    _lost: int = 0

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
        positions = {partition: mark.next_offset for partition, mark in self._marks.items()}
        reader = await self.bus.reader(positions, Pace.SIDE)
        writer = await self.bus.writer([CONTROL_PULSE])
        pulse = Pulse(Role.PROJECTOR, self.instance, writer, clock=self.clock)
        try:
            async with asyncio.TaskGroup() as group:
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
                logger().warning("transaction_aborted", why=str(error))
                self._lost += isinstance(error, FencedError)
                if self._lost >= _LOST_MAX:
                    raise
                is_away = isinstance(error, DatabaseUnavailable)
                if is_away:
                    self.ready.clear()
                await come_back(
                    self._find_place, self.database, stop, clock=self.clock, is_away=is_away
                )
                for partition, mark in self._marks.items():
                    reader.seek(partition, mark.next_offset)

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
            rows = await project(transaction, batch)
        self._marks = batch.after
        self._lost = 0
        self._count(batch, rows)

    async def _find_place(self) -> None:
        self._marks = await take_marks(self.bus, self.database, self.partitions)

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
        while True:
            if await self.database.is_healthy():
                self.ready.set()
            else:
                self.ready.clear()
            # Without an answer the gauge stays: the broker's absence has its own alarm.
            with suppress(BusUnavailable):
                for partition, end in (await self.bus.ends(list(self._marks))).items():
                    behind = end - self._marks[partition].next_offset
                    self.metrics.lag.labels(str(partition)).set(max(0, behind))
            await asyncio.sleep(_WATCH_PERIOD_S)

    def _named_positions(self) -> dict[str, int]:
        return {str(partition): mark.next_offset for partition, mark in self._marks.items()}
