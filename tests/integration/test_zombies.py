"""
Two instances of each process at once, on two hosts, on a real stack (P10, K4, I17).

One of them works. The other leaves as fenced: whether it worked when the second one came,
or was stopped meanwhile and wakes up with what it had in hand. What it wrote is judged by
the readers' own tables and by the exchange's ledger.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import aiohttp
import psutil
import pytest
import pytest_asyncio

from spark import topics
from spark.bench.caps import WIDE_CAPS
from spark.bus.kafka import KafkaBus
from spark.bus.port import Partition, Record
from spark.codec import decode
from spark.embedded.child import ChildState
from spark.embedded.plan import SimulatorOptions
from spark.embedded.processes import SIMULATORS, processes_of
from spark.embedded.roles import MIGRATE
from spark.embedded.throwaway import Throwaway, ThrowawayOptions, throwaway
from spark.errors import FencedError
from spark.events import OrderClaimed, PartitionFenced, RequestNotSent, RequestSealed
from spark.names import Action, Reason, Role, Venue
from spark.worker.fence import Lineage, Verdict
from spark.worker.hold import read_reigns
from spark.worker.spans import read_through
from tests.aftermath import parse_ledger
from tests.database import ask
from tests.ordeal import Ordeal, until
from tests.second_host import Launch, Second, launches, second_host
from tests.servers import jar_cache

_VENUES: Final = (Venue.BINANCE, Venue.BTCTURK)
_RATE: Final = 20.0
_WAIT_S_MAX: Final = 90.0
_POLL_S: Final = 0.1
#: Longer than a pulse is good for, shorter than an approval.
_ASLEEP_S: Final = 5.0
#: Longer than a pulse is good for, shorter than an intent lives: only the lease may stop it.
_PAUSED_S: Final = 3.5
#: Requests that were signed and not taken when a machine pauses.
_IN_HAND: Final = 5
#: Who takes its outputs by a fence, and where one of these stands.
FENCED: Final = {
    Role.GUARDRAIL: topics.DECISIONS,
    Role.SIGNER: topics.SIGNED,
    Role.GATEWAY: topics.EVENTS,
    Role.AUDITOR: topics.AUDIT,
    Role.ACCOUNT_FEED: topics.ACCOUNT_EVENTS,
    Role.SENTINEL: topics.RISK_EQUITY,
    Role.VENUE_WATCH: topics.VENUE_MARKS,
    Role.BINANCE_FEED: topics.BINANCE_TRADES,
    Role.BTCTURK_FEED: topics.BTCTURK_TRADES,
}
#: Who is fenced by the offset rows of its tables.
RACING: Final = (Role.FEED_WRITER, Role.PROJECTOR)
_STAMPED: Final = (topics.DECISIONS, topics.SIGNED)
pytestmark = [pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]


@dataclass(frozen=True, slots=True)
class Stage:
    """The running stack, with orders on their way."""

    ordeal: Ordeal
    launches: dict[str, Launch]

    @property
    def stack(self) -> Throwaway:
        return self.ordeal.stack

    async def fences(self, role: Role) -> int:
        """Count the fences of a role's output so far."""
        partition = Partition(FENCED[role], 0)
        return sum(isinstance(_event(one), PartitionFenced) for one in await self.read(partition))

    async def read(self, partition: Partition) -> list[Record]:
        """Read all of a partition."""
        bus, found = self.ordeal.bus, list[Record]()
        starts, ends = await bus.starts([partition]), await bus.ends([partition])
        await read_through(bus, {partition: (starts[partition], ends[partition])}, found.append)
        return found

    def said(self, role: Role, since: int) -> str:
        """Give what the stack's own instance printed since then."""
        return self.stack.home.log_of(role).read_bytes()[since:].decode()

    def sleepers(self, *, but: int) -> list[int]:
        """List the pids of all that runs here, servers included, exchanges and one not."""
        exchanges = set(SIMULATORS.values())
        pids = [pid for name, pid in self.stack.pids().items() if name not in exchanges]
        # A database has a process for each connection.
        below = [one.pid for pid in pids for one in psutil.Process(pid).children(recursive=True)]
        return [pid for pid in (*pids, *below) if pid != but]

    def log_size(self, role: Role) -> int:
        """Remember where its log ends now."""
        return self.stack.home.log_of(role).stat().st_size


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage() -> AsyncIterator[Stage]:
    """A stack of every process, two exchanges, and orders all the while."""
    options = ThrowawayOptions(
        jar_directory=jar_cache(),
        venues=_VENUES,
        processes=processes_of(_VENUES),
        simulator=SimulatorOptions(is_limited=False, market_rate=5.0),
        environment=(
            *WIDE_CAPS,
            ("SPARK_ERROR_RATE_MAX", "1"),
            # What a zombie holds is still good when it wakes: only fence and lease may stop it.
            ("SPARK_APPROVAL_LIFE_S", "10"),
            ("SPARK_SIGNATURE_LIFE_S", "10"),
            ("SPARK_BINANCE_RECV_WINDOW_MS", "10000"),
        ),
    )
    async with throwaway(options) as stack, aiohttp.ClientSession() as session:
        bus = KafkaBus(stack.login("op-local"))
        try:
            ordeal = Ordeal(stack, bus, session)
            async with ordeal.loaded(_RATE):
                yield Stage(ordeal, launches(stack))
        finally:
            await bus.close()


