"""
Reads orders' stories off the log: one by its id, the latest few, or as they happen.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from spark import topics
from spark.bus.port import Bus, Pace, Partition, Reader, Record
from spark.codec import decode
from spark.errors import BusUnavailable, MalformedError
from spark.events import PlaceOrder
from spark.ops.order_view import SOURCES, OrderRow, OrderView
from spark.worker.spans import read_through

_NS_PER_MS: Final = 1_000_000
_READ_WAIT_MS: Final = 250
#: A first guess of how many records descend from an intent on a topic, fences included.
_RECORDS_PER_INTENT: Final = 6
_SLACK_RECORDS: Final = 64
#: A follower that got more at once skips to the end: a screen needs the latest, not all.
_BACKLOG_RECORDS_MAX: Final = 400
_ROWS_MAX: Final = 2000
_PAUSE_S: Final = 1.0


def partitions_of(names: Iterable[str]) -> list[Partition]:
    """List every partition of topics that are keyed by account."""
    return [Partition(name, n) for name in names for n in range(topics.ACCOUNT_PARTITIONS)]


def take(view: OrderView, record: Record) -> OrderRow | None:
    """
    Show a record to a view.

    Returns: the row that it changed, if any; a record that nobody can read changes none.
    """
    try:
        event = decode(record.value or b"")
    except MalformedError:
        return None
    appended_ns = record.timestamp_ms * _NS_PER_MS
    topic = record.partition.topic
    return view.see(event, topic=topic, offset=record.offset, appended_ns=appended_ns)


async def read_order(bus: Bus, intent_id: str) -> OrderRow | None:
    """
    Read one order's whole story.

    Returns: None where no intent has this id.

    Raises:
        BusUnavailable: Kafka does not answer.

    """
    view, wanted = OrderView(), intent_id.encode()
    partitions = partitions_of(SOURCES)
    starts, ends = await bus.starts(partitions), await bus.ends(partitions)

    def see(record: Record) -> None:
        # Most records are not about it; decoding each of them would take minutes.
        if wanted in (record.value or b""):
            take(view, record)

    await read_through(bus, {p: (starts[p], ends[p]) for p in partitions}, see)
    return view.rows.get(intent_id)


async def read_place(bus: Bus, intent_id: str) -> PlaceOrder | None:
    """
    Find the intent that placed an order.

    Returns: None where no place has this id.

    Raises:
        BusUnavailable: Kafka does not answer.

    """
    partitions, wanted = partitions_of([topics.INTENTS]), intent_id.encode()
    starts, ends = await bus.starts(partitions), await bus.ends(partitions)
    found: list[PlaceOrder] = []

    def see(record: Record) -> None:
        if wanted in (record.value or b""):
            with suppress(MalformedError):
                event = decode(record.value or b"")
                if isinstance(event, PlaceOrder) and event.intent_id == intent_id:
                    found.append(event)

    await read_through(bus, {p: (starts[p], ends[p]) for p in partitions}, see)
    return found[0] if found else None


async def read_latest(bus: Bus, count: int) -> list[OrderRow]:
    """
    Read the stories of the latest intents, newest first.

    Raises:
        BusUnavailable: Kafka does not answer.

    """
    view = OrderView()
    intents = await _tail(bus, partitions_of([topics.INTENTS]), count)
    newest = sorted(intents, key=lambda record: record.timestamp_ms)[-count:]
    if not newest:
        return []
    for record in newest:
        take(view, record)
    wanted = set(view.rows)
    later = partitions_of(name for name in SOURCES if name != topics.INTENTS)
    for record in await _since(bus, later, newest[0].timestamp_ms, intents=len(newest)):
        take(view, record)
        # An older order's later hop; without its intent it would be half a story. A
        # cancellation may bring two: the order's and its cancel's.
        for intent_id in view.rows.keys() - wanted:
            del view.rows[intent_id]
    return newest_first(view)


def newest_first(view: OrderView) -> list[OrderRow]:
    """Sort rows by their first hop."""
    return sorted(view.rows.values(), key=lambda row: row.hops[0].appended_ns, reverse=True)


class OrderFollower:
    """
    Follows the order topics from now on; its rows are for a screen.

    `run` it as a task; `latest` never blocks.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._view = OrderView()
        self._partitions = partitions_of(SOURCES)

    def latest(self, count: int) -> Sequence[OrderRow]:
        """Give the newest orders whose intent was seen, newest first."""
        rows = [row for row in newest_first(self._view) if row.hops[0].topic == topics.INTENTS]
        return rows[:count]

    async def run(self) -> None:
        """Follow until cancelled; a broker that is away is waited for."""
        while True:
            with suppress(BusUnavailable):
                await self._follow()
            await asyncio.sleep(_PAUSE_S)

    async def _follow(self) -> None:
        ends = await self._bus.ends(self._partitions)
        reader = await self._bus.reader(ends, Pace.BULK)
        try:
            while True:
                records = await reader.read(_READ_WAIT_MS)
                for record in records:
                    take(self._view, record)
                self._forget()
                if len(records) > _BACKLOG_RECORDS_MAX:
                    await self._skip_to_end(reader)
        finally:
            await reader.close()

    async def _skip_to_end(self, reader: Reader) -> None:
        for partition, end in (await self._bus.ends(self._partitions)).items():
            reader.seek(partition, end)

    def _forget(self) -> None:
        for intent_id in list(self._view.rows)[: max(0, len(self._view.rows) - _ROWS_MAX)]:
            del self._view.rows[intent_id]


async def _tail(bus: Bus, partitions: Sequence[Partition], count: int) -> list[Record]:
    starts, ends = await bus.starts(partitions), await bus.ends(partitions)
    found: list[Record] = []
    spans = {p: (max(starts[p], ends[p] - count), ends[p]) for p in partitions}
    await read_through(bus, spans, found.append)
    return found


async def _since(
    bus: Bus, partitions: Sequence[Partition], since_ms: int, *, intents: int
) -> list[Record]:
    """
    Read what was appended since a moment, looking back further until it is found.
    """
    starts, ends = await bus.starts(partitions), await bus.ends(partitions)
    found: list[Record] = []
    for partition in partitions:
        look_back = intents * _RECORDS_PER_INTENT + _SLACK_RECORDS
        while True:
            first = max(starts[partition], ends[partition] - look_back)
            records: list[Record] = []
            await read_through(bus, {partition: (first, ends[partition])}, records.append)
            if first == starts[partition] or records[0].timestamp_ms < since_ms:
                break
            look_back *= 4
        found += [record for record in records if record.timestamp_ms >= since_ms]
    return found
