"""
The log as Spark sees it: partitions of records, read from a position, appended to.

No consumer groups: a reader is told its partitions and offsets (design §2).
`tests/contract/test_bus.py` holds what both implementations promise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

Headers = tuple[tuple[str, bytes], ...]


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


class Record(NamedTuple):
    """One record as it stands on the log."""

    partition: Partition
    offset: int
    #: Append time where the topic is stamped by the broker, else the writer's.
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Outgoing(NamedTuple):
    """One record to append."""

    partition: Partition
    key: bytes | None
    value: bytes
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class TopicState:
    """What the broker says of a topic now."""

    #: The broker's id of this incarnation: a topic created again has another (R18).
    topic_id: str
    partitions: int
    #: What the asking principal may do: `read`, `write`, `describe`… (S17).
    operations: frozenset[str]


class Pace(Enum):
    """How a reader trades latency against work for everybody."""

    #: The order path: one partition, a record is delivered as soon as it stands.
    HOT = "hot"
    #: The same for a reader of several partitions, at the price of more polls.
    SHARED = "shared"
    #: Side inputs: gathered for some tens of milliseconds.
    SIDE = "side"
    #: Bulk: gathered into large fetches.
    BULK = "bulk"


class Reader(Protocol):
    """Reads assigned partitions, each in offset order."""

    async def read(self, wait_ms: int) -> list[Record]:
        """
        Take what has arrived, waiting at most `wait_ms` for the first record.

        Returns: an empty list when nothing came. Reconnects by itself.

        Raises:
            PositionError: the position is not on the log any more; halt.
            AuthorisationError: the broker forbids the topic; halt.

        """

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on from this offset; what was fetched beyond is dropped. Never blocks."""

    async def close(self) -> None:
        """Let go of the connection; idempotent."""


class Writer(Protocol):
    """Appends; acknowledged means that every replica in sync has it."""

    async def write(self, records: Sequence[Outgoing]) -> list[int]:
        """
        Append records, those of one partition in the order given.

        Returns: the offset of each. Blocks until the broker acknowledged all.

        Raises:
            WriteError: what the log holds now is unsure. The caller exits: the
                writer must not be used again (an idempotent producer cannot be mended).
            AuthorisationError: the broker forbids a topic; nothing was appended to it.

        """

    async def close(self) -> None:
        """Let go of the connection; idempotent. Does not wait for unacknowledged writes."""


class Bus(Protocol):
    """A way to one cluster, as one principal."""

    async def reader(self, positions: Mapping[Partition, int], pace: Pace) -> Reader:
        """
        Open a reader at the given offsets.

        Raises:
            BusUnavailable: no broker answered; may be repeated.
            AuthorisationError: a topic is forbidden, or there is none.

        """

    async def writer(self, topics: Sequence[str]) -> Writer:
        """Open a writer whose records may be as large as these topics allow; raises as `reader`."""

    async def ends(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """Ask for the offset that the next record of each will get; idempotent."""

    async def starts(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """Ask for the first offset still held; above 0 something was cut; idempotent."""

    async def topics(self, names: Sequence[str]) -> dict[str, TopicState]:
        """Describe topics; one that does not exist, or is hidden from us, is left out."""

    async def close(self) -> None:
        """Let go of every connection; idempotent."""
