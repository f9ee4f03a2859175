"""
The broker's disk runs full under load, and has room again: what everybody does, on a real one.

Kafka ends with its first write that does not fit. While there is no room it is not started,
and says why; nobody can claim, so nobody sends. An operator kills meanwhile. With room it comes
back, and so does everything, but for the orders: these wait for people. The exchange's own
ledger judges.
"""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import pytest
import pytest_asyncio

from spark import topics
from spark.bench.caps import WIDE_CAPS, patient
from spark.bench.crash.attended import Attended, attended
from spark.bench.crash.load import Load, beside
from spark.bench.crash.rooms import fill
from spark.bench.crash.stack import CrashStack
from spark.bench.jury.limits import Caps
from spark.bench.jury.panel import Verdict
from spark.bus.kafka import KafkaBus
from spark.bus.port import Partition, Record
from spark.cli.exit_codes import ExitCode
from spark.embedded.child import ChildState, ChildStatus
from spark.embedded.home import Home
from spark.embedded.plan import SimulatorOptions
from spark.embedded.processes import DEMO, KAFKA, processes_of
from spark.embedded.throwaway import Throwaway, ThrowawayOptions
from spark.events import OrderClaimed
from spark.names import Action, Reason, Role, Venue
from tests.aftermath import event_of
from tests.disks import small_disk_or_skip
from tests.gathering import Records, read_on
from tests.ordeal import Ordeal, until
from tests.servers import jar_cache

