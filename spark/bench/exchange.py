"""
`spark drill exchange`: orders at a rate while the exchanges misbehave, then the account.

In the end nothing may differ between Spark's topics and the exchanges' own ledgers: orders,
fills, fees and balances, to the last decimal. What only persons may settle, two persons
settle, after a look into the ledger: an unknown at BTCTurk that never arrived there.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass, field
from typing import Final

from spark import topics
from spark.bench.children import child
from spark.bench.exchange_faults import Bad
from spark.bench.exchange_judge import Ledger, Told, Verdict, judge
from spark.bench.judges import Judges
from spark.bench.minding import Minding
from spark.bench.persons import PERSONS, Persons
from spark.bus.kafka import KafkaBus
from spark.bus.port import Bus, Pace, Partition
from spark.codec import decode
from spark.embedded.throwaway import Throwaway
from spark.errors import GateError, MalformedError
from spark.names import AccountId, Venue

_STRATEGY: Final = "strategy-demo"
_SIMULATED: Final = "main"
_TOPICS: Final = (topics.INTENTS, topics.DECISIONS, topics.EVENTS, topics.ACCOUNT_EVENTS)
_READ_WAIT_MS: Final = 300
_FIRST_S_MAX: Final = 60.0
_SETTLE_S_MAX: Final = 180.0
#: Persons look at an unknown no sooner: by then evidence would have come.
_PATIENCE_S: Final = 25.0
_LOOK_S: Final = 2.0
_FAULT_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeDrill:
    """One drill's parameters."""

    seconds: float
    seed: int
    #: Intents a second, over all exchanges.
    rate: float
    venues: tuple[Venue, ...]
    has_faults: bool = True


@dataclass(slots=True)
class _Account:
    """One account, as both sides tell of it."""

    account: AccountId
    judges: Judges
    told: Told = field(default_factory=Told)
    ledger: Ledger = field(default_factory=Ledger)

    async def read_ledger(self) -> None:
        """Take in what is new in the exchange's ledger."""
        for line in await self.judges.new_lines():
            self.ledger.add(line)

    async def verdict(self) -> Verdict:
        """Compare as far as both were read."""
        await self.read_ledger()
        return judge(self.told, self.ledger, await self.judges.balances(_SIMULATED))


async def drill_exchange(
    stack: Throwaway,
    drill: ExchangeDrill,
    *,
    judges: Mapping[Venue, Judges],
    say: Callable[[str], None],
) -> dict[str, object]:
    """
    Run the drill on a running stack.

    Args:
        judges: of each exchange.
        say: takes lines of progress.

    Returns: the object that `--json` prints.

    Raises:
        GateError: no order came through at all.

    """
    accounts = {
        number: _Account(account, judges[Venue(account.partition(":")[0])])
        for account, number in topics.ACCOUNT_PARTITION.items()
        if account.partition(":")[0] in drill.venues
    }
    buses = {person: KafkaBus(stack.login(person)) for person in PERSONS}
    run = _Run(stack, drill, accounts, Minding(Persons(stack, buses), _PATIENCE_S), say)
    try:
        async with AsyncExitStack() as around, asyncio.TaskGroup() as group:
            reading = group.create_task(_follow(buses[PERSONS[0]], accounts))
            load = await around.enter_async_context(
                child("spark.bench.order_load", run.plan(), stack.home.logs / "load.log")
            )
            await run.first_orders()
            minding = group.create_task(run.mind())
            if drill.has_faults:
                await run.misbehave()
            else:
                await asyncio.sleep(drill.seconds)
            await load.finished()
            verdicts = await run.settle()
            for task in (reading, minding):
                task.cancel()
    finally:
        for bus in buses.values():
            await bus.close()
        for one in judges.values():
            await one.close()
    return run.result(verdicts)


