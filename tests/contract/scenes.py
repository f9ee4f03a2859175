"""
What the contract of the bus is played on: two clusters, and a scene on one of them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from confluent_kafka import TopicPartition
from confluent_kafka.admin import (
    NewTopic,
)

from spark import topics
from spark.bus.kafka import KafkaBus
from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Bus, Outgoing, Pace, Partition, Reader, Record
from spark.embedded.kafka import BROKER
from spark.embedded.kafka_admin import create_topics
from tests.servers import RunningKafka

_T = TypeVar("_T")
#: Enough for anything here; a test that waits this long has failed.
PATIENCE_S: Final = 20.0
WAIT_MS: Final = 2_000
#: A writer's batches follow the limits of the topics that it names; scratch topics have none.
LIKE: Final = [topics.EVENTS]


class Cluster(Protocol):
    """One implementation, and what only a broker's owner can do to it."""

    def bus(self) -> Bus:
        """Give a way in as somebody who may do everything."""

    def stranger(self) -> Bus:
        """Give a way in as somebody who may not use `forbidden`."""

    def topic(self, partitions: int = 1) -> str:
        """Make an empty topic."""

    def forbidden(self) -> str:
        """Name a topic that the stranger may not use."""

    def recreate(self, name: str) -> None:
        """Put an empty topic of one partition in the place of this one."""

    def cut(self, partition: Partition, start: int) -> None:
        """Forget records below `start`, as retention does."""


class InMemory:
    """The memory bus."""

    def __init__(self) -> None:
        self._broker = MemoryBroker({})
        self._made = 0

    def bus(self) -> Bus:
        return MemoryBus(self._broker)

    def stranger(self) -> Bus:
        return self.bus()

    def topic(self, partitions: int = 1) -> str:
        self._made += 1
        self._broker.create(f"scratch.{self._made}", partitions)
        return f"scratch.{self._made}"

    def forbidden(self) -> str:
        # Nobody is told apart in memory: there, what is hidden is what does not exist.
        return "scratch.hidden"

    def recreate(self, name: str) -> None:
        self._broker.create(name, 1)

    def cut(self, partition: Partition, start: int) -> None:
        self._broker.cut(partition, start)


class OnKafka:
    """aiokafka and the real broker."""

    def __init__(self, server: RunningKafka) -> None:
        self._server = server

    def bus(self) -> Bus:
        return KafkaBus(self._server.login(BROKER))

    def stranger(self) -> Bus:
        return KafkaBus(self._server.login("strategy-demo"))

    def topic(self, partitions: int = 1) -> str:
        return self._server.create_topic(partitions)

    def forbidden(self) -> str:
        return topics.SIGNED

    def recreate(self, name: str) -> None:
        admin = self._server.admin()
        admin.delete_topics([name])[name].result()
        while name in admin.list_topics(timeout=10).topics:
            time.sleep(0.01)
        create_topics(admin, [NewTopic(name, 1, 1)])

    def cut(self, partition: Partition, start: int) -> None:
        place = TopicPartition(partition.topic, partition.number, start)
        admin = self._server.admin()
        for done in admin.delete_records([place]).values():
            done.result()


@dataclass
class Scene:
    """A cluster, a bus, and everything opened on it."""

    cluster: Cluster
    bus: Bus
    open: list[Callable[[], Awaitable[None]]]

    async def write(self, *records: Outgoing) -> list[int]:
        writer = await self.bus.writer(LIKE)
        try:
            return await writer.write(records)
        finally:
            await writer.close()

    async def reader(self, *positions: tuple[Partition, int], pace: Pace = Pace.HOT) -> Reader:
        reader = await self.bus.reader(dict(positions), pace)
        self.open.append(reader.close)
        return reader


def note(partition: Partition, text: str) -> Outgoing:
    return Outgoing(partition, None, text.encode())


async def take(reader: Reader, count: int) -> list[Record]:
    """Read until `count` records are there; more would be in the result too."""
    found: list[Record] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < count:
            found.extend(await reader.read(WAIT_MS))
    return found


async def soon(work: Awaitable[_T]) -> _T:
    async with asyncio.timeout(PATIENCE_S):
        return await work
