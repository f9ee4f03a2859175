"""
Where the projector stands: its offset rows, checked against the log (R8, R18).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from spark import topics as table
from spark.bus.port import Bus, Partition
from spark.consumers.offset_rows import LogNow, Stored, check_rows
from spark.consumers.projector_batch import SOURCES, Mark
from spark.db.pool import Database, Transaction
from spark.errors import PositionError
from spark.log import logger
from spark.worker.incarnations import REMEDY as REMEDY_PAGE
from spark.worker.resume import check_partition_counts

REMEDY: Final = "`spark db rebuild` makes the tables anew from the log as it is now"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the tables go, and for which incarnation of each topic."""

    marks: dict[Partition, Mark]
    topic_ids: Mapping[Partition, str]


def partitions_of(numbers: Sequence[int]) -> list[Partition]:
    """List the partitions that tables are made from, in the order in which they are locked."""
    return sorted(Partition(topic, number) for topic in SOURCES for number in numbers)


async def take_marks(bus: Bus, database: Database, numbers: Sequence[int]) -> Standing:
    """
    Read how far the tables go, beginning where there is nothing, and check each place.

    Start and recovery both come through here; it may be repeated.

    Raises:
        PositionError: a topic was created again, or cut; halt.
        PartitionError: a topic has not the partitions of the table; halt.
        DatabaseUnavailable: no answer; repeat.

    """
    ids = await _topic_ids(bus)
    async with database.transaction() as transaction:
        for partition in partitions_of(numbers):
            begun = {
                "topic": partition.topic,
                "partition": partition.number,
                "topic_id": ids[partition.topic],
            }
            if await transaction.execute("projector_begin", begun):
                logger().info("projection_begun", partition=str(partition))
        standing = await read_standing(transaction, numbers)
    # Only now, or another projector may have gone past an end that was asked for before.
    await check_standing(bus, standing, await log_now(bus, numbers))
    return standing


async def log_now(bus: Bus, numbers: Sequence[int]) -> LogNow:
    """
    Ask for the topics as they are.

    Raises:
        PositionError: records that the tables need are gone (R8); halt.
        PartitionError: as `take_marks`.

    """
    ids = await _topic_ids(bus)
    partitions = partitions_of(numbers)
    log = LogNow(ids, await bus.starts(partitions), await bus.ends(partitions))
    for partition, start in log.starts.items():
        if start > 0:
            raise PositionError(f"{partition}: records below {start} are gone; {REMEDY_PAGE}")
    return log


async def _topic_ids(bus: Bus) -> dict[str, str]:
    return await check_partition_counts(bus, {t: table.BY_NAME[t].partitions for t in SOURCES})


async def read_standing(transaction: Transaction, numbers: Sequence[int]) -> Standing:
    """Read the offset rows; a partition that has none is left out."""
    wanted = {"topics": list(SOURCES), "partitions": list(numbers)}
    marks: dict[Partition, Mark] = {}
    ids: dict[Partition, str] = {}
    for topic, number, topic_id, *mark in await transaction.fetch("projector_positions", wanted):
        marks[Partition(topic, number)] = Mark(*mark)
        ids[Partition(topic, number)] = topic_id
    return Standing(marks, ids)


async def check_standing(bus: Bus, standing: Standing, log: LogNow) -> None:
    """
    Compare the rows with the log.

    Raises:
        PositionError: as `take_marks`.

    """
    rows = {
        partition: Stored(standing.topic_ids[partition], mark.next_offset, mark.digest)
        for partition, mark in standing.marks.items()
    }
    await check_rows(bus, rows, log, remedy=REMEDY)
