"""
Holding the topics of one who says what is so now: prices, rules, what a socket brought.

They bear no stamps: what they say follows from no input, and none of it may be missed. So
each record carries its writer's epoch in a header, and a reader drops those of an epoch
that is over (fence.py, `Reigns`). Whoever is fenced finds it with the next write, as with
a tenure.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from spark.bus.port import Bus, Outgoing, Partition, Record, Writer
from spark.clock import Clock
from spark.worker.fence import EPOCH_HEADER, Reigns
from spark.worker.resume import check_partition_counts
from spark.worker.spans import read_through
from spark.worker.tenure import Holder, Tenure, take

#: More than one who was fenced can still have written before it noticed.
_BACK_RECORDS: Final = 200


class Hold:
    """A writer of partitions that this instance holds; what goes elsewhere passes through."""

    def __init__(self, writer: Writer, tenures: Sequence[Tenure]) -> None:
        self._writer = writer
        self._held = {tenure.partition: tenure for tenure in tenures}
        # One produce at a time: only then do one's own records follow each other.
        self._turn = asyncio.Lock()

    @property
    def tenures(self) -> list[Tenure]:
        """List what is held, for the pulse to look after."""
        return list(self._held.values())

    async def write(self, records: Sequence[Outgoing]) -> list[int]:
        """
        Append records, and make sure that their partitions are still held.

        Raises:
            FencedError: another instance took one before these records; they are void.
            WriteError: as the writer; exit.

        """
        async with self._turn:
            touched = {record.partition for record in records} & self._held.keys()
            for partition in touched:
                self._held[partition].unacknowledged += 1
            try:
                offsets = await self._writer.write([self._stamped(record) for record in records])
                for partition in touched:
                    tenure = self._held[partition]
                    await tenure.confirm(
                        [
                            offset
                            for record, offset in zip(records, offsets, strict=True)
                            if record.partition == partition
                        ]
                    )
                    # Readers drop them; nothing here is folded from them.
                    tenure.take_foreign()
            finally:
                for partition in touched:
                    self._held[partition].unacknowledged -= 1
        return offsets

    async def close(self) -> None:
        """Let go of the writer; idempotent."""
        await self._writer.close()

    def _stamped(self, record: Outgoing) -> Outgoing:
        tenure = self._held.get(record.partition)
        if tenure is None:
            return record
        header = (EPOCH_HEADER, str(tenure.epoch).encode())
        return record._replace(headers=(*record.headers, header))


async def hold_topics(
    way: tuple[Bus, Writer], topics: Sequence[str], *, who: tuple[str, str], clock: Clock
) -> Hold:
    """
    Take the one partition of each topic, before anything is said there.

    Args:
        way: the cluster, and this process's writer.
        topics: of one partition each.
        who: role and instance, for the record.
        clock: for the record.

    Raises:
        PartitionError: a topic is not as the table says.
        WriteError: as the writer; exit.

    """
    bus, writer = way
    role, instance = who
    ids = await check_partition_counts(bus, dict.fromkeys(topics, 1))
    holder = Holder(role=role, instance=instance, topic_ids=ids)
    tenures = [
        await take(bus, writer, Partition(topic, 0), holder=holder, clock=clock) for topic in topics
    ]
    return Hold(writer, tenures)


async def read_reigns(bus: Bus, positions: Mapping[Partition, int]) -> Reigns:
    """Learn which epoch is in force at some positions, from the records right before them."""
    starts = await bus.starts(list(positions))
    reigns = Reigns()
    spans = {
        partition: (max(starts[partition], end - _BACK_RECORDS), end)
        for partition, end in positions.items()
    }

    def each(record: Record) -> None:
        reigns.is_void(record)

    await read_through(bus, spans, each)
    return reigns
