"""
What only a real broker can refuse, and how the bus says it.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import cast

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import NodeNotReadyError
from aiokafka.protocol.admin import SaslHandShakeRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from spark import topics
from spark.bus.kafka import KafkaBus, KafkaLogin
from spark.bus.kafka_metadata import describe_topics
from spark.bus.port import Headers, Outgoing, Pace, Partition
from spark.embedded.kafka import BROKER
from spark.errors import AuthorisationError, BusUnavailable, WriteError
from tests.contract.scenes import (
    LIKE,
    PATIENCE_S,
    WAIT_MS,
    note,
    soon,
    take,
)
from tests.servers import RunningKafka


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[AIOKafkaConnection]:
    """Collect the connections that clients make from now on."""
    made: list[AIOKafkaConnection] = []
    connect = AIOKafkaConnection.connect

    async def connected(connection: AIOKafkaConnection) -> object:
        made.append(connection)
        return await connect(connection)

    monkeypatch.setattr(AIOKafkaConnection, "connect", connected)
    return made


async def test_a_wrong_password_is_one_line(kafka_server: RunningKafka) -> None:
    """The remedy is named, the password is not; nothing hangs."""
    login = KafkaLogin(kafka_server.bootstrap, "guardrail", "not-the-password")
    bus = KafkaBus(login)
    for ask in (
        bus.writer(LIKE),
        bus.reader({Partition(topics.INTENTS, 0): 0}, Pace.HOT),
        bus.ends([Partition(topics.INTENTS, 0)]),
    ):
        with pytest.raises(BusUnavailable) as caught:
            await soon(ask)
        text = str(caught.value)
        assert "\n" not in text
        assert "guardrail" in text
        assert "password" in text
        assert "not-the-password" not in text + repr(login)
        assert caught.value.__suppress_context__
    await bus.close()


async def test_a_right_taken_away_ends_a_reader(kafka_server: RunningKafka) -> None:
    """S17: a reader whose right is revoked while it reads says so."""
    name = kafka_server.create_topic()
    right = AclBinding(
        ResourceType.TOPIC, name, ResourcePatternType.LITERAL,
        "User:strategy-demo", "*", AclOperation.READ, AclPermissionType.ALLOW,
    )  # fmt: skip
    admin = kafka_server.admin()
    admin.create_acls([right])[right].result()
    bus = KafkaBus(kafka_server.login("strategy-demo"))
    async with asyncio.timeout(PATIENCE_S):
        while name not in await bus.topics([name]):
            pass
    reader = await bus.reader({Partition(name, 0): 0}, Pace.HOT)
    assert await reader.read(10) == []
    which = AclBindingFilter(
        ResourceType.TOPIC, name, ResourcePatternType.LITERAL,
        "User:strategy-demo", "*", AclOperation.ANY, AclPermissionType.ANY,
    )  # fmt: skip
    for done in admin.delete_acls([which]).values():
        done.result()

    async def read() -> None:
        while True:
            await reader.read(WAIT_MS)

    with pytest.raises(AuthorisationError):
        await soon(read())
    await reader.close()
    await bus.close()


async def test_r20_headers_that_only_a_stranger_writes_stop_nobody(
    kafka_server: RunningKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R20: no value, or a name that is no text: the record and those around it are read."""
    here = Partition(kafka_server.create_topic(), 0)
    bus = KafkaBus(kafka_server.login(BROKER))
    # aiokafka's other builder lets a name encode itself, so a name can lie.
    for module in ("producer", "message_accumulator"):
        name = f"aiokafka.producer.{module}.DefaultRecordBatchBuilder"
        monkeypatch.setattr(name, _DefaultRecordBatchBuilderPy)

    class NoText(str):
        __slots__ = ()

        def encode(self, *_: object) -> bytes:
            return b"\xff\xfe"

    writer = await bus.writer(LIKE)
    headers: Headers = ((NoText("xx"), b"1"), ("tag.a", cast("bytes", None)), ("tag.b", b"2"))
    sent = [note(here, "before"), Outgoing(here, b"k", b"poison", headers), note(here, "after")]
    assert await writer.write(sent) == [0, 1, 2]
    await writer.close()
    reader = await bus.reader({here: 0}, Pace.HOT)
    read = await take(reader, 3)
    assert [record.value for record in read] == [b"before", b"poison", b"after"]
    assert read[1].headers[1:] == (("tag.a", b""), ("tag.b", b"2"))
    assert read[1].headers[0][1] == b"1"
    await reader.close()
    await bus.close()


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_r20_a_writer_cannot_hide_its_size_by_compressing(
    kafka_server: RunningKafka, codec: str
) -> None:
    """R20: a topic's limit is on what its readers get, not on what was sent."""
    options = kafka_server.client_options("strategy-demo")
    producer = Producer({**options, "compression.type": codec, "message.max.bytes": 10**8})
    errors: list[object] = []
    for size in (1_000, 10_000_000):
        producer.produce(
            topics.INTENTS, b"x" * size, partition=1, on_delivery=lambda e, _: errors.append(e)
        )
        assert producer.flush(PATIENCE_S) == 0
    assert errors[0] is None
    assert "too large" in str(errors[1])


