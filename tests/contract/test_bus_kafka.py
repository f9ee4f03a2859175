"""
What only a real broker can refuse, and how the bus says it.
"""

import asyncio
from typing import cast

import pytest
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
