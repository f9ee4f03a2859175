"""
Tables and audit trail held against the topics.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from spark import topics
from spark.audit_chain import VerifyAt
from spark.bus.port import Bus, Partition, Record
from spark.codec import decode
from spark.db.pool import Database
from spark.errors import IntegrityError, MalformedError, RetryError
from spark.events import BooksChanged, QuotesReceived, TradesReceived
from spark.ops import audit_reader
from spark.ops.rebuild import compare

_LOOK_S: Final = 0.5
_COMPARE_TRIES: Final = 3
_PROJECTED: Final = (topics.INTENTS, topics.DECISIONS, topics.EVENTS, topics.ACCOUNT_EVENTS)
#: What the feed writer carries.
MARKET: Final = tuple(
    Partition(topic.name, 0)
    for topic in topics.TOPICS
    if topic.name.startswith("market.") and not topic.name.endswith(".marks")
)


@dataclass(slots=True)
class MarketRows:
    """How many rows each market topic makes, up to each of its offsets."""

    _below: dict[str, list[int]] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Take in a record of a market topic."""
        below = self._below.setdefault(record.partition.topic, [0])
        rows = 0
        with suppress(MalformedError):
            event = decode(record.value or b"")
            if isinstance(event, QuotesReceived | TradesReceived | BooksChanged):
                rows = len(event.rows)
        below.append(below[-1] + rows)

    def differing(self, found: Mapping[str, tuple[int, int]]) -> list[str]:
        """
        Compare with the tables.

        Args:
            found: topic to the next offset that the tables do not have, and their rows.

        """
        differing = []
        for topic, (offset, rows) in sorted(found.items()):
            below = self._below.get(topic, [0])
            if offset >= len(below):
                differing.append(f"{topic}: the tables go to {offset}, {len(below) - 1} was read")
            elif below[offset] != rows:
                made = below[offset]
                differing.append(f"{topic}: {rows} rows in the table, {made} by the topic")
        return differing


async def market_rows(database: Database) -> dict[str, tuple[int, int]]:
    """
    Look how far the tables of the market go.

    Returns: topic to the next offset that they do not have, and how many rows there are.

    Raises:
        DatabaseUnavailable: it does not answer.

    """
    async with database.transaction() as transaction:
        await transaction.execute("act_as_owner")
        rows = await transaction.fetch("jury_market_rows")
    return {topic: (offset, count) for topic, offset, count in rows}


async def projected_differing(bus: Bus, database: Database, *, seconds_max: float) -> list[str]:
    """
    Compare the projected tables with the topics.

    Args:
        seconds_max: for the projector to come to the end of what there is.

    Returns: each difference in words.

    Raises:
        BusUnavailable, DatabaseUnavailable: they do not answer.

    """
    ends = await bus.ends(
        [
            Partition(name, number)
            for name in _PROJECTED
            for number in range(topics.BY_NAME[name].partitions)
        ]
    )
    await _until(lambda: _are_at(database, ends), seconds_max)
    for _ in range(_COMPARE_TRIES):
        try:
            found = await compare(bus, database, lambda *_: None)
        except RetryError:
            continue
        return [
            f"{table.name}: {table.differing} rows differ; {table.kept} in the table, "
            f"{table.rebuilt} by the topics"
            for table in found.tables
            if table.differing
        ]
    return ["the projected tables could not be compared"]


async def audit_gaps(bus: Bus, check: VerifyAt, *, seconds_max: float) -> list[str]:
    """
    Verify the trail and compare it with the log; all that is audited must have its line.

    Args:
        check: knows the auditor's public keys.
        seconds_max: for the auditor to come to the end of what there is.

    Returns: what does not hold, in words.

    Raises:
        BusUnavailable: the broker does not answer.

    """
    wanted = [
        Partition(name, number)
        for name in topics.AUDITED
        for number in range(topics.BY_NAME[name].partitions)
    ]
    ends = await bus.ends(wanted)
    missing: list[str] = []

    async def is_whole() -> bool:
        report = await audit_reader.verify_log(bus, check, lambda *_: None)
        reached = {p: report.next_offsets.get(str(p), 0) for p in wanted}
        missing[:] = [
            f"{partition}: audited up to {reached[partition]}, the log ends at {end}"
            for partition, end in ends.items()
            if reached[partition] < end
        ]
        return not missing

    try:
        await _until(is_whole, seconds_max)
        await audit_reader.compare_with_log(bus, lambda *_: None)
    except IntegrityError as error:
        return [str(error)]
    return missing


async def _are_at(database: Database, ends: Mapping[Partition, int]) -> bool:
    async with database.transaction() as transaction:
        await transaction.execute("act_as_owner")
        rows = await transaction.fetch("jury_places")
    reached = {Partition(topic, number): offset for topic, number, offset in rows}
    return all(reached.get(partition, 0) >= end for partition, end in ends.items())


async def _until(condition: Callable[[], Awaitable[bool]], seconds_max: float) -> None:
    """Wait for what other processes do; who is late is found behind afterwards."""
    try:
        async with asyncio.timeout(seconds_max):
            while not await condition():  # noqa: ASYNC110  (other processes move)
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        return