async def test_a_record_above_its_topics_limit_ends_the_writer(kafka_server: RunningKafka) -> None:
    """R20: the broker refuses it, and the caller learns that the log is unsure."""
    name = kafka_server.create_topic(config={"max.message.bytes": "65536"})
    bus = KafkaBus(kafka_server.login(BROKER))
    writer = await bus.writer(LIKE)
    with pytest.raises(WriteError, match="MessageSizeTooLarge"):
        await soon(writer.write([Outgoing(Partition(name, 0), None, b"x" * 100_000)]))
    await writer.close()
    await bus.close()


async def test_no_broker_is_one_line() -> None:
    """An address where nobody listens is said as such."""
    bus = KafkaBus(KafkaLogin("127.0.0.1:1", "guardrail", "x"))
    with pytest.raises(BusUnavailable, match=r"127\.0\.0\.1:1"):
        await soon(bus.topics([topics.INTENTS]))
    await bus.close()


async def test_a_reader_that_ends_as_soon_as_it_began_says_why(
    kafka_server: RunningKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault K1: the client ends tasks that had not begun; the error comes out, not that."""
    topic = kafka_server.create_topic()
    bus = KafkaBus(kafka_server.login(BROKER))
    # As of one that fenced itself: it is there, and names nobody who leads.
    monkeypatch.setattr(AIOKafkaClient, "get_random_node", lambda _: None)
    with pytest.raises(BusUnavailable, match="no broker is known"):
        await bus.reader({Partition(topic, 0): 0}, Pace.HOT)


async def test_a_start_given_up_leaves_no_connection(
    kafka_server: RunningKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault K1: also not the one over which a client that starts asks its first question."""
    asking: asyncio.Future[AIOKafkaConnection] = asyncio.get_running_loop().create_future()
    send: Callable[[AIOKafkaConnection, object], Awaitable[object]] = AIOKafkaConnection.send

    def unanswered(connection: AIOKafkaConnection, request: object) -> Awaitable[object]:
        if not isinstance(request, MetadataRequest):
            return send(connection, request)
        asking.set_result(connection)
        return asyncio.get_running_loop().create_future()

    monkeypatch.setattr(AIOKafkaConnection, "send", unanswered)
    bus = KafkaBus(kafka_server.login(BROKER))
    start = asyncio.create_task(bus.writer(LIKE))
    connection = await soon(asking)
    assert connection.connected()
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert not connection.connected()


async def test_k1_nothing_outlives_an_end_that_came_to_nothing(
    kafka_server: RunningKafka, monkeypatch: pytest.MonkeyPatch, opened: list[AIOKafkaConnection]
) -> None:
    """Fault K1: the client lets its tasks' end out as its caller's, here a cancelled one's."""
    place = Partition(kafka_server.create_topic(), 0)
    bus = KafkaBus(kafka_server.login(BROKER))

    async def lets_out(_: object) -> None:
        raise asyncio.CancelledError

    async def work() -> None:
        reader, writer = await bus.reader({place: 0}, Pace.HOT), await bus.writer(LIKE)
        try:
            begun.set()
            while True:
                await reader.read(WAIT_MS)
        finally:
            monkeypatch.setattr(AIOKafkaConsumer, "stop", lets_out)
            await reader.close()
            await writer.close()

    begun = asyncio.Event()
    working = asyncio.create_task(work())
    await soon(begun.wait())
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await settled(opened)
    await bus.close()


async def test_k1_cancelled_at_any_moment_nobody_leaves_anything(
    kafka_server: RunningKafka, opened: list[AIOKafkaConnection]
) -> None:
    """
    Readers and writers of a busy topic are cancelled at 90 random moments of their lives.

    Fault K1.
    """
    place = Partition(kafka_server.create_topic(), 0)
    bus, chance = KafkaBus(kafka_server.login(BROKER)), random.Random(1)
    busy = await bus.writer(LIKE)

    async def load() -> None:
        while True:
            await busy.write([note(place, "more")])

    async def work() -> None:
        own = KafkaBus(kafka_server.login(BROKER))
        try:
            reader = await own.reader({place: (await own.ends([place]))[place]}, Pace.HOT)
            try:
                writer = await own.writer(LIKE)
                try:
                    while True:
                        await reader.read(WAIT_MS)
                finally:
                    await writer.close()
            finally:
                await reader.close()
        finally:
            await own.close()

    loading = asyncio.create_task(load())
    opened.clear()
    for _ in range(30):
        working = [asyncio.create_task(work()) for _ in range(3)]
        for task in working:
            await asyncio.sleep(chance.random() * 0.15)
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)
    await bus.close()
    assert opened
    await settled(opened)