async def left_as_fenced(second: Second) -> None:
    """Wait for the second instance to leave, and see that it says why."""
    await until(second.has_ended, "the second instance leaves")
    assert second.process.returncode == FencedError.exit_code, second.said
    assert '"error": "FencedError"' in second.said


async def taken(stage: Stage, role: Role, second: Second, more_than: int) -> None:
    """Wait until the second instance has fenced the first one's output."""
    async with asyncio.timeout(_WAIT_S_MAX):
        while await stage.fences(role) <= more_than:
            assert not second.has_ended() or "FencedError" in second.said, second.said
            await asyncio.sleep(_POLL_S)


@pytest.mark.parametrize("role", FENCED, ids=str)
async def test_p10_who_is_taken_over_leaves_as_fenced(stage: Stage, role: Role) -> None:
    """
    F4, I17, fault P10: a second instance takes over from one that works, which leaves as fenced.

    Its supervisor starts it again, and so it takes over itself: now the second one leaves.
    """
    first = stage.ordeal.child(role)
    before, size = await stage.fences(role), stage.log_size(role)
    async with second_host(stage.stack, role, stage.launches[role]) as second:
        await taken(stage, role, second, before)
        await stage.ordeal.served_again(role, first.restarts)
        assert '"error": "FencedError"' in stage.said(role, size)
        await left_as_fenced(second)
    await stage.ordeal.acked()


@pytest.mark.parametrize("role", FENCED, ids=str)
async def test_k4_who_wakes_up_behind_another_leaves_as_fenced(stage: Stage, role: Role) -> None:
    """
    R3, R4, C2: stopped with work in hand, taken over, and woken up: nothing of it counts.

    Faults K4 and C2.
    """
    first = stage.ordeal.child(role)
    assert first.pid is not None
    before, size = await stage.fences(role), stage.log_size(role)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        async with second_host(stage.stack, role, stage.launches[role]) as second:
            await taken(stage, role, second, before)
            os.kill(first.pid, signal.SIGCONT)
            await stage.ordeal.served_again(role, first.restarts)
            assert '"error": "FencedError"' in stage.said(role, size)
            await left_as_fenced(second)
    finally:
        # Only while it is still the one that was stopped.
        if stage.ordeal.child(role).pid == first.pid:
            os.kill(first.pid, signal.SIGCONT)
    await stage.ordeal.acked()


@pytest.mark.parametrize("role", RACING, ids=str)
async def test_k4_of_two_table_writers_one_leaves(stage: Stage, role: Role) -> None:
    """
    R19: two write the same tables; whoever loses its races for them leaves.

    Faults P10, K4 and D4.
    """
    first = stage.ordeal.child(role)
    size = stage.log_size(role)
    async with second_host(stage.stack, role, stage.launches[role]) as second:

        def is_one_gone() -> bool:
            return second.has_ended() or stage.ordeal.child(role).restarts > first.restarts

        await until(is_one_gone, "one of two leaves")
        if second.has_ended():
            await left_as_fenced(second)
        else:
            assert '"error": "FencedError"' in stage.said(role, size)


