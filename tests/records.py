"""Writing to and reading from the session's broker as one of its principals."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from spark.bus.kafka import KafkaBus, KafkaLogin
from spark.bus.port import Outgoing, Pace, Partition, Record
from spark.topics import SIGNED

FIRST: Final = 0


@asynccontextmanager
async def connected(login: KafkaLogin) -> AsyncIterator[KafkaBus]:
    """Connect, and let go again."""
    bus = KafkaBus(login)
    try:
        yield bus
    finally:
        await bus.close()


async def write(login: KafkaLogin, topic: str, *values: bytes) -> list[int]:
    """Append to a topic's first partition."""
    async with connected(login) as bus:
        writer = await bus.writer([SIGNED])
        try:
            partition = Partition(topic, FIRST)
            return await writer.write([Outgoing(partition, None, value) for value in values])
        finally:
            await writer.close()


async def read(login: KafkaLogin, topic: str, count: int) -> list[Record]:
    """Read a topic's first partition from its beginning, until so many have come."""
    async with connected(login) as bus:
        reader = await bus.reader({Partition(topic, FIRST): 0}, Pace.HOT)
        found: list[Record] = []
        try:
            while len(found) < count:
                found += await reader.read(1000)
        finally:
            await reader.close()
        return found