async def test_k1_what_was_left_open_ends_with_its_bus(
    kafka_server: RunningKafka, opened: list[AIOKafkaConnection]
) -> None:
    """Fault K1: readers, writers and questions, and what somebody asks of them after the end."""
    place = Partition(kafka_server.create_topic(), 0)
    bus = KafkaBus(kafka_server.login(BROKER))
    await bus.reader({place: 0}, Pace.HOT)
    writer = await bus.writer(LIKE)
    await bus.ends([place])
    await bus.close()
    await bus.close()
    with pytest.raises(NodeNotReadyError):
        await describe_topics(writer._producer.client, [place.topic])
    assert opened
    await settled(opened)


async def test_k1_an_end_given_up_leaves_nothing_open(
    kafka_server: RunningKafka, opened: list[AIOKafkaConnection]
) -> None:
    """Fault K1: who ends a bus may be ended meanwhile, as by a second signal."""
    place = Partition(kafka_server.create_topic(), 0)
    bus = KafkaBus(kafka_server.login(BROKER))
    await bus.reader({place: 0}, Pace.HOT)
    await bus.writer(LIKE)
    ending = asyncio.create_task(bus.close())
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert opened
    await settled(opened)


async def test_k1_a_bus_that_closes_under_a_start_ends_it(
    kafka_server: RunningKafka, monkeypatch: pytest.MonkeyPatch, opened: list[AIOKafkaConnection]
) -> None:
    """Fault K1: the question in progress hears so, and nobody holds its connection."""
    place = Partition(kafka_server.create_topic(), 0)
    connect: Callable[[AIOKafkaConnection], Awaitable[object]] = AIOKafkaConnection.connect
    asked, may_go_on = asyncio.Event(), asyncio.Event()

    async def late(connection: AIOKafkaConnection) -> object:
        asked.set()
        await may_go_on.wait()
        return await connect(connection)

    monkeypatch.setattr(AIOKafkaConnection, "connect", late)
    bus = KafkaBus(kafka_server.login(BROKER))
    asking = asyncio.create_task(bus.ends([place]))
    await soon(asked.wait())
    await bus.close()
    may_go_on.set()
    with pytest.raises(BusUnavailable):
        await soon(asking)
    assert opened
    await settled(opened)


@pytest.mark.parametrize("hung", [ProduceRequest, SaslHandShakeRequest])
async def test_k7_a_writer_that_let_go_writes_nothing_more(
    kafka_server: RunningKafka,
    monkeypatch: pytest.MonkeyPatch,
    opened: list[AIOKafkaConnection],
    hung: type,
) -> None:
    """
    What was on its way at a broker that hangs is not sent again, nor is it left open.

    Faults K7 and N2.
    """
    place = Partition(kafka_server.create_topic(), 0)
    bus = KafkaBus(kafka_server.login(BROKER))
    writer = await bus.writer(LIKE)
    asked = asyncio.Event()
    send: Callable[..., Awaitable[object]] = AIOKafkaConnection.send
    if hung is SaslHandShakeRequest:
        for connection in writer._producer.client._conns.values():
            connection.close()

    def noted(
        connection: AIOKafkaConnection, request: object, **options: object
    ) -> Awaitable[object]:
        if isinstance(request, hung):
            asked.set()
            hanging.setattr(AIOKafkaConnection, "_handle_frame", lambda *_: None)
        return send(connection, request, **options)

    with monkeypatch.context() as hanging:
        hanging.setattr(AIOKafkaConnection, "send", noted)
        writing = asyncio.create_task(writer.write([note(place, "late")]))
        await soon(asked.wait())
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await soon(writer.close())
    await settled(opened)
    # What the broker had before it hung it may have written, once.
    assert (await bus.ends([place]))[place] == (1 if hung is ProduceRequest else 0)
    await bus.close()


async def settled(opened: list[AIOKafkaConnection]) -> None:
    """Give what is left of clients the time to show itself; there is nothing."""
    await asyncio.sleep(0.5)
    assert [one for one in asyncio.all_tasks() if "aiokafka" in repr(one)] == []
    assert [one for one in opened if one.connected()] == []
