"""
A place on the log that a database holds, checked against the log (R18).

PostgreSQL's rows are the only truth about positions of those who write tables; Kafka's
committed offsets are not asked.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from spark.bus.port import Bus, Partition
from spark.errors import PositionError
from spark.signing import short_digest
from spark.worker.incarnations import REMEDY
from spark.worker.spans import read_between


@dataclass(frozen=True, slots=True)
class Stored:
    """A partition's offset row."""

    topic_id: str
    next_offset: int
    #: Digest of the record before it; empty before the first.
    last_digest: str


@dataclass(frozen=True, slots=True)
class LogNow:
    """The log as it is, to compare rows with."""

    #: The broker's id of each topic.
    ids: Mapping[str, str]
    starts: Mapping[Partition, int]
    ends: Mapping[Partition, int]


async def check_rows(
    bus: Bus, rows: Mapping[Partition, Stored], log: LogNow, *, remedy: str
) -> None:
    """
    Compare each row with the log.

    Args:
        remedy: what a person does about a topic that was created again.

    Raises:
        PositionError: a topic was created again, or cut; halt.

    """
    for partition, row in rows.items():
        _check_range(partition, row, log, remedy=remedy)
    await asyncio.gather(
        *(
            _check_digest(bus, partition, row)
            for partition, row in rows.items()
            # The record before may have expired; then the topic's id has to do.
            if row.next_offset > log.starts[partition]
        )
    )


def _check_range(partition: Partition, row: Stored, log: LogNow, *, remedy: str) -> None:
    start, end = log.starts[partition], log.ends[partition]
    if row.topic_id != log.ids[partition.topic]:
        raise PositionError(
            f"{partition}: the topic was created again; rows up to offset {row.next_offset} of"
            f" the old one are in the database. {remedy}"
        )
    if row.next_offset < start:
        raise PositionError(
            f"{partition}: records {row.next_offset} to {start - 1} expired before they were read; "
            f"{REMEDY}"
        )
    if row.next_offset > end:
        raise PositionError(
            f"{partition}: the log ends at {end}, but {row.next_offset} is due: it was cut;"
            f" {REMEDY}"
        )


async def _check_digest(bus: Bus, partition: Partition, row: Stored) -> None:
    before = row.next_offset - 1
    record = (await read_between(bus, partition, start=before, end=row.next_offset))[0]
    if short_digest(record.value or b"") != row.last_digest:
        raise PositionError(
            f"{partition}: offset {before} is not the record that was written; {REMEDY}"
        )
