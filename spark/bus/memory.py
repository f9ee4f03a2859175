"""
A log in memory with the same contract, for tests and for strategies under test.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from spark.bus.port import Outgoing, Pace, Partition, Record, TopicState
from spark.clock import Clock, SystemClock
from spark.errors import AuthorisationError, PositionError

_NS_PER_MS = 1_000_000


class MemoryBroker:
    """The log itself; any number of buses may share it."""

    def __init__(self, partitions: Mapping[str, int], clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._logs: dict[Partition, list[Record]] = {}
        self._starts: dict[Partition, int] = {}
        self._ids: dict[str, str] = {}
        self._arrived = asyncio.Condition()
        for name, count in partitions.items():
            self.create(name, count)

    def create(self, name: str, count: int) -> None:
        """Create a topic, or an empty one in the place of an old one."""
        for partition in [one for one in self._logs if one.topic == name]:
            del self._logs[partition], self._starts[partition]
        for number in range(count):
            self._logs[Partition(name, number)] = []
            self._starts[Partition(name, number)] = 0
        self._ids[name] = str(uuid.uuid4())

    def cut(self, partition: Partition, start: int) -> None:
        """Forget records below `start`, as retention does."""
        self._starts[partition] = start

    def log(self, partition: Partition) -> list[Record]:
        """Give the log of a partition itself."""
        try:
            return self._logs[partition]
        except KeyError:
            raise AuthorisationError(f"no topic {partition}") from None

    def start(self, partition: Partition) -> int:
        """Give the first offset still held."""
        self.log(partition)
        return self._starts[partition]

    async def append(self, records: Sequence[Outgoing]) -> list[int]:
        """Append in order and wake readers."""
        offsets = []
        async with self._arrived:
            for out in records:
                self.log(out.partition)
            for out in records:
                log = self.log(out.partition)
                stamp_ms = self._clock.wall_ns() // _NS_PER_MS
                log.append(
                    Record(out.partition, len(log), stamp_ms, out.key, out.value, out.headers)
                )
                offsets.append(len(log) - 1)
            self._arrived.notify_all()
        return offsets

    async def wait(self, ready: Callable[[], bool], wait_ms: int) -> None:
        """Wait until something arrived that satisfies `ready`, or the time is over."""
        async with self._arrived:
            # Not asyncio.wait_for: before Python 3.12 it may lose a cancellation.
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_ms / 1000):
                    await self._arrived.wait_for(ready)

    def describe(self, name: str) -> TopicState | None:
        """Describe a topic, or None where there is none."""
        if name not in self._ids:
            return None
        count = sum(1 for partition in self._logs if partition.topic == name)
        return TopicState(self._ids[name], count, frozenset({"read", "write", "describe"}))


class MemoryBus:
    """A way to a MemoryBroker."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def reader(self, positions: Mapping[Partition, int], pace: Pace) -> "MemoryReader":
        """Open a reader at the given offsets; the pace changes nothing here."""
        del pace
        for partition in positions:
            self._broker.log(partition)
        return MemoryReader(self._broker, dict(positions))

    async def writer(self, topics: Sequence[str]) -> "MemoryWriter":
        """Open a writer."""
        del topics
        return MemoryWriter(self._broker)

    async def ends(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """Give the next offset of each."""
        return {partition: len(self._broker.log(partition)) for partition in partitions}

    async def starts(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """Give the first offset held of each."""
        return {partition: self._broker.start(partition) for partition in partitions}

    async def topics(self, names: Sequence[str]) -> dict[str, TopicState]:
        """Describe those that exist."""
        found = {name: self._broker.describe(name) for name in names}
        return {name: state for name, state in found.items() if state is not None}

    async def close(self) -> None:
        """Nothing to let go of."""


class MemoryReader:
    """Reads a MemoryBroker."""

    def __init__(self, broker: MemoryBroker, positions: dict[Partition, int]) -> None:
        self._broker = broker
        self._positions = positions

    async def read(self, wait_ms: int) -> list[Record]:
        """Take what has arrived since the positions."""
        await self._broker.wait(self._has_news, wait_ms)
        taken: list[Record] = []
        for partition, position in self._positions.items():
            log = self._broker.log(partition)
            if position < self._broker.start(partition) or position > len(log):
                raise PositionError(f"{partition}: offset {position} is not on the log")
            taken.extend(log[position:])
            self._positions[partition] = len(log)
        return taken

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on from this offset."""
        self._positions[partition] = offset

    async def close(self) -> None:
        """Nothing to let go of."""

    def _has_news(self) -> bool:
        return any(
            len(self._broker.log(partition)) != position
            for partition, position in self._positions.items()
        )


class MemoryWriter:
    """Appends to a MemoryBroker."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def write(self, records: Sequence[Outgoing]) -> list[int]:
        """Append in order."""
        return await self._broker.append(records)

    async def close(self) -> None:
        """Nothing to let go of."""
