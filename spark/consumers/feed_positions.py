"""
Where the feed writer stands: its offset rows, checked against the log (R18).

PostgreSQL's rows are the only truth about positions; Kafka's committed offsets
are not asked.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spark import topics as table
from spark.bus.port import Bus, Partition
from spark.db.pool import Database
from spark.errors import PositionError
from spark.log import logger
from spark.signing import short_digest
from spark.worker.resume import check_partition_counts
from spark.worker.tenure import read_between


@dataclass(frozen=True, slots=True)
class _Stored:
    topic_id: str
    next_offset: int
    last_digest: str


async def take_positions(
    bus: Bus, database: Database, topics: Sequence[str]
) -> dict[Partition, int]:
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
    ends = await bus.ends(partitions)
    stored = await _stored(database, partitions, ids=ids, starts=starts)
    for partition, place in stored.items():
        _check_range(
            partition,
            place,
            topic_id=ids[partition.topic],
            start=starts[partition],
            end=ends[partition],
        )
    await asyncio.gather(
        *(
            _check_digest(bus, partition, place)
            for partition, place in stored.items()
            # The record before may have expired; then the topic's id has to do.
            if place.next_offset > starts[partition]
        )
    )
    return {partition: place.next_offset for partition, place in stored.items()}


async def _stored(
    database: Database,
    partitions: Sequence[Partition],
    *,
    ids: Mapping[str, str],
    starts: Mapping[Partition, int],
) -> dict[Partition, _Stored]:
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
    found = {Partition(topic, number): _Stored(*rest) for topic, number, *rest in rows}
    return {partition: found[partition] for partition in sorted(partitions)}


def _check_range(
    partition: Partition, place: _Stored, *, topic_id: str, start: int, end: int
) -> None:
    if place.topic_id != topic_id:
        raise PositionError(
            f"{partition}: the topic was created again; rows up to offset {place.next_offset} of"
            " the old one are in the database. Remove its row in market.feed_offsets to begin anew"
        )
    if place.next_offset < start:
        raise PositionError(
            f"{partition}: records {place.next_offset} to {start - 1} expired before they were read"
        )
    if place.next_offset > end:
        raise PositionError(
            f"{partition}: the log ends at {end}, but {place.next_offset} is due: it was cut"
        )


async def _check_digest(bus: Bus, partition: Partition, place: _Stored) -> None:
    before = place.next_offset - 1
    record = (await read_between(bus, partition, start=before, end=place.next_offset))[0]
    if short_digest(record.value or b"") != place.last_digest:
        raise PositionError(f"{partition}: offset {before} is not the record that was written")