_VENUES: Final = (Venue.BINANCE,)
_RATE: Final = 40.0
_DISK_BYTES: Final = 128 * 1024 * 1024
_QUIET_S_MAX: Final = 60.0
_ENVIRONMENT: Final = patient(WIDE_CAPS)
_WIDE: Final = Caps(
    orders_per_minute_max=10**8,
    notional_try_per_s_max=Decimal(10**12),
    order_notional_usd_max=Decimal(10**12),
    open_orders_max=10**8,
    exposure_usd_max=Decimal(10**12),
)
pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said."""

    code: int
    text: str


@dataclass(slots=True)
class Told:
    """What was seen, from the full disk to the end."""

    #: While the disk was full, after everybody had noticed.
    status: Said = field(init=False)
    #: What `spark kill` said then, and the files in the latch directory after it.
    killed: Said = field(init=False)
    latched: list[str] = field(init=False)
    broker: ChildStatus = field(init=False)
    processes: list[ChildStatus] = field(init=False)
    broker_log: str = field(init=False)
    #: By the wall clock: the broker is known to be gone, there is room again, people may resume.
    gone_ns: int = 0
    freed_ns: int = 0
    resumed_ns: int = 0
    #: After there was room again.
    children: tuple[ChildStatus, ...] = ()
    is_quiet: bool = False
    verdict: Verdict = field(init=False)
    #: The exchange's ledger, and the gateway's log.
    ledger: list[dict[str, Any]] = field(default_factory=list)
    events: list[Record] = field(default_factory=list)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def told() -> AsyncIterator[Told]:
    """A stack whose broker ran out of disk under load, and had room again."""
    options = ThrowawayOptions(
        jar_directory=jar_cache(),
        venues=_VENUES,
        processes=tuple(name for name in processes_of(_VENUES) if name != DEMO),
        simulator=SimulatorOptions(is_limited=False, market_rate=5.0),
        environment=_ENVIRONMENT,
    )
    crash_stack = CrashStack(options)
    disk = crash_stack.root / "kafka"
    Home(crash_stack.root).found()
    disk.mkdir(mode=0o700)
    async with AsyncExitStack() as around:
        around.callback(crash_stack.remove)
        around.enter_context(small_disk_or_skip(disk, _DISK_BYTES))
        around.push_async_callback(crash_stack.stop)
        stack = await crash_stack.start()
        work = await around.enter_async_context(attended(crash_stack, stack, _VENUES, caps=_WIDE))
        session = await around.enter_async_context(aiohttp.ClientSession())
        bus = KafkaBus(stack.login("op-local"))
        around.push_async_callback(bus.close)
        yield await _story(work, Ordeal(stack, bus, session))


async def _story(work: Attended, ordeal: Ordeal) -> Told:
    told, stack = Told(), ordeal.stack
    ballast = stack.home.root / "kafka" / "ballast"
    async with beside(Load(stack, _VENUES, 1, rate=_RATE).run()):
        async with beside(work.mind()):
            await ordeal.acked()
            await until(partial(_is_refused, ordeal, ballast), "the broker is not started")
            told.gone_ns = time.time_ns()
            await until(partial(_do_all_wait, ordeal), "everybody waits for the broker")
        # Nobody minds the stack now, so nobody resumes anything.
        _look(work, ordeal, told)
        told.freed_ns = time.time_ns()
        ballast.unlink()
        for name in work.scene.processes():
            await work.scene.awake(name, told.freed_ns / 1e6)
        await ordeal.refused(Reason.KILL_SWITCH_ACTIVE)
        told.resumed_ns = time.time_ns()
        async with beside(work.mind()):
            await ordeal.acked()
    async with beside(work.mind()):
        told.is_quiet = await work.judge.quiet(_QUIET_S_MAX)
        told.verdict = await work.judge.verdict()
    told.children = stack.state.children
    told.ledger = await work.scene.judges[Venue.BINANCE].new_lines()
    partition, known = Partition(topics.EVENTS, 0), Records()
    await read_on(ordeal.bus, [partition], known)
    told.events = known[partition]
    return told


def _look(work: Attended, ordeal: Ordeal, told: Told) -> None:
    """Look around while the disk is full, and kill."""
    stack = ordeal.stack
    told.status = _said(stack, "status")
    told.broker = ordeal.child(KAFKA)
    told.processes = [ordeal.child(name) for name in work.scene.processes()]
    told.broker_log = stack.home.log_of(KAFKA).read_text()
    told.killed = _said(stack, "kill", "--reason", "a full disk", "--wait", "1s", "--json")
    told.latched = [entry.name for entry in stack.home.kill.iterdir()]


def _is_refused(ordeal: Ordeal, ballast: Path) -> bool:
    # Again and again: what ends may give back a page, and a last write may fit into one.
    fill(ballast)
    broker = ordeal.child(KAFKA)
    return broker.pid is None and "disk is full" in broker.detail


def _do_all_wait(ordeal: Ordeal) -> bool:
    return (
        all(
            child.state is ChildState.WAITING
            for child in ordeal.stack.state.children
            if child.name in {role.value for role in Role}
        )
        and "disk is full" in ordeal.child(KAFKA).detail
    )


def _said(stack: Throwaway, *words: str) -> Said:
    done = subprocess.run(
        [sys.executable, "-m", "spark", *words],
        env={"PATH": os.environ["PATH"], "SPARK_HOME": str(stack.anchor.root)},
        capture_output=True,
        timeout=60,
        check=False,
        text=True,
    )
    return Said(done.returncode, done.stdout)


async def test_k2_the_broker_ends_and_is_not_started_without_room(told: Told) -> None:
    """
    It ends with the write that does not fit, and no start is tried on the full disk.

    Fault K2.
    """
    assert "No space left on device" in told.broker_log
    assert "unsafe memory access" not in told.broker_log
    assert told.broker.restarts == 0
    assert told.broker.state is ChildState.PAUSING


async def test_k2_the_operator_is_told_that_the_disk_is_full(told: Told) -> None:
    """I18, fault K2: `spark status` ends as unavailable, and names the disk and what it takes."""
    assert told.status.code == ExitCode.UNAVAILABLE
    (line,) = [one for one in told.status.text.splitlines() if one.split()[:1] == [KAFKA]]
    assert "the disk is full: 0 MiB left for " in line
    assert "make room" in line


async def test_k2_nobody_is_ready_and_nobody_halts_meanwhile(told: Told) -> None:
    """
    I18: each process has ended by itself and waits for the broker; none is left alone.

    Fault K2.
    """
    found = {child.name: (child.state, child.pid, child.detail) for child in told.processes}
    assert found == dict.fromkeys(found, (ChildState.WAITING, None, f"for {KAFKA}"))


async def test_k2_nothing_is_sent_that_is_not_claimed_on_the_log(told: Told) -> None:
    """
    R2, I5: what still left was claimed before; then nothing leaves until there is room.

    Faults K2 and A1.
    """
    claimed_ns = _claimed_ns(told, Action.PLACE)
    places = _requests(told, "POST")
    assert {one["client_order_id"] for one in places} <= claimed_ns.keys()
    assert [one for one in claimed_ns.values() if told.gone_ns <= one < told.freed_ns] == []
    late = [one for one in places if told.gone_ns <= one["at_ns"] < told.freed_ns]
    assert all(claimed_ns[one["client_order_id"]] < told.gone_ns for one in late)
    assert [one for one in places if one["at_ns"] < told.gone_ns]
    assert [one for one in places if one["at_ns"] >= told.freed_ns], "it goes on"


async def test_k2_no_cancel_leaves_while_nothing_can_be_claimed(told: Told) -> None:
    """Fault K2, R2: cancels are claimed on the log too: but for those in flight none leaves."""
    claimed_ns = _claimed_ns(told, Action.CANCEL)
    cancels = _requests(told, "DELETE")
    assert [one for one in claimed_ns.values() if told.gone_ns <= one < told.freed_ns] == []
    late = [one for one in cancels if told.gone_ns <= one["at_ns"] < told.freed_ns]
    assert all(claimed_ns[one["client_order_id"]] < told.gone_ns for one in late)
    assert [one for one in cancels if one["at_ns"] < told.gone_ns]


async def test_k2_a_kill_on_a_full_disk_holds_until_people_resume(told: Told) -> None:
    """Fault K2, S10: the file is enough: with room again nobody places, until people resume."""
    assert told.killed.code == ExitCode.UNAVAILABLE
    killed = orjson.loads(told.killed.text)
    assert killed["offset"] is None
    assert told.latched == [killed["halt"]]
    places = _requests(told, "POST")
    assert [one for one in places if told.freed_ns <= one["at_ns"] < told.resumed_ns] == []
    assert [one for one in places if one["at_ns"] >= told.resumed_ns], "it goes on"


def _claimed_ns(told: Told, action: Action) -> dict[str, int]:
    """Say when each order's first request was claimed: a cancel may be asked for again."""
    return {
        event.client_order_id: record.timestamp_ms * 1_000_000
        for record in reversed(told.events)
        if isinstance(event := event_of(record), OrderClaimed) and event.action is action
    }


def _requests(told: Told, method: str) -> list[dict[str, Any]]:
    return [
        line
        for line in told.ledger
        if line["kind"] == "request" and (line["method"], line["path"]) == (method, "/api/v3/order")
    ]


async def test_k2_with_room_everything_comes_back_by_itself(told: Told) -> None:
    """H2, fault K2: the broker with its first start, everybody else after it, without a command."""
    assert {child.state for child in told.children} == {ChildState.READY}
    (broker,) = [child for child in told.children if child.name == KAFKA]
    assert broker.restarts == 1


async def test_k2_nothing_is_lost_or_done_twice_by_a_full_disk(told: Told) -> None:
    """A7, A8, A11, fault K2: the log cut where it did not fit, ledgers, tables and audit agree."""
    assert told.is_quiet
    assert told.verdict.details == ()
    assert told.verdict.orders > 0
