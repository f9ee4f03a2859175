"""
Where the feed writer stands: its offset rows, checked against the log (R18).
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from spark import topics as table
from spark.bus.port import Bus, Partition
from spark.consumers.offset_rows import LogNow, Stored, check_rows
from spark.db.pool import Database
from spark.log import logger
from spark.worker.resume import check_partition_counts

_REMEDY: Final = "Remove its row in market.feed_offsets to begin anew"


class Places(NamedTuple):
    """Where the feed writer goes on, and in which incarnations of its topics."""

    positions: dict[Partition, int]
    topic_ids: dict[str, str]


async def take_positions(bus: Bus, database: Database, topics: Sequence[str]) -> Places:
    """
    Read the next offset of each partition, beginning where there is none, and check each.

    Start and recovery both come through here; it may be repeated.

    Raises:
        PositionError: a topic was created again, or cut; halt.
        PartitionError: a topic has not the partitions of the table; halt.
        DatabaseUnavailable: no answer; repeat.

    """
    ids = await check_partition_counts(bus, {t: table.BY_NAME[t].partitions for t in topics})
    partitions = [Partition(t, n) for t in topics for n in range(table.BY_NAME[t].partitions)]
    starts = await bus.starts(partitions)
    stored = await _stored(database, partitions, ids=ids, starts=starts)
    # Only now, or another writer may have gone past an end that was asked for before.
    log = LogNow(ids, starts, await bus.ends(partitions))
    await check_rows(bus, stored, log, remedy=_REMEDY)
    return Places({partition: place.next_offset for partition, place in stored.items()}, ids)


async def _stored(
    database: Database,
    partitions: Sequence[Partition],
    *,
    ids: Mapping[str, str],
    starts: Mapping[Partition, int],
) -> dict[Partition, Stored]:
    async with database.transaction() as transaction:
        # In partition order, as every transaction of the writer locks them (R19).
        for partition in sorted(partitions):
            began = await transaction.execute(
                "feed_begin",
                {
                    "topic": partition.topic,
                    "partition": partition.number,
                    "topic_id": ids[partition.topic],
                    "next_offset": starts[partition],
                },
            )
            if began:
                logger().info("feed_begun", partition=str(partition), offset=starts[partition])
        rows = await transaction.fetch(
            "feed_positions", {"topics": sorted({p.topic for p in partitions})}
        )
    found = {Partition(topic, number): Stored(*rest) for topic, number, *rest in rows}
    return {partition: found[partition] for partition in sorted(partitions)}
