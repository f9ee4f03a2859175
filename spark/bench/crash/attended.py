"""
What looks after a drill's stack: its jury, a watch on its children, persons who mind it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from spark.bench.crash.scene import Scene
from spark.bench.crash.stack import CrashStack
from spark.bench.crash.watch import watching
from spark.bench.exchange_judge import Ledger, Told
from spark.bench.judges import Judges, judges_of
from spark.bench.jury.limits import Caps
from spark.bench.jury.panel import Jury, jury
from spark.bench.minding import Minding
from spark.bench.persons import PERSONS, Persons
from spark.bus.kafka import KafkaBus
from spark.embedded.throwaway import Throwaway
from spark.errors import SparkError
from spark.names import AccountId, Venue, venue_of
from spark.topics import ACCOUNT_PARTITION

_LOOK_S: Final = 2.0
#: Persons look at an unknown no sooner: stamps of BTCTurk live for five seconds.
_PATIENCE_S: Final = 8.0


@dataclass(slots=True)
class _Minded:
    """One account, for persons: with a look of their own into its ledger."""

    account: AccountId
    told: Told
    judges: Judges
    ledger: Ledger = field(default_factory=Ledger)

    async def read_ledger(self) -> None:
        """Read it to its end of now."""
        for line in await self.judges.new_lines():
            self.ledger.add(line)


@dataclass(slots=True)
class Attended:
    """One stack, with everything that looks after it."""

    scene: Scene
    judge: Jury
    minding: Minding
    accounts: list[_Minded]

    async def mind(self) -> None:
        """Do what persons do, until cancelled; while a server is away they wait."""
        while True:
            await asyncio.sleep(_LOOK_S)
            with suppress(SparkError, TimeoutError):
                await self.minding.look(self.accounts)


@asynccontextmanager
async def attended(
    crash_stack: CrashStack, stack: Throwaway, venues: Sequence[Venue], *, caps: Caps
) -> AsyncIterator[Attended]:
    """
    Have a running stack looked after while the body runs.

    Args:
        caps: what the stack was told.

    """
    # Each reads the ledgers from their beginning, at its own pace.
    judges, own, minded = (judges_of(stack, venues) for _ in range(3))
    buses = {person: KafkaBus(stack.login(person)) for person in PERSONS}
    watched = KafkaBus(stack.login(PERSONS[0]))
    numbers = [n for account, n in ACCOUNT_PARTITION.items() if venue_of(account) in venues]
    try:
        async with watching(watched, numbers) as watch, jury(stack, judges, caps) as judge:
            accounts = [
                _Minded(case.account, case.told, minded[Venue(venue_of(case.account))])
                for case in judge.cases.values()
            ]
            minding = Minding(Persons(stack, buses), _PATIENCE_S)
            yield Attended(Scene(crash_stack, stack, watch, own), judge, minding, accounts)
    finally:
        for bus in (*buses.values(), watched):
            await bus.close()
        for one in (*judges.values(), *own.values(), *minded.values()):
            await one.close()
