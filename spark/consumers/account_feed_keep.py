"""
The account feed's kept state: made beside its work, from the log alone, as a start makes it.

What the feed knows while it works comes from the exchange as well, and is not kept. So a
second book is folded from the topics, some seconds behind, and only up to the end of a span
that nobody can append to any more (account_feed_past.py). Deleting the file changes nothing.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from spark.bus.port import Bus, Partition, Record
from spark.clock import Clock
from spark.consumers.account_feed_past import SPAN_MS, AccountPast, empty_past, in_turn
from spark.errors import BusUnavailable
from spark.log import logger
from spark.names import AccountId
from spark.signing import short_digest
from spark.worker.cache import Kept, Mark, StateCache

_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1e9
#: From one time to the next, and how much longer than the last one took.
_PERIOD_S: Final = 15.0
_REST_FACTOR: Final = 30
#: Records since the last time, below which it is not worth the work.
_UNKEPT_MIN: Final = 1_000


@dataclass(slots=True, kw_only=True)
class PastKeeper:
    """
    Keeps one account's past on disk.

    Args:
        cache: None keeps nothing.
        lane: the account's partitions of `orders.events` and `account.events`.
        topic_ids: of both topics (R18).

    """

    bus: Bus
    clock: Clock
    account: AccountId
    cache: StateCache[AccountPast] | None
    lane: tuple[Partition, ...]
    topic_ids: Mapping[str, str]
    _past: AccountPast | None = None
    _marks: dict[Partition, Mark] = field(default_factory=dict)

    async def load(self) -> Kept[AccountPast] | None:
        """
        Find the kept state, a new one each time.

        Raises:
            PositionError: it belongs to another log.

        """
        return None if self.cache is None else await self.cache.load(self.bus, self.topic_ids)

    async def run(self) -> None:
        """
        Keep the past until cancelled.

        Raises:
            PositionError: the log is not what it was; halt.

        """
        pause_s = _PERIOD_S
        while self.cache is not None:
            await asyncio.sleep(pause_s)
            began_ns = self.clock.monotonic_ns()
            try:
                await self.catch_up()
            except BusUnavailable as error:
                logger().warning("account_past_not_kept", account=self.account, why=str(error))
            took_s = (self.clock.monotonic_ns() - began_ns) / _NS_PER_S
            pause_s = max(_PERIOD_S, _REST_FACTOR * took_s)

    async def catch_up(self) -> None:
        """Fold what is old enough, and keep the state where that was much; raises as `run`."""
        assert self.cache is not None, "there is nothing to keep it in"
        now_ms = self.clock.wall_ns() // _NS_PER_MS
        ends = await self.bus.ends(self.lane)
        if self._past is None:
            kept = await self.load()
            self._past = empty_past(self.account) if kept is None else kept.state
            if kept is not None:
                self._marks = {Partition(one.topic, one.partition): one for one in kept.marks}
        spans = {p: (self._position(p), end) for p, end in ends.items()}
        if sum(end - start for start, end in spans.values()) < _UNKEPT_MIN:
            return
        last = await self._fold(self._past, spans, before=now_ms // SPAN_MS - 1)
        for partition, record in last.items():
            digest = short_digest(record.value or b"")
            self._marks[partition] = Mark(*partition, next_offset=record.offset + 1, digest=digest)
        self.cache.save(
            Kept(
                state=self._past,
                marks=tuple(self._marks.values()),
                topic_ids=dict(self.topic_ids),
                epoch=-1,
                seq=-1,
                last=None,
            )
        )

    async def _fold(
        self, past: AccountPast, spans: Mapping[Partition, tuple[int, int]], *, before: int
    ) -> dict[Partition, Record]:
        """Fold up to a span; returns the last record of each partition."""
        last: dict[Partition, Record] = {}
        reached_ms = dict(past.reached_ms)
        async with aclosing(in_turn(self.bus, spans, reached_ms)) as records:
            async for one in records:
                if one.span >= before:
                    break
                past.fold(one.record)
                last[one.record.partition] = one.record
                topic = one.record.partition.topic
                past.reached_ms[topic] = reached_ms[topic]
        return last

    def _position(self, partition: Partition) -> int:
        mark = self._marks.get(partition)
        return 0 if mark is None else mark.next_offset
