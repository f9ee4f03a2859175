"""
The jury: everything that a hurt stack left behind, judged by what the exchanges hold.

Reads   the accounts' topics and the market's, from their beginning; the exchanges'
        ledgers through the judges' ports; the tables; the audit trail
Writes  nothing

Spark's view of itself proves nothing here: what counts on the log is worked out from the
log (log.py), caps are held against the ledgers (limits.py), orders, fills and
balances are compared to the last decimal (exchange_judge.py).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from spark import topics
from spark.bench.exchange_judge import Verdict as Compared
from spark.bench.judges import Judges
from spark.bench.jury import tables
from spark.bench.jury.case import Case
from spark.bench.jury.limits import Caps, CapWatch
from spark.bench.jury.tables import MARKET, MarketRows
from spark.bus.kafka import KafkaBus
from spark.bus.port import Bus, Pace, Partition
from spark.db.pool import WHOLE_TABLES_S_MAX, Database
from spark.embedded.roles import MIGRATE
from spark.embedded.throwaway import Throwaway
from spark.errors import BusUnavailable, VenueUnavailable
from spark.metrics import Metrics
from spark.names import Venue, venue_of
from spark.ops.audit_reader import keys_in
from spark.settings import DatabaseSettings

_READER: Final = "op-local"
_SIMULATED: Final = "main"
_TOPICS: Final = (
    topics.INTENTS, topics.DECISIONS, topics.SIGNED, topics.EVENTS, topics.ACCOUNT_EVENTS,
)  # fmt: skip
_READ_WAIT_MS: Final = 500
_LOOK_S: Final = 1.0
_CLOCK_STEP_NS: Final = 1_000_000
#: For the writers of tables and for the auditor to come to the end.
_BEHIND_S_MAX: Final = 60.0
_SHOWN_MAX: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Since the stack began; all but the counts of what was done should be nothing."""

    intents: int
    orders: int
    fills: int
    #: Intents without a decision, decisions without an end, orders and fills that one side
    #: does not have or tells otherwise, balances that differ.
    lost: int
    #: Orders or requests for one intent beyond the first.
    duplicated: int
    #: Orders at an exchange without an approval that counts, in other terms, or long after it.
    unapproved: int
    limit_breaches: int
    #: Claims of which nothing is said, and unknowns that are still open.
    unsettled: int
    exposure_differing: int
    tables_differing: int
    audit_gaps: int
    #: The first of each, in words.
    details: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Tell whether there is nothing to explain."""
        return not self.details


class Jury:
    """One stack's judges; `jury` opens them."""

    def __init__(
        self, stack: Throwaway, bus: Bus, judges: Mapping[Venue, Judges], *, caps: Caps
    ) -> None:
        self._stack = stack
        self._bus = bus
        self._judges = judges
        self._market = MarketRows()
        self._positions = {
            Partition(name, number): 0
            for name in _TOPICS
            for account, number in topics.ACCOUNT_PARTITION.items()
            if venue_of(account) in judges
        } | dict.fromkeys(MARKET, 0)
        #: Ends only with an error, which whoever waits for it is told.
        self.reading: asyncio.Task[None] | None = None
        #: By number of their partition.
        self.cases = {
            number: Case(account, number, CapWatch(caps))
            for account, number in topics.ACCOUNT_PARTITION.items()
            if venue_of(account) in judges
        }

    async def follow(self) -> None:
        """Read the topics as they come; runs until cancelled."""
        reader = await self._bus.reader(self._positions, Pace.BULK)
        try:
            while True:
                # As they were appended: told by two topics, an order has one life.
                records = await reader.read(_READ_WAIT_MS)
                for record in sorted(records, key=lambda one: one.timestamp_ms):
                    self._positions[record.partition] = record.offset + 1
                    if record.partition in MARKET:
                        self._market.add(record)
                    else:
                        self.cases[record.partition.number].add_record(record)
        finally:
            await reader.close()

    async def read_ledgers(self) -> None:
        """Take in what is new in the exchanges' ledgers; one that is away is asked later."""
        for case in self.cases.values():
            try:
                case.add_lines(await self._judge_of(case).new_lines())
            except VenueUnavailable:
                continue

    async def quiet(self, seconds_max: float) -> bool:
        """
        Wait until everything that was asked for has its end and both sides agree.

        Returns: whether that came to be; what did not, the verdict names.
        """
        deadline = time.monotonic() + seconds_max
        while True:
            if await self._are_read() and not await self._differences():
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_LOOK_S)

    async def verdict(self) -> Verdict:
        """
        Judge everything since the stack began.

        Raises:
            BusUnavailable, DatabaseUnavailable, VenueUnavailable: somebody does not answer.

        """
        compared = {number: await self._compare(case) for number, case in self.cases.items()}
        cases = list(self.cases.values())
        lost = [line for case in cases for line in case.said.losses()]
        asked = [line for case in cases for line in case.requests_too_many()]
        breaches = [line for case in cases for line in case.breaches()]
        exposed = [line for case in cases for line in case.exposure_differences()]
        silent = [line for case in cases for line in case.said.unanswered()]
        unapproved = [line for case in cases for line in case.unapproved()]
        both = list(compared.values())
        tables, gaps = await self._tables(), await self._audit()
        said = [
            *lost, *asked, *breaches, *exposed, *silent, *unapproved, *tables, *gaps,
            *(line for one in both for line in one.examples),
            *_counted(both),
        ]  # fmt: skip
        return Verdict(
            intents=sum(len(case.said.intents) for case in cases),
            orders=sum(one.orders_in_ledger for one in both),
            fills=sum(one.fills_in_ledger for one in both),
            lost=len(lost)
            + sum(one.lost + one.fills_differing + bool(one.balance_difference) for one in both),
            duplicated=len(asked) + sum(one.duplicates for one in both),
            unapproved=len(unapproved),
            limit_breaches=len(breaches),
            unsettled=len(silent) + sum(one.unknown_open for one in both),
            exposure_differing=len(exposed),
            tables_differing=len(tables),
            audit_gaps=len(gaps),
            details=tuple(said[:_SHOWN_MAX]),
        )

    async def _are_read(self) -> bool:
        """Tell whether the accounts' topics were read to their ends of now."""
        wanted = [partition for partition in self._positions if partition not in MARKET]
        # The broker stamps by the same clock, in whole milliseconds.
        asked_ns = time.time_ns() - _CLOCK_STEP_NS
        try:
            ends = await self._bus.ends(wanted)
        except BusUnavailable:
            return False
        await self.read_ledgers()
        if not self._is_at(ends):
            return False
        for case in self.cases.values():
            case.fold_until(asked_ns)
        return True

    def _is_at(self, ends: Mapping[Partition, int]) -> bool:
        if self.reading is not None and self.reading.done():
            self.reading.result()
        return all(self._positions[partition] >= end for partition, end in ends.items())

    async def _differences(self) -> bool:
        for case in self.cases.values():
            try:
                one = await self._compare(case)
            except VenueUnavailable:
                return True
            if any(_counts(one)) or one.balance_difference or case.said.unanswered():
                return True
            if next(case.said.losses(), None) is not None:
                return True
            case.breaches()
            if case.exposure_differences():
                return True
        return False

    async def _compare(self, case: Case) -> Compared:
        return case.compare(await self._judge_of(case).balances(_SIMULATED))

    async def _tables(self) -> list[str]:
        url = self._stack.database_url(MIGRATE)
        database = Database(
            url,
            name="jury",
            settings=DatabaseSettings(),
            metrics=Metrics("jury"),
            answer_s_max=WHOLE_TABLES_S_MAX,
        )
        await database.open()
        try:
            found = await tables.market_rows(database)
            while not self._is_at({Partition(topic, 0): end for topic, (end, _) in found.items()}):  # noqa: ASYNC110  (`follow` reads)
                await asyncio.sleep(_LOOK_S)
            return self._market.differing(found) + await tables.projected_differing(
                self._bus, database, seconds_max=_BEHIND_S_MAX
            )
        finally:
            await database.close()

    async def _audit(self) -> list[str]:
        check = keys_in(self._stack.home.public).is_signed
        return await tables.audit_gaps(self._bus, check, seconds_max=_BEHIND_S_MAX)

    def _judge_of(self, case: Case) -> Judges:
        return self._judges[Venue(venue_of(case.account))]


@asynccontextmanager
async def jury(stack: Throwaway, judges: Mapping[Venue, Judges], caps: Caps) -> AsyncIterator[Jury]:
    """
    Have a stack's topics read while the body runs.

    Args:
        judges: of each exchange; the caller closes them.
        caps: what the stack was told.

    """
    bus = KafkaBus(stack.login(_READER))
    found = Jury(stack, bus, judges, caps=caps)
    found.reading = asyncio.create_task(found.follow())
    try:
        yield found
    finally:
        found.reading.cancel()
        await asyncio.gather(found.reading, return_exceptions=True)
        await bus.close()


def _counts(one: Compared) -> Sequence[int]:
    return (one.duplicates, one.unapproved, one.lost, one.unknown_open, one.fills_differing)


def _counted(compared: Sequence[Compared]) -> list[str]:
    """Name what is only counted, so that nothing is wrong without a word."""
    named: tuple[tuple[str, Callable[[Compared], object]], ...] = (
        ("orders for one id beyond the first", lambda one: one.duplicates),
        ("unknowns open", lambda one: one.unknown_open),
        ("balances differ by", lambda one: one.balance_difference),
    )
    return [f"{what}: {find(one)}" for one in compared for what, find in named if find(one)]
