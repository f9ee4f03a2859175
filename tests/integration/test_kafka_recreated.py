"""
A topic deleted and made anew by an administrator: every reader halts, while it runs and at start.

What Spark does: each process compares the broker's id of every topic that it depends on with
the one that it began with, every two seconds and at each start. It ends with code 7 and names
the topic and the page; nobody begins again at offset 0.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from spark import topics
from spark.bus.kafka import KafkaBus
from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Partition
from spark.consumers import table_watch
from spark.errors import AuthorisationError, HaltError, PartitionError, PositionError, WriteError
from spark.events import OrderAcked, PartitionFenced
from spark.names import Role
from spark.worker import incarnations
from tests.database import make_tables
from tests.market import FEED_TOPICS, QUOTES, market_record, writing
from tests.order_path import STAGES, OrderPath, in_memory, memory_log, order_path, served
from tests.projecting import TOPICS, projecting
from tests.servers import RunningKafka, RunningPostgres
from tests.tape import PATIENCE_S

_ALL = (*STAGES, Role.AUDITOR, Role.ACCOUNT_FEED)
_PAGE = "runbook/kafka-bad-days.md"


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incarnations, "_PERIOD_S", 0.05)
    monkeypatch.setattr(table_watch, "_PERIOD_S", 0.05)


def dependents(path: OrderPath, topic: str) -> list[str]:
    """Name the roles whose fences say that they depend on a topic."""
    fences = [
        event
        for name in path.tape.records
        for _, event in path.tape.records[name]
        if isinstance(event, PartitionFenced) and topic in event.topic_ids
    ]
    return sorted({fence.role for fence in fences} & {role.value for role in _ALL})


def make_anew(broker: MemoryBroker, topic: str, *, grown: bool) -> None:
    """Put another topic in the place of one; `grown` to the same records, so no offset tells."""
    count = topics.BY_NAME[topic].partitions
    old = {number: list(broker.log(Partition(topic, number))) for number in range(count)}
    broker.create(topic, count)
    if grown:
        for number, records in old.items():
            broker.log(Partition(topic, number)).extend(records)


@pytest.mark.parametrize(
    "topic",
    [
        topics.INTENTS,
        topics.DECISIONS,
        topics.SIGNED,
        topics.EVENTS,
        topics.ACCOUNT_EVENTS,
        topics.CONTROL,
        topics.VENUE_STATE,
        topics.AUDIT,
    ],
)
@pytest.mark.parametrize("is_kept", [True, False], ids=["kept states", "from the log"])
async def test_r18_a_topic_made_anew_halts_everybody_who_depends_on_it(
    tmp_path: Path, topic: str, is_kept: bool
) -> None:
    """
    R18: grown to the same length within seconds; while running, and at the next start.

    Fault K10.
    """
    log = memory_log()
    async with in_memory(log, state_dir=tmp_path if is_kept else None) as path:
        await path.up()
        order = path.order()
        await path.ask(order)
        await path.hear(order, OrderAcked)
        await path.up(Role.AUDITOR, Role.ACCOUNT_FEED)
        await path.tape.catch_up()
        found = dependents(path, topic)
        assert found, "somebody depends on it"
        make_anew(log, topic, grown=True)
        for role in found:
            error = await path.stage(Role(role)).error()
            assert isinstance(error, PositionError), (role, error)
            assert error.exit_code == HaltError.exit_code
            assert topic in str(error)
            assert _PAGE in str(error)
        # Again and again: a start that halts has fenced with the new ids. The venue watch
        # alone begins anew: it knows nothing of what it said before.
        for role in 2 * [one for one in found if one != Role.VENUE_WATCH]:
            error = await path.start(Role(role)).error()
            assert isinstance(error, PositionError), (role, error)
            assert _PAGE in str(error)
        assert len(await path.placed()) == 1


@pytest.fixture
async def real(kafka_server: RunningKafka) -> AsyncIterator[OrderPath]:
    kafka_server.recreate_topics()
    async with order_path(lambda principal: KafkaBus(kafka_server.login(principal))) as path:
        await path.up()
        yield path


@pytest.mark.parametrize("topic", [topics.EVENTS, topics.SIGNED])
async def test_r18_a_topic_made_anew_on_the_broker_under_running_stages(
    real: OrderPath, kafka_server: RunningKafka, topic: str
) -> None:
    """
    R18: by the broker's own topic id; a stage may end by a failed append first, and halts then.

    A signer without a kept state has nothing left that knew the older topic and starts anew;
    the gateway, which knows it, does not, so nothing is sent.
    """
    await real.up(Role.AUDITOR, Role.ACCOUNT_FEED)
    # A topic that never held anything can be made anew without a loss.
    await served(real)
    await real.tape.catch_up()
    found = dependents(real, topic)
    kafka_server.recreate_topic(topic)
    for role in found:
        error = await real.stage(Role(role)).error()
        assert isinstance(error, HaltError | WriteError), (role, error)
    for role in sorted({*found} - ({Role.SIGNER} if topic == topics.SIGNED else set())):
        error = await real.start(Role(role)).error()
        assert isinstance(error, PositionError), (role, error)
        assert f"{topic} is not the topic that it was" in str(error)
        assert _PAGE in str(error)


async def test_k10_a_deleted_topic_is_named_and_nobody_makes_it_anew(
    real: OrderPath, kafka_server: RunningKafka
) -> None:
    """Fault K10: without `orders.signed` signer and gateway halt and say which topic is missing."""
    admin = kafka_server.admin()
    admin.delete_topics([topics.SIGNED])[topics.SIGNED].result()
    try:
        for role in (Role.SIGNER, Role.GATEWAY):
            error = await real.stage(role).error()
            assert isinstance(error, HaltError | WriteError), (role, error)
        for role in (Role.SIGNER, Role.GATEWAY):
            error = await real.start(role).error()
            assert isinstance(error, PartitionError | AuthorisationError), (role, error)
            assert topics.SIGNED in str(error)
        assert topics.SIGNED not in admin.list_topics(timeout=10).topics
    finally:
        kafka_server.provision()


@pytest.fixture
async def postgres(postgres_server: RunningPostgres) -> RunningPostgres:
    await make_tables(postgres_server)
    return postgres_server


async def halted(task: "asyncio.Task[None]") -> BaseException:
    """Wait for a table writer's end; gives why."""
    await asyncio.wait({task}, timeout=PATIENCE_S)
    found = task.exception()
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert found is not None
    return found


