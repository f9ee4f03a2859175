"""
Holding an output partition: fence it, write to it, notice when it is taken.

A role is the only writer of its partition, so its own writes follow each other
without a gap: an acknowledged write that begins right after the previous one
proves that nobody else wrote in between, and a claim in it is thereby read back
(runbook/decisions/0002-read-back-by-offsets.md). A gap is read and explained: a
foreign fence ends this instance, older epochs' records are handed to the owner.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from spark.bus.port import Bus, Outgoing, Partition, Record, Writer
from spark.clock import Clock
from spark.codec import decode, encode
from spark.crash_points import Point, reach
from spark.errors import FencedError, MalformedError, PositionError, WriteError
from spark.events import PartitionFenced
from spark.worker.incarnations import REMEDY, Incarnations
from spark.worker.spans import read_between


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who takes partitions, for the record."""

    role: str
    instance: str
    topic_ids: dict[str, str]
    #: What its outputs follow from beside the log (R15).
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Tenure:
    """One instance's hold on one output partition."""

    bus: Bus
    writer: Writer
    partition: Partition
    epoch: int
    #: The next offset, if nobody else writes.
    expected: int
    #: Appends that are not acknowledged yet.
    unacknowledged: int = 0
    #: Records of earlier epochs that landed after our fence, not yet taken by the owner.
    foreign: list[Record] = field(default_factory=list)
    #: The topics that the holder depends on.
    incarnations: Incarnations | None = None

    async def write(self, records: Sequence[Outgoing]) -> list[int]:
        """
        Append to the held partition and make sure that it is still held.

        Returns: the offset of each record.

        Raises:
            FencedError: another instance took the partition before these records;
                they are void.
            WriteError: as the writer; exit.

        """
        self.unacknowledged += 1
        try:
            offsets = await self.writer.write(records)
            await self.confirm(offsets)
        finally:
            self.unacknowledged -= 1
        return offsets

    async def confirm(self, offsets: Sequence[int]) -> None:
        """Look where one's own records came to stand; raises as `write`."""
        for offset in offsets:
            if offset < self.expected:
                # After a repeated produce the broker may not know where the
                # first one stands; then nothing is proved, and a restart reads it.
                raise WriteError(f"{self.partition}: the broker cannot say where a record is")
            if offset > self.expected:
                await self._explain_gap(self.expected, offset)
            self.expected = offset + 1

    async def check(self) -> None:
        """
        Look for foreign records while nothing is being written.

        Raises:
            FencedError: another instance took the partition.
            PositionError: the log was cut, or a topic was created again or deleted.

        """
        if self.incarnations is not None:
            await self.incarnations.look()
        expected = self.expected
        if self.unacknowledged:
            return  # that write will look for itself
        end = (await self.bus.ends([self.partition]))[self.partition]
        if not self._is_idle_at(expected):
            return
        if end > self.expected:
            await self._explain_gap(expected, end)
            self.expected = max(self.expected, end)
        elif end < self.expected:
            raise PositionError(f"{self.partition}: the log was cut to {end}; {REMEDY}")

    def _is_idle_at(self, expected: int) -> bool:
        return not self.unacknowledged and self.expected == expected

    async def _explain_gap(self, start: int, end: int) -> None:
        for record in await read_between(self.bus, self.partition, start=start, end=end):
            if is_fence(record):
                raise FencedError(
                    f"{self.partition}: taken by another instance at offset {record.offset}"
                )
            self.foreign.append(record)

    def take_foreign(self) -> list[Record]:
        """Hand over what older epochs appended after our fence."""
        taken, self.foreign = self.foreign, []
        return taken


async def take(
    bus: Bus, writer: Writer, partition: Partition, *, holder: Holder, clock: Clock
) -> Tenure:
    """
    Take an output partition by appending a fence; its offset is the epoch.

    Everything before the fence is still to be read by the caller.
    """
    fence = PartitionFenced(
        role=holder.role,
        instance=holder.instance,
        topic_ids=holder.topic_ids,
        settings=holder.settings,
        fenced_ns=clock.wall_ns(),
    )
    offset = (await writer.write([Outgoing(partition, None, encode(fence))]))[0]
    reach(Point.FENCED)
    watch = Incarnations(bus, holder.topic_ids)
    return Tenure(bus, writer, partition, offset, offset + 1, incarnations=watch)


def is_fence(record: Record) -> bool:
    """Tell whether a record is a fence; bytes that nobody can read are none."""
    try:
        return isinstance(decode(record.value or b""), PartitionFenced)
    except MalformedError:
        return False
