"""The sentinel on a real broker, as its own principal with its own rights."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from spark import topics
from spark.bus.kafka import KafkaBus
from spark.bus.port import Outgoing, Partition
from spark.clock import SystemClock
from spark.codec import encode
from spark.consumers.sentinel import Sentinel, SentinelWiring
from spark.errors import FencedError
from spark.events import EquityMarked, Event, TradingDemoted, TradingHalted
from spark.metrics import Metrics
from spark.names import Role, Symbol, TradingMode
from spark.worker.authority import check_authority
from spark.worker.halts import Halts
from spark.worker.latch import KillLatch
from tests import keyed
from tests.faring import fence
from tests.made import ACCOUNT, Life, instrument
from tests.marks import prices_marked
from tests.servers import RunningKafka
from tests.tape import Tape
from tests.watched import SENTINEL_RULES, bought

_MID = Decimal(60_000)


class Broker:
    """Who writes what the sentinel reads, each as itself."""

    def __init__(self, server: RunningKafka, files: Path) -> None:
        self.server = server
        self.files = files
        (files / "kill.d").mkdir()

    async def write(self, principal: str, topic: str, *events: Event) -> None:
        bus = KafkaBus(self.server.login(principal))
        writer = await bus.writer([topic])
        await writer.write(
            [Outgoing(Partition(topic, 0), ACCOUNT.encode(), encode(one)) for one in events]
        )
        await writer.close()
        await bus.close()

    async def price(self) -> None:
        """Let both principals mark the price as of now."""
        event = prices_marked({Symbol("BTCUSDT"): _MID}, SystemClock().wall_ns())
        await self.write(Role.VENUE_WATCH, topics.VENUE_MARKS, event)
        await self.write(Role.BINANCE_FEED, topics.BINANCE_MARKS, event)

    @asynccontextmanager
    async def sentinel(self) -> AsyncIterator[asyncio.Task[None]]:
        bus = KafkaBus(self.server.login(Role.SENTINEL))
        await check_authority(bus, Role.SENTINEL)
        ready, stop = asyncio.Event(), asyncio.Event()
        latch = KillLatch(self.files / "kill.d", is_killed_by_environment=False)
        wiring = SentinelWiring(
            bus=bus,
            clock=SystemClock(),
            metrics=Metrics(Role.SENTINEL),
            halts=Halts(latch, keyed.people(), TradingMode.LIVE),
            latch_dir=self.files / "kill.d",
            rules=SENTINEL_RULES,
            instance="here",
            ready=ready,
            state_dir=self.files,
            period_s=0.05,
        )
        task = asyncio.create_task(Sentinel(wiring).run(stop))
        try:
            await asyncio.wait(
                {task, asyncio.ensure_future(ready.wait())}, return_when=asyncio.FIRST_COMPLETED
            )
            yield task
            stop.set()
            if not task.done():
                await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await bus.close()


@pytest.fixture
def broker(kafka_server: RunningKafka, tmp_path: Path) -> Broker:
    kafka_server.recreate_topics()
    return Broker(kafka_server, tmp_path)


@pytest.fixture
async def tape(broker: Broker) -> AsyncIterator[Tape]:
    bus = KafkaBus(broker.server.login("op-local"))
    tape = Tape(bus, [topics.RISK_EQUITY, topics.CONTROL_HALT])
    await tape.open()
    yield tape
    await tape.close()
    await bus.close()


def worth(tape: Tape, usd: str) -> Callable[[], list[EquityMarked]]:
    return lambda: [
        one
        for one in tape.on(topics.RISK_EQUITY, EquityMarked)
        if one.total.equity_usd == Decimal(usd)
    ]


async def test_equity_and_kill_with_the_rights_of_the_table(broker: Broker, tape: Tape) -> None:
    """
    B5, B10, S17: marked once it can be, over a restart too; a fill after the end kills.

    Fault V5.
    """
    await broker.write(Role.VENUE_WATCH, topics.VENUE_STATE, instrument())
    await broker.write(Role.GATEWAY, topics.EVENTS, fence(), bought("one", "0.1", "50000"))
    async with broker.sentinel():
        await broker.price()
        await tape.until(worth(tape, "11000.0005"))
    await broker.write(Role.GATEWAY, topics.EVENTS, bought("two", "0.1", "50000"))
    async with broker.sentinel():
        await broker.price()
        marked = (await tape.until(worth(tape, "12000.001")))[0]
        life = Life("late")
        said = (
            replace(life.claimed(0), mode=TradingMode.LIVE),
            life.rejected(),
            life.filled("1", "1", "late"),
        )
        await broker.write(Role.GATEWAY, topics.EVENTS, *said)
        await tape.some(topics.CONTROL_HALT, TradingDemoted, 1)
        (kill,) = tape.on(topics.CONTROL_HALT, TradingHalted)

    assert marked.total.peak_usd == marked.total.equity_usd
    assert [path.name for path in (broker.files / "kill.d").iterdir()] == [kill.halt]


async def test_a_second_instance_takes_over(broker: Broker, tape: Tape) -> None:
    """F4: the fence ends the first, which then says nothing more."""
    async with broker.sentinel() as first:
        await tape.until(worth(tape, "10000"))
        async with broker.sentinel():
            await asyncio.wait({first}, timeout=30)
            assert isinstance(first.exception(), ExceptionGroup)
            seen = len(tape.on(topics.RISK_EQUITY, EquityMarked))
            await tape.some(topics.RISK_EQUITY, EquityMarked, seen + 3)
        error = first.exception()

    assert isinstance(error, ExceptionGroup)
    assert isinstance(error.exceptions[0], FencedError)
