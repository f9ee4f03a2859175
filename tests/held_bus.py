"""
A bus whose appends can be held back, as of a process that was paused, or fail.
"""

import asyncio
from collections.abc import Mapping, Sequence

from spark.bus.port import Bus, Outgoing, Pace, Partition, Reader, TopicState, Writer
from spark.errors import WriteError


class HeldBus:
    """Another bus; what is written while it is held stands only after the release."""

    def __init__(self, inner: Bus) -> None:
        self._inner = inner
        self._open = asyncio.Event()
        self._open.set()
        #: Set once somebody waits to append.
        self.is_waiting = asyncio.Event()
        #: How the next append fails: `unwritten`, or `unacknowledged` although it stands.
        self.failure = ""

    def hold(self) -> None:
        """Hold every append from now on."""
        self._open.clear()

    def release(self) -> None:
        """Let them through, in their order."""
        self._open.set()

    async def pass_gate(self) -> None:
        """Wait for the release, if it is held."""
        if not self._open.is_set():
            self.is_waiting.set()
            await self._open.wait()

    async def reader(self, positions: Mapping[Partition, int], pace: Pace) -> Reader:
        return await self._inner.reader(positions, pace)

    async def writer(self, topics: Sequence[str]) -> Writer:
        return _HeldWriter(self, await self._inner.writer(topics))

    async def ends(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        # A paused process asks nothing either.
        await self._open.wait()
        return await self._inner.ends(partitions)

    async def starts(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        return await self._inner.starts(partitions)

    async def topics(self, names: Sequence[str]) -> dict[str, TopicState]:
        return await self._inner.topics(names)

    async def close(self) -> None:
        await self._inner.close()


class _HeldWriter:
    def __init__(self, bus: HeldBus, inner: Writer) -> None:
        self._bus = bus
        self._inner = inner

    async def write(self, records: Sequence[Outgoing]) -> list[int]:
        await self._bus.pass_gate()
        failure, self._bus.failure = self._bus.failure, ""
        if failure == "unwritten":
            raise WriteError("a produce failed")
        offsets = await self._inner.write(records)
        if failure == "unacknowledged":
            raise WriteError("no acknowledgement")
        return offsets

    async def close(self) -> None:
        await self._inner.close()