@pytest.mark.parametrize("grown", [True, False], ids=["as long", "empty"])
async def test_r18_a_running_feed_writer_halts(postgres: RunningPostgres, grown: bool) -> None:
    """R18: rows of two incarnations never stand under one offset row."""
    broker = MemoryBroker(FEED_TOPICS)
    await broker.append([market_record(QUOTES, [1]), market_record(QUOTES, [2])])
    with suppress(ExceptionGroup, PositionError):
        async with writing(MemoryBus(broker), postgres) as running:
            await running.reached({QUOTES: 2})
            records = list(broker.log(QUOTES))
            broker.create(QUOTES.topic, 1)
            broker.log(QUOTES).extend(records if grown else ())
            assert isinstance(await halted(running.task), PositionError)
    assert running.task.done()


@pytest.mark.parametrize("grown", [True, False], ids=["as long", "empty"])
async def test_r18_a_running_projector_halts(postgres: RunningPostgres, grown: bool) -> None:
    """R18: tables are of one log; `spark db rebuild` is for a person to say."""
    broker = MemoryBroker(TOPICS)
    with suppress(ExceptionGroup, PositionError):
        async with projecting(MemoryBus(broker), postgres) as running:
            await running.projector.ready.wait()
            make_anew(broker, topics.EVENTS, grown=grown)
            assert isinstance(await halted(running.task), PositionError)
    assert running.task.done()
