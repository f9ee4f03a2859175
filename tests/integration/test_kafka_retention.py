"""
Retention, or an administrator's deletion, passes a reader by: it halts, and says what is gone.

What Spark does: nothing that a state is folded from may expire (R8), so a beginning that is
gone is no reason to begin later; a process ends with code 7 and names the topic, the first
record that is left and the page. A reader that is passed while it works halts as well. A
topic that is read by its newest records alone may lose its oldest ones.
"""

from collections.abc import AsyncIterator

import pytest
from confluent_kafka import TopicPartition

from spark import topics
from spark.bus.kafka import KafkaBus
from spark.bus.port import Bus, Outgoing, Pace, Partition, Reader
from spark.errors import HaltError, PositionError
from spark.events import OrderAcked
from spark.names import Role
from tests.held_bus import HeldBus
from tests.order_path import OrderPath, in_memory, memory_log, order_path
from tests.order_stages import BTC
from tests.servers import RunningKafka

#: Who folds what, and so halts without its beginning; who has served it needs it no more.
_NEEDS = {
    topics.DECISIONS: (Role.GUARDRAIL,),
    topics.SIGNED: (Role.SIGNER,),
    topics.EVENTS: (Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY, Role.ACCOUNT_FEED),
    topics.ACCOUNT_EVENTS: (Role.GUARDRAIL, Role.SIGNER, Role.ACCOUNT_FEED),
}


def delete_records(server: RunningKafka, partition: Partition, before: int) -> None:
    """Delete what stands below an offset, as an administrator does, or retention."""
    admin = server.admin()
    wanted = TopicPartition(partition.topic, partition.number, before)
    for done in admin.delete_records([wanted]).values():
        assert done.result().low_watermark == before


@pytest.mark.parametrize("topic", sorted(_NEEDS))
async def test_r8_a_beginning_that_is_gone_halts_who_folds_it(topic: str) -> None:
    """R8: at the start; nothing is folded from the middle of a topic that is kept for ever."""
    log = memory_log()
    async with in_memory(log) as path:
        await path.up()
        order = path.order()
        await path.ask(order)
        await path.hear(order, OrderAcked)
        for stage in path.stages:
            await stage.crash()
        log.cut(Partition(topic, 0), 1)
        for role in _NEEDS[topic]:
            error = await path.start(role).error()
            assert isinstance(error, PositionError), (role, error)
            assert error.exit_code == HaltError.exit_code
            assert f"{topic}/0" in str(error) or topic in str(error)


async def test_r8_inputs_that_were_served_may_go() -> None:
    """R8: what stands below a stage's last output is not read again, so its loss is none."""
    log = memory_log()
    async with in_memory(log) as path:
        await path.up()
        for _ in range(2):
            order = path.order()
            await path.ask(order)
            await path.hear(order, OrderAcked)
        await path.stage(Role.GUARDRAIL).crash()
        log.cut(Partition(topics.INTENTS, 0), 1)
        await path.start(Role.GUARDRAIL).is_up()
        later = path.order(BTC)
        await path.ask(later)
        await path.hear(later, OrderAcked)


@pytest.fixture
async def held(kafka_server: RunningKafka) -> AsyncIterator[tuple[OrderPath, HeldBus]]:
    """An order path on the broker, whose guardrail can be held."""
    kafka_server.recreate_topics()
    guardrails: list[HeldBus] = []

    def bus(principal: str) -> Bus:
        inner = KafkaBus(kafka_server.login(principal))
        if principal != Role.GUARDRAIL or guardrails:
            return inner
        guardrails.append(HeldBus(inner))
        return guardrails[0]

    async with order_path(bus) as path:
        await path.up()
        yield path, guardrails[0]


async def test_r8_retention_passes_a_running_guardrail_by(
    held: tuple[OrderPath, HeldBus], kafka_server: RunningKafka
) -> None:
    """
    R8: intents that expired before they were decided are a loss: halt, at the next start too.

    Fault K10.
    """
    path, guardrail = held
    intents = Partition(topics.INTENTS, 0)
    first = path.order()
    await path.ask(first)
    await path.decided(first)
    guardrail.hold()
    await path.ask(path.order())
    await guardrail.is_waiting.wait()
    # It has the second one in hand and reads no further; these come and go meanwhile.
    for _ in range(3):
        await path.ask(path.order(), path.order())
    bus = KafkaBus(kafka_server.login("broker"))
    end = (await bus.ends([intents]))[intents]
    delete_records(kafka_server, intents, end)
    assert (await bus.starts([intents]))[intents] == end
    await bus.close()
    await path.stage(Role.GUARDRAIL).crash()
    guardrail.release()
    error = await path.start(Role.GUARDRAIL).error()
    assert isinstance(error, PositionError), error
    assert "kafka-bad-days" in str(error)
    assert len(await path.placed()) <= 1, "nothing of what was never decided"


async def read_on(reader: Reader) -> None:
    """Read until something is wrong, or for long enough."""
    for _ in range(50):
        await reader.read(200)


async def test_r8_a_reader_that_is_passed_by_says_so(kafka_server: RunningKafka) -> None:
    """R8, R18: at the port: the position is not on the log any more; never another one instead."""
    kafka_server.recreate_topics()
    pulse = Partition(topics.CONTROL_PULSE, 0)
    bus = KafkaBus(kafka_server.login("broker"))
    writer = await bus.writer([topics.CONTROL_PULSE])
    await writer.write([Outgoing(pulse, None, b"x") for _ in range(10)])
    reader = await bus.reader({pulse: 0}, Pace.SIDE)
    reader.seek(pulse, 3)
    delete_records(kafka_server, pulse, 8)
    with pytest.raises(PositionError, match="not on the log any more"):
        await read_on(reader)
    for one in (reader, writer, bus):
        await one.close()
