"""What stands on the log of an order path, as a test reads it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from spark import topics
from spark.bus.port import Bus, Pace, Partition, Record
from spark.codec import decode
from spark.errors import MalformedError
from spark.events import (
    Event,
    Intent,
    PartitionFenced,
    Stamp,
)
from spark.worker.fence import Lineage, Verdict

_T = TypeVar("_T")
PATIENCE_S: Final = 30.0


class Tape:
    """Everything that stands on some topics, read again and again until it says something."""

    def __init__(self, bus: Bus, names: Sequence[str]) -> None:
        self._bus = bus
        self._parts = [
            Partition(name, number)
            for name in names
            for number in range(topics.BY_NAME[name].partitions)
        ]
        self.records: dict[str, list[tuple[Record, Event | None]]] = {name: [] for name in names}

    async def open(self) -> None:
        """Begin at the beginning."""
        self._reader = await self._bus.reader(dict.fromkeys(self._parts, 0), Pace.SHARED)

    async def close(self) -> None:
        """Let go."""
        await self._reader.close()

    async def until(self, found: Callable[[], _T]) -> _T:
        """Read on until `found` gives something true."""
        async with asyncio.timeout(PATIENCE_S):
            while not (answer := found()):
                for record in await self._reader.read(100):
                    self.records[record.partition.topic].append((record, _read(record)))
        return answer

    async def some(self, topic: str, kind: type[_T], count: int) -> list[_T]:
        """Wait for so many events of a type; more would be in the list, too."""
        await self.until(lambda: len(self.on(topic, kind)) >= count)
        return self.on(topic, kind)

    async def more(self, topic: str, count: int) -> None:
        """Wait for so many more records on a topic."""
        before = len(self.records[topic])
        await self.until(lambda: len(self.records[topic]) >= before + count)

    async def catch_up(self) -> None:
        """Read to the ends of now."""
        ends = await self._bus.ends(self._parts)
        due = sum(ends.values())
        await self.until(lambda: sum(len(one) for one in self.records.values()) >= due)

    def on(self, topic: str, kind: type[_T]) -> list[_T]:
        """List the events of a type on a topic."""
        return [event for _, event in self.records[topic] if isinstance(event, kind)]

    def numbers(self, topic: str) -> list[int]:
        """List the numbers of the valid records of a stamped topic's first partition."""
        return list(self.valid(topic).values())

    def valid(self, topic: str, partition: int = 0) -> dict[int, int]:
        """Give offset and number of the valid records of a stamped topic, as its readers judge."""
        lineage = Lineage(f"{topic}/{partition}")
        found: dict[int, int] = {}
        for record, event in self.records[topic]:
            stamp: Stamp | None = getattr(event, "stamp", None)
            if record.partition.number != partition:
                continue
            if isinstance(event, PartitionFenced):
                lineage.fence(record.offset)
            elif stamp is not None and lineage.judge(stamp) is Verdict.VALID:
                found[record.offset] = stamp.seq
        return found

    def about(self, intent: Intent, kind: type[_T], topic: str = topics.EVENTS) -> list[_T]:
        """List the events of a type that name an intent."""
        return [
            one for one in self.on(topic, kind) if getattr(one, "intent_id", "") == intent.intent_id
        ]


def _read(record: Record) -> Event | None:
    try:
        return decode(record.value or b"")
    except MalformedError:
        return None