@dataclass(slots=True)
class _Run:
    """The drill at work."""

    stack: Throwaway
    drill: ExchangeDrill
    accounts: dict[int, _Account]
    minding: Minding
    say: Callable[[str], None]
    faults: Counter[str] = field(default_factory=Counter)

    def plan(self) -> dict[str, object]:
        """Tell the load what to do."""
        return {
            "strategy": _STRATEGY,
            "uid": self.stack.state.uids.get(_STRATEGY),
            "bootstrap": self.stack.state.kafka_bootstrap,
            "secrets_dir": str(self.stack.secrets.root / _STRATEGY),
            "public_dir": str(self.stack.home.public),
            "rate": self.drill.rate,
            "seconds": self.drill.seconds,
            "trading": list(self.drill.venues),
            "seed": self.drill.seed,
        }

    async def first_orders(self) -> None:
        """Wait until every exchange has an order, so that the faults meet some."""
        deadline = time.monotonic() + _FIRST_S_MAX
        while time.monotonic() < deadline:
            for one in self.accounts.values():
                await one.read_ledger()
            if all(one.ledger.orders for one in self.accounts.values()):
                return
            await asyncio.sleep(_LOOK_S / 4)
        silent = [one.account for one in self.accounts.values() if not one.ledger.orders]
        raise GateError(f"no order of {', '.join(silent)} came through")

    async def misbehave(self) -> None:
        """Order faults until the time is over, then none."""
        bad = Bad(self.drill.seed, tuple(self.drill.venues), every_s=_FAULT_EVERY_S)
        began = time.monotonic()
        judges = {one.account.partition(":")[0]: one.judges for one in self.accounts.values()}
        while True:
            blow = bad.next()
            if time.monotonic() - began + blow.after_s > self.drill.seconds:
                break
            await asyncio.sleep(blow.after_s)
            await judges[blow.venue].arm(blow.fault)
            self.faults[str(blow.fault["kind"])] += 1
            if sum(self.faults.values()) % 20 == 0:
                self.say(self._line(time.monotonic() - began))
        for one in judges.values():
            await one.disarm()

    async def mind(self) -> None:
        """Do what persons do, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.minding.look(self.accounts.values())

    async def settle(self) -> dict[str, Verdict]:
        """Wait until nothing differs any more, or the time for that is over."""
        deadline = time.monotonic() + _SETTLE_S_MAX
        while True:
            verdicts = {str(one.account): await one.verdict() for one in self.accounts.values()}
            if not any(map(_differs, verdicts.values())) or time.monotonic() > deadline:
                return verdicts
            await asyncio.sleep(_LOOK_S)

    def result(self, verdicts: Mapping[str, Verdict]) -> dict[str, object]:
        """Give the object that `--json` prints: the sums, and each account's own figures."""
        names = (
            "intents", "refused", "orders_in_ledger", "fills_in_ledger", "duplicates",
            "unapproved", "lost", "unknown_open", "fills_differing",
        )  # fmt: skip
        sums = {name: sum(getattr(one, name) for one in verdicts.values()) for name in names}
        difference = {key: str(one.balance_difference) for key, one in verdicts.items()}
        return {
            **sums,
            "balance_difference": difference,
            "accounts": {
                one.account: asdict(verdicts[one.account])
                | {
                    "balance_difference": difference[one.account],
                    "reasons": dict(one.told.reasons.most_common()),
                }
                for one in self.accounts.values()
            },
            "faults": dict(sorted(self.faults.items())),
            "resolved_by_persons": len(self.minding.resolved),
            "protections": self.minding.protections,
            "seed": self.drill.seed,
            "seconds": self.drill.seconds,
            "rate_asked": self.drill.rate,
        }

    def _line(self, passed_s: float) -> str:
        told = [one.told for one in self.accounts.values()]
        return (
            f"{passed_s:.0f} s: {sum(len(one.places) for one in told)} intents, "
            f"{sum(len(one.ledger.orders) for one in self.accounts.values())} orders, "
            f"{sum(len(one.orders.unknown) for one in told)} unknown, "
            f"{sum(self.faults.values())} faults"
        )


def is_clean(found: Mapping[str, object]) -> bool:
    """Tell whether a drill's result leaves nothing to explain."""
    counted = ("duplicates", "unapproved", "lost", "unknown_open", "fills_differing")
    differences = found["balance_difference"]
    assert isinstance(differences, dict), "as `result` made it"
    return not any(found[name] for name in counted) and set(differences.values()) <= {"0"}


def _differs(one: Verdict) -> bool:
    counts = (one.duplicates, one.unapproved, one.lost, one.unknown_open, one.fills_differing)
    return any(counts) or one.balance_difference != 0


async def _follow(bus: Bus, accounts: Mapping[int, _Account]) -> None:
    """Read the accounts' topics into what Spark tells, until cancelled."""
    partitions = [Partition(name, number) for name in _TOPICS for number in accounts]
    reader = await bus.reader(dict.fromkeys(partitions, 0), Pace.HOT)
    try:
        while True:
            records = await reader.read(_READ_WAIT_MS)
            for record in sorted(records, key=lambda one: one.timestamp_ms):
                with suppress(MalformedError):
                    accounts[record.partition.number].told.add(
                        record.partition.topic,
                        decode(record.value or b""),
                        record.offset,
                        appended_ns=record.timestamp_ms * 1_000_000,
                    )
    finally:
        await reader.close()