async def test_s9_a_gateway_that_wakes_sends_nothing_of_before(stage: Stage) -> None:
    """
    S9, C2, K4: stopped for longer than its lease, it wakes up, alone, with signed orders.

    The exchange's ledger tells: whatever arrives from then on was signed from then on.

    Faults P9, K4, C2, N3 and O1.
    """
    gateway = stage.ordeal.child(Role.GATEWAY)
    assert gateway.pid is not None
    os.kill(gateway.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(_ASLEEP_S)
    finally:
        woke_ns = time.time_ns()
        os.kill(gateway.pid, signal.SIGCONT)
    await stage.ordeal.acked()
    assert stage.ordeal.child(Role.GATEWAY).restarts == gateway.restarts
    # First, so that whatever arrived is on the log.
    arrived = [one["client_order_id"] for one in await _places(stage) if one["at_ns"] >= woke_ns]
    sealed_ms = await _sealed_ms(stage)
    assert arrived, "it goes on with what is new"
    assert min(sealed_ms[order] for order in arrived) >= woke_ns // 1_000_000
    assert await _left_over(stage), "what it had in hand, it says, was not sent"


async def test_c2_a_machine_that_pauses_sends_nothing_of_before(stage: Stage) -> None:
    """
    Fault C2, S9: everything but the exchanges stops for longer than the lease, and wakes at once.

    The guardrail's pulses stop with the gateway, and wake with it: the gap is seen all the same.
    """
    gateway = stage.ordeal.child(Role.GATEWAY)
    assert gateway.pid is not None
    sleepers = [gateway.pid, *stage.sleepers(but=gateway.pid)]
    try:
        os.kill(gateway.pid, signal.SIGSTOP)
        # Something is in its hands, whatever moment this is.
        await stage.ordeal.written(Partition(topics.SIGNED, 0), _IN_HAND)
        for pid in sleepers[1:]:
            os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(_PAUSED_S)
    finally:
        woke_ns = time.time_ns()
        for pid in sleepers:
            os.kill(pid, signal.SIGCONT)
    await stage.ordeal.acked()
    arrived = {one["client_order_id"] for one in await _places(stage) if one["at_ns"] >= woke_ns}
    sealed_ms = await _sealed_ms(stage)
    before = {order for order, at_ms in sealed_ms.items() if at_ms < woke_ns // 1_000_000}
    assert arrived, "it goes on with what is new"
    assert arrived <= sealed_ms.keys()
    assert arrived & before == set()
    assert await _left_over(stage) & before, "what it had in hand, it says, was not sent"
    await until(partial(_do_all_serve, stage), "everybody serves")


async def test_s8_nothing_that_a_zombie_wrote_is_believed(stage: Stage) -> None:
    """S8, R3, fault K4: by the readers' own rule, on every topic that was taken over."""
    for role, topic in FENCED.items():
        records = await stage.read(Partition(topic, 0))
        fences = [one.offset for one in records if isinstance(_event(one), PartitionFenced)]
        assert fences, role
        if topic in _STAMPED:
            lineage = Lineage(topic)
            for record in records:
                event = _event(record)
                if isinstance(event, PartitionFenced):
                    lineage.fence(record.offset)
                elif lineage.judge(event.stamp) is Verdict.VALID:
                    assert event.stamp.epoch == max(one for one in fences if one < record.offset)
        elif topic in topics.HELD:
            reigns = await read_reigns(stage.ordeal.bus, {})
            for record in records:
                if not reigns.is_void(record):
                    latest = str(max(one for one in fences if one < record.offset))
                    assert dict(record.headers)["epoch"].decode() == latest


async def test_i17_tables_hold_nothing_twice(stage: Stage) -> None:
    """I17, S8: two feeds at once, and no trade stands twice in the tables."""
    url = stage.stack.database_url(MIGRATE)
    rows = await ask(
        url,
        "SELECT venue, symbol, trade_id, count(*) FROM market.trades "
        "GROUP BY 1, 2, 3 HAVING count(*) > 1",
    )
    assert rows == []
    (counted,) = await ask(url, "SELECT count(*) FROM market.trades")
    assert counted[0] > 0


async def test_i17_the_exchange_saw_each_order_once(stage: Stage) -> None:
    """I17, R1, R2, fault P10: no id arrived twice, and none that no gateway had claimed."""
    placed = Counter(one["client_order_id"] for one in await _places(stage))
    assert placed
    assert max(placed.values()) == 1
    claims = {
        event.client_order_id
        for event in map(_event, await stage.read(Partition(topics.EVENTS, 0)))
        if isinstance(event, OrderClaimed)
    }
    assert set(placed) <= claims


async def _places(stage: Stage) -> list[dict[str, Any]]:
    """List the requests for new orders that arrived at the exchange."""
    entries: list[dict[str, Any]] = []
    page, since = parse_ledger(await stage.ordeal.judge("GET", "/ledger?since=0"))
    while page:
        entries += page
        page, since = parse_ledger(await stage.ordeal.judge("GET", f"/ledger?since={since}"))
    return [
        one
        for one in entries
        if one["kind"] == "request" and (one["method"], one["path"]) == ("POST", "/api/v3/order")
    ]


async def _sealed_ms(stage: Stage) -> dict[str, int]:
    """Say when each place was sealed, by the log's clock."""
    return {
        event.client_order_id: record.timestamp_ms
        for record in await stage.read(Partition(topics.SIGNED, 0))
        if isinstance(event := _event(record), RequestSealed) and event.action is Action.PLACE
    }


async def _left_over(stage: Stage) -> set[str]:
    """Name the places that the gateway did not send because its lease was over."""
    return {
        event.client_order_id
        for record in await stage.read(Partition(topics.EVENTS, 0))
        if isinstance(event := _event(record), RequestNotSent)
        and any(reason.code is Reason.LEASE_OVER for reason in event.reasons)
    }


def _do_all_serve(stage: Stage) -> bool:
    return {child.state for child in stage.stack.state.children} == {ChildState.READY}


def _event(record: Record) -> Any:  # noqa: ANN401  (any event)
    return decode(record.value or b"")
