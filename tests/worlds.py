"""
A small world in memory: every topic of the table, a clock that a test moves, the stages.

Worlds can be copied, so that one past can be gone on from in two ways.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from spark import topics
from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Bus, Outgoing, Partition, Record
from spark.clock import ManualClock
from spark.codec import decode, encode
from spark.consumers.auditor import Auditor, AuditorWiring
from spark.consumers.gateway import Gateway, GatewayWiring
from spark.consumers.signing_socket import SigningClient
from spark.events import Event
from spark.exchanges.port import OrderVenue
from spark.metrics import Metrics
from spark.names import AccountId, Endpoint, Role, TradingMode, Venue
from spark.worker.contract import Transform
from spark.worker.halts import Halts
from spark.worker.latch import KillLatch
from spark.worker.loop import TransformLoop, Wiring
from tests import hops, keyed
from tests.leased import LEASE_NS
from tests.made import ACCOUNT, NOW_NS
from tests.mannered import BINANCE_RULES
from tests.marks import START_PRICES, prices_marked
from tests.surroundings import (
    account_fenced,
    account_reconciled,
    auditor_pulsed,
    equity_marked,
)

#: The partition of the one account.
NUMBER: Final = 0
_WAIT_S_MAX: Final = 20.0
_COUNTS: Final = {topic.name: topic.partitions for topic in topics.TOPICS}

Run = Callable[[asyncio.Event], Awaitable[None]]


class World:
    """One log with its clock; `files` is where latches and kept states stand."""

    def __init__(self, files: Path, clock: ManualClock | None = None) -> None:
        self.files = files
        self.clock = clock or ManualClock(NOW_NS)
        self.broker = MemoryBroker(_COUNTS, self.clock)
        self.bus: Bus = MemoryBus(self.broker)
        self.states = files / "states"
        self._latch = files / "kill.d"
        for directory in (self.states, self._latch):
            directory.mkdir(parents=True, exist_ok=True)

    def copied(self, files: Path) -> "World":
        """Copy the past: the same topics with the same records; no kept states."""
        clock = ManualClock(self.clock.wall_ns(), self.clock.monotonic_ns())
        other = World(files, clock)
        other.broker._logs = {p: list(log) for p, log in self.broker._logs.items()}
        other.broker._starts = dict(self.broker._starts)
        other.broker._ids = dict(self.broker._ids)
        return other

    def log(self, topic: str) -> list[Record]:
        """Give the account's records of a topic as they stand."""
        return self.broker.log(partition_of(topic))

    def values(self, topic: str) -> list[bytes]:
        """Give their values."""
        return [record.value or b"" for record in self.log(topic)]

    async def append(self, *records: Outgoing) -> None:
        """Append as whoever may."""
        await self.broker.append(records)

    async def say(self, topic: str, *events: Event) -> None:
        """Append events that carry no tags."""
        key = ACCOUNT.encode()
        await self.append(*(Outgoing(partition_of(topic), key, encode(e)) for e in events))

    async def surround(self) -> None:
        """Say what a guardrail must hear of lately: prices, equity, an auditor at work."""
        now_ns = self.clock.wall_ns()
        marks = prices_marked(START_PRICES, now_ns)
        await self.say(topics.VENUE_MARKS, marks)
        await self.say(topics.BINANCE_MARKS, marks)
        await self.say(topics.RISK_EQUITY, *equity_marked(now_ns))
        await self.say(topics.AUDIT_PULSE, auditor_pulsed(now_ns))
        await self.say(topics.ACCOUNT_EVENTS, account_fenced())
        epoch = len(self.log(topics.ACCOUNT_EVENTS)) - 1
        agreed = account_reconciled(ACCOUNT, epoch, now_ns)
        await self.say(topics.ACCOUNT_EVENTS, agreed)

    async def has(self, topic: str, count: int) -> None:
        """Wait until a topic holds so many records."""
        log = self.log(topic)
        await self.broker.wait(lambda: len(log) >= count, int(_WAIT_S_MAX * 1000))
        assert len(log) >= count, f"{topic} has {len(log)} of {count}"

    async def until(self, topic: str, found: Callable[[list[Event]], bool]) -> None:
        """Wait until the events of a topic are as they should be."""
        events: list[Event] = []

        def is_found() -> bool:
            events.extend(decode(value) for value in self.values(topic)[len(events) :])
            return found(events)

        await self.broker.wait(is_found, int(_WAIT_S_MAX * 1000))
        assert is_found(), [event.type for event in events]

    def halts(self, mode: TradingMode = TradingMode.LIVE) -> Halts:
        """Give what a process obeys; nobody pulled the latch."""
        latch = KillLatch(self._latch, is_killed_by_environment=False)
        return Halts(latch, keyed.people(), mode)

    def transform(
        self, transform: Transform[Any], *, is_kept: bool = True, bus: Bus | None = None
    ) -> tuple[TransformLoop[Any], asyncio.Event]:
        """Make the guardrail's or the signer's process, and the event of its being ready."""
        writers, verifiers = _TAGS[transform.role]
        ready = asyncio.Event()
        wiring = Wiring(
            bus=bus or self.bus,
            clock=self.clock,
            metrics=Metrics(transform.role),
            halts=self.halts(),
            tagger=keyed.tagger(transform.role, *verifiers),
            checker=keyed.checker(transform.role, writers),
            instance="here",
            partitions=(NUMBER,),
            ready=ready,
            state_dir=self.states if is_kept else None,
        )
        return TransformLoop(transform, wiring), ready

    def gateway(
        self, venue: OrderVenue, *, is_kept: bool = True, concurrency_max: int = 8
    ) -> tuple[Gateway, asyncio.Event]:
        """Make the gateway's process."""
        ready = asyncio.Event()
        accounts: Mapping[int, tuple[AccountId, OrderVenue]] = {NUMBER: (ACCOUNT, venue)}
        wiring = GatewayWiring(
            bus=self.bus,
            clock=self.clock,
            metrics=Metrics(Role.GATEWAY),
            halts=self.halts(),
            checker=keyed.checker(Role.GATEWAY, {Role.SIGNER}),
            keys=hops.gateway_keys(),
            signer=SigningClient(self.files / "nobody.sock"),
            accounts=accounts,
            rules={Venue.BINANCE: BINANCE_RULES},
            mode=TradingMode.LIVE,
            endpoint=Endpoint.SIM,
            concurrency_max=concurrency_max,
            lease_ns_max=LEASE_NS,
            instance="here",
            ready=ready,
            state_dir=self.states if is_kept else None,
        )
        return Gateway(wiring), ready

    def auditor(self, *, is_kept: bool = True) -> tuple[Auditor, asyncio.Event]:
        """Make the auditor's process."""
        ready = asyncio.Event()
        wiring = AuditorWiring(
            bus=self.bus,
            clock=self.clock,
            metrics=Metrics(Role.AUDITOR),
            signer=keyed.audit_signer(),
            instance="here",
            ready=ready,
            state_dir=self.states if is_kept else None,
        )
        return Auditor(wiring), ready


