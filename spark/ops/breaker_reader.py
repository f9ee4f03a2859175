"""
Reads circuit breakers off the log: what each account's gateway said last.
"""

from spark import topics
from spark.bus.port import Bus, Record
from spark.codec import decode
from spark.errors import MalformedError
from spark.events import BreakerChanged, PartitionFenced
from spark.names import AccountId
from spark.ops.order_reader import partitions_of
from spark.worker.spans import read_through

#: In the bytes of the records that matter here; decoding every one would take minutes.
_MARKS = (b'"breaker_changed"', b'"partition_fenced"')


class Breakers:
    """The last change of each breaker, as the gateway's own fold takes it."""

    def __init__(self) -> None:
        self.latest: dict[AccountId, BreakerChanged] = {}
        self._epochs: dict[int, int] = {}

    def take(self, record: Record) -> None:
        """Take one record of `orders.events`; a gateway that was replaced says nothing (R4)."""
        if not any(mark in (record.value or b"") for mark in _MARKS):
            return
        try:
            event = decode(record.value or b"")
        except MalformedError:
            return
        number = record.partition.number
        if isinstance(event, PartitionFenced):
            self._epochs[number] = record.offset
        elif isinstance(event, BreakerChanged) and event.epoch == self._epochs.get(number):
            self.latest[event.account] = event


async def read_breakers(bus: Bus) -> dict[AccountId, BreakerChanged]:
    """
    Read the last change of each account's breaker; one that never changed is not there.

    Raises:
        BusUnavailable: Kafka does not answer.

    """
    partitions = partitions_of([topics.EVENTS])
    starts, ends = await bus.starts(partitions), await bus.ends(partitions)
    breakers = Breakers()
    await read_through(bus, {p: (starts[p], ends[p]) for p in partitions}, breakers.take)
    return breakers.latest
