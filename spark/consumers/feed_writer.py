"""
Feed writer: carries market records into PostgreSQL, each row exactly once.

Reads   quotes, trades and books of every venue: market.<venue>.<kind>
Writes  tables market.quotes, market.trades, market.book_updates, market.gaps,
        market.feed_rejects; control.pulse
Owns    market.feed_offsets: the next offset of each partition, moved in the very
        transaction that holds the rows, by compare-and-swap
Fails   without loss: an aborted transaction is forgotten, the offset rows are read
        again and the log is read on from there; a gap in the log halts
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from spark.bus.port import Bus, Pace, Partition, Reader
from spark.clock import Clock
from spark.consumers.comeback import Comeback
from spark.consumers.feed_batch import Batch, Cutter
from spark.consumers.feed_positions import take_positions
from spark.consumers.feed_rows import READERS
from spark.consumers.table_watch import watch_tables
from spark.crash_points import Point, reach
from spark.db.migrate import require_current
from spark.db.pool import Database
from spark.errors import DatabaseUnavailable, FencedError
from spark.log import logger
from spark.metrics import Metrics
from spark.names import Role
from spark.topics import CONTROL_PULSE
from spark.worker.crew import Crew
from spark.worker.fence import Reigns
from spark.worker.hold import read_reigns
from spark.worker.pulse import Pulse

_READ_WAIT_MS: Final = 200
#: From one wake-up's work to the next, at the least.
_GATHER_S: Final = 0.002
_NS_PER_S: Final = 1e9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Committed = Callable[[int, Mapping[str, Mapping[int, int]]], None]


@dataclass(slots=True, kw_only=True)
class FeedWriter:
    """One process."""

    bus: Bus
    database: Database
    clock: Clock
    metrics: Metrics
    instance: str
    #: Set while records are being read and the database takes rows: what /healthz says.
    ready: asyncio.Event
    #: Told of each transaction: when it was committed, and its rows by kind and receive time.
    committed: Committed = lambda _at_ns, _received: None
    #: Next offset of each partition: committed, and read ahead of that.
    _positions: dict[Partition, int] = field(default_factory=dict)
    _ahead: dict[Partition, int] = field(default_factory=dict)
    _topic_ids: dict[str, str] = field(default_factory=dict)
    #: The transaction on its way.
    _sent: asyncio.Task[None] | None = None
    #: Which records count; begun anew with each place that was found.
    _reigns: Reigns = field(default_factory=Reigns)
    _comeback: Comeback = field(init=False)
    #: Days, from 1970, whose partitions are known to be there.
    _days: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._comeback = Comeback(
            database=self.database,
            clock=self.clock,
            ready=self.ready,
            positions=lambda: self._positions,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """
        Write until told to stop; what is in hand then is committed or forgotten whole.

        Raises:
            SettingError: the database lacks migrations.
            FencedError: another writer keeps taking the partitions.
            DatabaseUnavailable: it was away too long.
            HaltError: the log is not what it was; a person has to look.

        """
        await require_current(self.database)
        await self._find_place()
        reader = await self.bus.reader(self._positions, Pace.SHARED)
        writer = await self.bus.writer([CONTROL_PULSE])
        pulse = Pulse(Role.FEED_WRITER, self.instance, writer, clock=self.clock)
        try:
            async with Crew() as group:
                sides = [
                    group.create_task(pulse.beat(list, self._named_positions)),
                    group.create_task(self._watch()),
                ]
                self.ready.set()
                await self._write_until(stop, reader)
                for side in sides:
                    side.cancel()
        finally:
            await self._forget_sent()
            await reader.close()
            await writer.close()

    async def _write_until(self, stop: asyncio.Event, reader: Reader) -> None:
        while not stop.is_set():
            try:
                await self._take_turn(reader)
            except (FencedError, DatabaseUnavailable) as error:
                # What was in hand is forgotten; the offset rows say what was committed (R19).
                await self._forget_sent()
                await self._comeback.after(error, self._find_place, stop)
                for partition, offset in self._positions.items():
                    reader.seek(partition, offset)
        try:
            await self._settle()
        except (FencedError, DatabaseUnavailable) as error:
            logger().warning("transaction_aborted", why=str(error))

    async def _take_turn(self, reader: Reader) -> None:
        """Prepare the next transaction while the last one is on its way; send it after that."""
        records = await reader.read(_READ_WAIT_MS)
        loop = asyncio.get_running_loop()
        began = loop.time()
        cutter = Cutter(self._ahead, self.clock.wall_ns(), self._reigns)
        for record in records:
            if batch := cutter.add(record):
                await self._send(batch)
            elif self._sent is not None and not self._sent.done():
                # The transaction on its way has steps to take, too.
                await asyncio.sleep(0)
        if batch := cutter.end():
            await self._send(batch)
            # A transaction of one row costs as much as one of a hundred.
            await asyncio.sleep(began + _GATHER_S - loop.time())
        else:
            await self._settle()

    async def _send(self, batch: Batch) -> None:
        await self._settle()
        self._ahead |= {partition: move.new for partition, move in batch.moves.items()}
        self._sent = asyncio.create_task(self._commit(batch))

    async def _settle(self) -> None:
        """Wait for the transaction on its way; its error comes out here."""
        sent, self._sent = self._sent, None
        if sent is not None:
            await sent

    async def _forget_sent(self) -> None:
        sent, self._sent = self._sent, None
        if sent is not None:
            sent.cancel()
            # Whatever came of it, the offset rows will tell.
            await asyncio.gather(sent, return_exceptions=True)

    async def _commit(self, batch: Batch) -> None:
        await self._prepare(batch.days())
        copies = {name: b"".join(lines) for name, lines in batch.lines.items()}
        if batch.rejects:
            copies["copy_rejects"] = b"".join(reject.line(r) for r, reject in batch.rejects)
        # The offsets last: a writer that lost the race has locked nothing until then.
        await self.database.copy(copies, "feed_advance", _move_parameters(batch))
        reach(Point.ROWS_COMMITTED)
        self._positions |= {partition: move.new for partition, move in batch.moves.items()}
        self._comeback.stood()
        self._count(batch)

    async def _prepare(self, days: set[int]) -> None:
        for day in sorted(days - self._days):
            async with self.database.transaction() as transaction:
                date = (_EPOCH + timedelta(days=day)).date()
                await transaction.execute("feed_prepare_day", {"day": date})
            self._days.add(day)

    async def _find_place(self) -> None:
        places = await take_positions(self.bus, self.database, list(READERS))
        self._positions, self._topic_ids = places
        self._ahead = dict(self._positions)
        self._reigns = await read_reigns(self.bus, self._positions)

    def _count(self, batch: Batch) -> None:
        now_ns = self.clock.wall_ns()
        self.committed(now_ns, batch.received)
        for kind, ages in batch.received.items():
            for received_ns, rows in ages.items():
                age_s = max(0, now_ns - received_ns) / _NS_PER_S
                self.metrics.feed_to_db.observe(kind, age_s, rows)
            self.metrics.rows_written.labels(kind).inc(sum(ages.values()))
        if batch.gaps:
            self.metrics.rows_written.labels("gaps").inc(batch.gaps)
        for _, reject in batch.rejects:
            self.metrics.rows_rejected.labels(reject.reason).inc()

    async def _watch(self) -> None:
        await watch_tables(
            self.bus,
            self._comeback,
            topic_ids=lambda: self._topic_ids,
            metrics=self.metrics,
        )

    def _named_positions(self) -> dict[str, int]:
        return {str(partition): offset for partition, offset in self._positions.items()}


def _move_parameters(batch: Batch) -> Mapping[str, object]:
    moves = sorted(batch.moves.items())
    return {
        "topics": [partition.topic for partition, _ in moves],
        "partitions": [partition.number for partition, _ in moves],
        "olds": [move.old for _, move in moves],
        "news": [move.new for _, move in moves],
        "digests": [move.digest for _, move in moves],
    }
