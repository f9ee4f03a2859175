"""
What the account feed knows of an account after a restart: both its topics, folded by time.

The two are folded in one order that the log alone gives: ten seconds of `orders.events`, then
the same ten seconds of `account.events`, and so on, so that a claim comes before what the
exchange said of it. A state kept at the end of such a span goes on exactly as a fold from the
beginning would (account_feed_keep.py).
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from spark import topics
from spark.bus.port import Bus, Partition, Record
from spark.codec import decode
from spark.errors import MalformedError, PositionError
from spark.events import PartitionFenced
from spark.ledger.reconcile import Book, fold_account, fold_orders
from spark.ledger.reconcile_differences import Differences
from spark.names import AccountId
from spark.worker.cache import Kept
from spark.worker.incarnations import REMEDY
from spark.worker.resume import check_topic_ids, place_of
from spark.worker.spans import batches

#: What is folded together: of each span orders first.
SPAN_MS: Final = 10_000
#: What the account feed reads; others' fences name more than it may see.
NAMES: Final = (topics.EVENTS, topics.ACCOUNT_EVENTS, topics.VENUE_STATE, topics.CONTROL)
#: Records between two chances for everything else.
_BREATH_RECORDS: Final = 200


@dataclass(slots=True)
class AccountPast:
    """An account as the log tells it, and nothing that only the exchange told; plain values."""

    book: Book
    #: The book's own: it makes an empty one for itself, wherever it comes from.
    differences: Differences
    #: As the fences of both topics name them (R18).
    topic_ids: dict[str, str] = field(default_factory=dict)
    #: By topic: the latest append time, so that a clock that was set back changes no order.
    reached_ms: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.book.differences = self.differences

    def fold(self, record: Record) -> None:
        """Fold one record of either topic; bytes that nobody can read change nothing."""
        try:
            event = decode(record.value or b"")
        except MalformedError:
            return
        place = place_of(record)
        if isinstance(event, PartitionFenced):
            # The first word counts: a start that halted had fenced with today's ids.
            named = {n: one for n, one in event.topic_ids.items() if n in NAMES}
            self.topic_ids = named | self.topic_ids
        fold = fold_orders if place.topic == topics.EVENTS else fold_account
        fold(self.book, event, offset=place.offset, appended_ns=place.appended_ns)


def empty_past(account: AccountId) -> AccountPast:
    """Give what is known before any record."""
    book = Book(account)
    return AccountPast(book, book.differences)


@dataclass(frozen=True, slots=True)
class Folded:
    """A record in its turn."""

    record: Record
    #: Which ten seconds it belongs to.
    span: int


async def read_past(
    bus: Bus, account: AccountId, ends: Mapping[Partition, int], *, kept: Kept[AccountPast] | None
) -> AccountPast:
    """
    Fold both topics of an account up to their ends, from where the kept state stops.

    Args:
        ends: of both partitions; orders' taken after the own fence.

    Raises:
        PositionError: a topic was cut or created again; a person has to look (R8, R18).

    """
    past = empty_past(account) if kept is None else kept.state
    known = dict.fromkeys(ends, 0) if kept is None else {p: kept.position(p) for p in ends}
    for partition, start in (await bus.starts(list(ends))).items():
        if start > known[partition]:
            raise PositionError(f"{partition}: records below {start} are gone; {REMEDY}")
    spans = {partition: (known[partition], end) for partition, end in ends.items()}
    async with aclosing(in_turn(bus, spans, past.reached_ms)) as records:
        async for one in records:
            past.fold(one.record)
    await check_topic_ids(bus, past.topic_ids)
    return past


async def in_turn(
    bus: Bus, spans: Mapping[Partition, tuple[int, int]], reached_ms: dict[str, int]
) -> AsyncGenerator[Folded, None]:
    """
    Give the records of both topics in the order in which they are folded.

    Args:
        spans: half-open, of each partition.
        reached_ms: by topic; moved on with each record that was given.

    Raises: as `resume.pages`.

    """
    sources = [_Source(bus, p, spans[p], reached_ms=reached_ms) for p in sorted(spans, key=_rank)]
    count = 0
    try:
        while True:
            heads = [one for one in sources if await one.fill()]
            if not heads:
                return
            # The first of equals: orders.
            turn = min(heads, key=_Source.span)
            yield turn.take()
            count += 1
            if count % _BREATH_RECORDS == 0:
                await asyncio.sleep(0)
    finally:
        for source in sources:
            await source.close()


class _Source:
    """One partition, read a fetch at a time."""

    def __init__(
        self,
        bus: Bus,
        partition: Partition,
        span: tuple[int, int],
        *,
        reached_ms: dict[str, int],
    ) -> None:
        self._topic = partition.topic
        self._pages = batches(bus, {partition: span})
        self._reached_ms = reached_ms
        self._page: list[Record] = []
        self._next = 0

    async def fill(self) -> bool:
        """Have a record ready; False where there is none any more."""
        while self._next == len(self._page):
            page = await anext(self._pages, None)
            if page is None:
                return False
            self._page, self._next = page, 0
        return True

    def span(self) -> int:
        """Say which ten seconds the next record belongs to."""
        return self._time_ms() // SPAN_MS

    def take(self) -> Folded:
        """Take the next record."""
        found = Folded(self._page[self._next], self.span())
        self._reached_ms[self._topic] = self._time_ms()
        self._next += 1
        return found

    async def close(self) -> None:
        """Let go of the reader."""
        await self._pages.aclose()

    def _time_ms(self) -> int:
        return max(self._page[self._next].timestamp_ms, self._reached_ms.get(self._topic, 0))


def _rank(partition: Partition) -> bool:
    return partition.topic != topics.EVENTS