@asynccontextmanager
async def running(run: Run, ready: asyncio.Event) -> AsyncIterator[None]:
    """Run a process while the body runs, and stop it then as SIGTERM does."""
    stop = asyncio.Event()
    async with _started(run, ready, stop) as task:
        yield
        stop.set()
        await task


@asynccontextmanager
async def crashing(run: Run, ready: asyncio.Event) -> AsyncIterator[None]:
    """Run a process while the body runs, and end it then where it stands, as kill -9 does."""
    async with _started(run, ready, asyncio.Event()):
        yield


@asynccontextmanager
async def _started(
    run: Run, ready: asyncio.Event, stop: asyncio.Event
) -> AsyncIterator["asyncio.Future[None]"]:
    task = asyncio.ensure_future(run(stop))
    waiting = asyncio.ensure_future(ready.wait())
    try:
        async with asyncio.timeout(_WAIT_S_MAX):
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            yield task
    finally:
        for one in (task, waiting):
            one.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)


def partition_of(topic: str) -> Partition:
    """Give the account's partition of a topic."""
    return Partition(topic, NUMBER)


_TAGS: Final[Mapping[str, tuple[frozenset[str], Sequence[str]]]] = {
    Role.GUARDRAIL: (topics.BY_NAME[topics.INTENTS].writers, (Role.SIGNER, Role.GATEWAY)),
    Role.SIGNER: (frozenset({Role.GUARDRAIL}), (Role.GATEWAY,)),
}
