"""
What holds on a whole stack while orders go through it.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import psutil
import pytest
import pytest_asyncio

from spark import keys, topics
from spark.audit_chain import Audited, line_of
from spark.bench.caps import WIDE_CAPS
from spark.bus.kafka import KafkaBus
from spark.bus.port import Partition, Record
from spark.cli.started import build_digest
from spark.codec import decode
from spark.embedded.plan import SimulatorOptions
from spark.embedded.processes import DEMO, POSTGRES, processes_of
from spark.embedded.roles import MIGRATE
from spark.embedded.throwaway import ThrowawayOptions, throwaway
from spark.events import AuditLine, AuditPaged, PartitionFenced, ProcessStarted
from spark.names import Role, Venue
from spark.people import read_people
from tests.aftermath import NUMBER, event_of
from tests.database import ask
from tests.gathering import Records, read_on
from tests.hindered import stopped
from tests.ordeal import Ordeal
from tests.servers import jar_cache

_VENUES: Final = (Venue.BINANCE,)
_PROCESSES: Final = tuple(name for name in processes_of(_VENUES) if name != DEMO)
_RATE: Final = 20.0
_WAIT_S_MAX: Final = 90.0
_POLL_S: Final = 0.1
#: Whose end would be felt by an order.
_ORDER_PATH: Final = (
    Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY, Role.ACCOUNT_FEED, Role.SENTINEL, Role.VENUE_WATCH,
)  # fmt: skip
_EVENTS: Final = Partition(topics.EVENTS, NUMBER)
_STARTS: Final = Partition(topics.CONTROL_STARTS, 0)
pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def ordeal() -> AsyncIterator[Ordeal]:
    """A stack of every process, whose orders rest, trade and are cancelled all the while."""
    options = ThrowawayOptions(
        jar_directory=jar_cache(),
        venues=_VENUES,
        processes=_PROCESSES,
        simulator=SimulatorOptions(is_limited=False, market_rate=5.0),
        environment=(*WIDE_CAPS, ("SPARK_ERROR_RATE_MAX", "1")),
    )
    async with throwaway(options) as stack, aiohttp.ClientSession() as session:
        bus = KafkaBus(stack.login("op-local"))
        try:
            ordeal = Ordeal(stack, bus, session)
            async with ordeal.loaded(_RATE, trading=_VENUES):
                yield ordeal
        finally:
            await bus.close()


async def test_a_database_that_stands_still_is_not_noticed_by_an_order(ordeal: Ordeal) -> None:
    """Fault D1: places are acknowledged and filled meanwhile; the tables catch up afterwards."""
    before = {role: ordeal.child(role).restarts for role in _ORDER_PATH}
    postgres = ordeal.child(POSTGRES)
    assert postgres.pid is not None
    with stopped(postgres.pid):
        for _ in range(2):
            await ordeal.acked()
            await ordeal.filled()
        ends = await ordeal.bus.ends([_EVENTS])

    assert {role: ordeal.child(role).restarts for role in _ORDER_PATH} == before
    async with asyncio.timeout(_WAIT_S_MAX):
        while await _projected(ordeal) < ends[_EVENTS]:  # noqa: ASYNC110  (another process)
            await asyncio.sleep(_POLL_S)


async def test_x3_the_signer_speaks_with_the_broker_alone(ordeal: Ordeal) -> None:
    """Fault X3, S12: its connections lead to Kafka, and it listens on no port."""
    signer = ordeal.child(Role.SIGNER)
    assert signer.pid is not None
    await ordeal.acked()
    try:
        connections = psutil.Process(signer.pid).net_connections("inet")
    except psutil.AccessDenied:
        pytest.skip("its memory is closed, and only root looks into it")
    assert {one.status for one in connections} <= {psutil.CONN_ESTABLISHED}
    host, _, port = ordeal.stack.state.kafka_bootstrap.rpartition(":")
    assert {tuple(one.raddr) for one in connections} == {(host, int(port))}


async def test_a5_each_start_stands_in_the_trail_with_its_digests(ordeal: Ordeal) -> None:
    """Fault O5, A5: every process says its build and its settings, and the auditor chains it."""
    starts = (await _read(ordeal, _STARTS))[_STARTS]
    said = [one for record in starts if isinstance(one := event_of(record), ProcessStarted)]
    assert len(said) == len(starts)
    assert {one.role for one in said} == set(_PROCESSES)
    assert {one.build for one in said} == {build_digest()}
    for one in said:
        again = {other.configuration for other in said if other.role == one.role}
        assert again == {one.configuration}, "no start of it had other settings"
    wanted = {line_of(_audited(record)) for record in starts}
    async with asyncio.timeout(_WAIT_S_MAX):
        while not wanted <= await _lines(ordeal):  # noqa: ASYNC110  (another process)
            await asyncio.sleep(_POLL_S)


async def test_s11_each_stage_says_whose_signatures_count(ordeal: Ordeal) -> None:
    """Fault O5, S11: guardrail, signer and gateway hold one list, and each fence says which."""
    fences = {}
    for topic in (topics.DECISIONS, topics.SIGNED, topics.EVENTS):
        output = Partition(topic, NUMBER)
        events = [event_of(record) for record in (await _read(ordeal, output))[output]]
        *_, fences[topic] = (one for one in events if isinstance(one, PartitionFenced))
    public = ordeal.stack.home.public
    people = read_people(
        (public / keys.OPERATORS).read_text(), (public / keys.LOG_EPOCH).read_text()
    )
    assert {fence.settings["people"] for fence in fences.values()} == {people.digest}


def _audited(record: Record) -> Audited:
    return Audited(
        *(record.partition.topic, record.partition.number, record.offset, record.timestamp_ms),
        *(record.key, record.value, record.headers),
    )


async def _lines(ordeal: Ordeal) -> set[AuditLine]:
    """Give every line of the trail so far."""
    trail = Partition(topics.AUDIT, 0)
    events = [decode(record.value or b"") for record in (await _read(ordeal, trail))[trail]]
    return {line for one in events if isinstance(one, AuditPaged) for line in one.lines}


async def _read(ordeal: Ordeal, partition: Partition) -> Records:
    known = Records()
    await read_on(ordeal.bus, [partition], known)
    return known


async def _projected(ordeal: Ordeal) -> int:
    """Say how far the gateway's events are in the tables."""
    sql = (
        "SELECT next_offset FROM projector_offsets WHERE (topic, partition) = ('orders.events', 0)"
    )
    rows = await ask(ordeal.stack.database_url(MIGRATE), sql)
    return int(rows[0][0]) if rows else 0
