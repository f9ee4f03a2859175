"""
The projector's tables made anew from offset zero: to replace them, or to compare with them.

Everything is one transaction: the topics are folded into temporary tables by the very
code of the projector, so memory holds one batch; at the end the projector is held for a
moment. Readers see the old rows until the new ones are all there.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from spark import topics
from spark.bus.port import Bus, Pace, Partition
from spark.consumers.offset_rows import LogNow
from spark.consumers.projector_batch import Cutter, Mark
from spark.consumers.projector_places import check_standing, log_now, partitions_of, read_standing
from spark.consumers.projector_store import mark_columns, project
from spark.db.migrate import require_current
from spark.db.pool import Database, Transaction
from spark.errors import RetryError
from spark.worker.spans import batches

_BATCH_RECORDS_MAX: Final = 10_000

#: Told how many of how many records are folded.
Move = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild made."""

    records: int
    #: By table.
    rows: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCompared:
    """One table against the topics."""

    name: str
    #: That the topics make.
    rows: int
    differing: int
    #: The first row that differs, as JSON: as it is in the table, and as the topics have it;
    #: None where there is none.
    kept: str | None
    rebuilt: str | None


@dataclass(frozen=True, slots=True)
class Compared:
    """All tables against the topics."""

    records: int
    tables: tuple[TableCompared, ...]


async def rebuild(bus: Bus, database: Database, move: Move) -> Rebuilt:
    """
    Make the tables anew from the topics; a running projector goes on from there.

    Raises:
        PositionError: records that the tables need are gone.
        BusUnavailable: the log does not come; nothing was changed.
        DatabaseUnavailable: the same for the database; nothing was changed, unless it
            went away in the last moment.

    """
    async with _shadow(bus, database, move) as shadow:
        await shadow.fold(shadow.log.ends)
        await shadow.transaction.fetch("rebuild_hold")
        rows = await shadow.transaction.fetch("rebuild_replace")
        ids = [shadow.log.ids[partition.topic] for partition in sorted(shadow.marks)]
        offsets = mark_columns(shadow.marks) | {"ids": ids}
        await shadow.transaction.execute("rebuild_offsets", offsets)
    return Rebuilt(shadow.records, dict(rows))


async def compare(bus: Bus, database: Database, move: Move) -> Compared:
    """
    Compare the tables with the topics, at the place up to which the tables go.

    Raises:
        PositionError: as `rebuild`, or the topics are not those that the tables are of.
        RetryError: the tables were rebuilt meanwhile; repeat.
        BusUnavailable, DatabaseUnavailable: as `rebuild`; nothing is ever changed.

    """
    async with _shadow(bus, database, move) as shadow:
        for is_held in (False, True):
            if is_held:
                await shadow.transaction.fetch("rebuild_hold")
            standing = await read_standing(shadow.transaction, _numbers())
            await check_standing(bus, standing, await log_now(bus, _numbers()))
            # Twice, so that the projector is held only for what came during the first time.
            await shadow.fold({p: mark.next_offset for p, mark in standing.marks.items()})
        rows = await shadow.transaction.fetch("rebuild_compare")
    names = ("name", "rows", "differing", "kept", "rebuilt")
    tables = tuple(TableCompared(**dict(zip(names, row, strict=True))) for row in rows)
    return Compared(shadow.records, tables)


@dataclass(slots=True, kw_only=True)
class _Shadow:
    """Temporary tables and how far they go."""

    bus: Bus
    transaction: Transaction
    log: LogNow
    move: Move
    marks: dict[Partition, Mark]
    records: int = 0

    async def fold(self, ends: Mapping[Partition, int]) -> None:
        """Fold on to these ends."""
        left = {p: end for p, end in ends.items() if self.marks[p].next_offset < end}
        if any(self.marks[p].next_offset > end for p, end in ends.items()):
            raise RetryError("the tables were rebuilt in the meantime; repeat")
        if not left:
            return
        total = self.records + sum(end - self.marks[p].next_offset for p, end in left.items())
        spans = {p: (self.marks[p].next_offset, end) for p, end in left.items()}
        async with aclosing(batches(self.bus, spans, Pace.BULK)) as fetched:
            async for records in fetched:
                cutter = Cutter(self.marks, records_max=_BATCH_RECORDS_MAX)
                for record in records:
                    if batch := cutter.add(record):
                        await project(self.transaction, batch)
                if batch := cutter.end():
                    await project(self.transaction, batch)
                self.records += len(records)
                self.marks = cutter.marks
                self.move(self.records, total)


@asynccontextmanager
async def _shadow(bus: Bus, database: Database, move: Move) -> AsyncIterator[_Shadow]:
    await require_current(database)
    log = await log_now(bus, _numbers())
    async with database.transaction() as transaction:
        await transaction.execute("act_as_owner")
        await transaction.fetch("rebuild_begin")
        yield _Shadow(
            bus=bus,
            transaction=transaction,
            log=log,
            move=move,
            marks={partition: Mark() for partition in partitions_of(_numbers())},
        )


def _numbers() -> range:
    return range(topics.ACCOUNT_PARTITIONS)
