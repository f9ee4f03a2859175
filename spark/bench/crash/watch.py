"""
What a drill sees of a hurt stack while it works: who says that it serves, what orders become.

Reads   control.pulse and the accounts' topics, from the moment in which it began
Writes  nothing
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from spark import topics
from spark.bench.crash.fates import Fates
from spark.bus.port import Bus, Pace, Partition, Record
from spark.codec import decode
from spark.errors import BusUnavailable, MalformedError
from spark.events import ProcessPulsed

_PULSE: Final = Partition(topics.CONTROL_PULSE, 0)
_TOPICS: Final = (topics.INTENTS, topics.DECISIONS, topics.EVENTS, topics.ACCOUNT_EVENTS)
_READ_WAIT_MS: Final = 200
_AGAIN_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Sign:
    """One instance's first or latest pulse."""

    pid: int
    at_ms: int


@dataclass(slots=True)
class CrashWatch:
    """The drill's own view; `watching` opens it."""

    fates: Fates = field(default_factory=Fates)
    #: By role and instance: the first pulse, in the order in which they came.
    _firsts: dict[str, dict[int, int]] = field(default_factory=dict)
    _latest: dict[str, Sign] = field(default_factory=dict)

    def successor(self, role: str, *, of: int, since_ms: float) -> Sign | None:
        """Find the first pulse of a role's next instance: folded, fenced, and serving."""
        for pid, at_ms in self._firsts.get(role, {}).items():
            if pid != of and at_ms >= since_ms:
                return Sign(pid, at_ms)
        return None

    def latest(self, role: str) -> Sign | None:
        """Give a role's latest pulse."""
        return self._latest.get(role)

    def take(self, record: Record) -> None:
        """Take in one record."""
        with suppress(MalformedError):
            event = decode(record.value or b"")
            if record.partition == _PULSE:
                if isinstance(event, ProcessPulsed) and event.state == "ready":
                    self._pulsed(event, record.timestamp_ms)
            else:
                self.fates.add(event, record.timestamp_ms)

    def _pulsed(self, event: ProcessPulsed, at_ms: int) -> None:
        pid = int(event.instance.rpartition(":")[2])
        self._firsts.setdefault(event.role, {}).setdefault(pid, at_ms)
        self._latest[event.role] = Sign(pid, at_ms)

    async def follow(self, bus: Bus, positions: dict[Partition, int]) -> None:
        """Read on and on, over every end of the broker."""
        while True:
            try:
                reader = await bus.reader(positions, Pace.SHARED)
            except BusUnavailable:
                await asyncio.sleep(_AGAIN_S)
                continue
            try:
                while True:
                    for record in await reader.read(_READ_WAIT_MS):
                        positions[record.partition] = record.offset + 1
                        self.take(record)
            except BusUnavailable:
                await asyncio.sleep(_AGAIN_S)
            finally:
                await reader.close()


@asynccontextmanager
async def watching(bus: Bus, numbers: list[int]) -> AsyncIterator[CrashWatch]:
    """
    Watch while the body runs.

    Args:
        numbers: the accounts' partitions.

    """
    partitions = [_PULSE, *(Partition(name, number) for name in _TOPICS for number in numbers)]
    watch = CrashWatch()
    positions = dict(await bus.ends(partitions))
    task = asyncio.create_task(watch.follow(bus, positions))
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
