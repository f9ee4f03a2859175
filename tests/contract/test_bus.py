"""
What every bus promises, in memory and on a real broker: one suite for both.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from spark import topics
from spark.bus.kafka import KafkaBus, KafkaLogin
from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Bus, Outgoing, Pace, Partition, Reader, Record
from spark.embedded.kafka import BROKER
from spark.errors import AuthorisationError, BusUnavailable, PositionError, WriteError
from tests.servers import RunningKafka

_T = TypeVar("_T")
#: Enough for anything here; a test that waits this long has failed.
_PATIENCE_S: Final = 20.0
_WAIT_MS: Final = 2_000
#: A writer's batches follow the limits of the topics that it names; scratch topics have none.
_LIKE: Final = [topics.EVENTS]


class Cluster(Protocol):
    """One implementation, and what only a broker's owner can do to it."""

    def bus(self) -> Bus:
        """Give a way in as somebody who may do everything."""

    def stranger(self) -> Bus:
        """Give a way in as somebody who may not use `forbidden`."""

    def topic(self, partitions: int = 1) -> str:
        """Make an empty topic."""

    def forbidden(self) -> str:
        """Name a topic that the stranger may not use."""

    def recreate(self, name: str) -> None:
        """Put an empty topic of one partition in the place of this one."""

    def cut(self, partition: Partition, start: int) -> None:
        """Forget records below `start`, as retention does."""


class InMemory:
    """The memory bus."""

    def __init__(self) -> None:
        self._broker = MemoryBroker({})
        self._made = 0

    def bus(self) -> Bus:
        return MemoryBus(self._broker)

    def stranger(self) -> Bus:
        return self.bus()

    def topic(self, partitions: int = 1) -> str:
        self._made += 1
        self._broker.create(f"scratch.{self._made}", partitions)
        return f"scratch.{self._made}"

    def forbidden(self) -> str:
        # Nobody is told apart in memory: there, what is hidden is what does not exist.
        return "scratch.hidden"

    def recreate(self, name: str) -> None:
        self._broker.create(name, 1)

    def cut(self, partition: Partition, start: int) -> None:
        self._broker.cut(partition, start)


class OnKafka:
    """aiokafka and the real broker."""

    def __init__(self, server: RunningKafka) -> None:
        self._server = server

    def bus(self) -> Bus:
        return KafkaBus(self._server.login(BROKER))

    def stranger(self) -> Bus:
        return KafkaBus(self._server.login("strategy-demo"))

    def topic(self, partitions: int = 1) -> str:
        return self._server.create_topic(partitions)

    def forbidden(self) -> str:
        return topics.SIGNED

    def recreate(self, name: str) -> None:
        admin = self._server.admin()
        admin.delete_topics([name])[name].result()
        while name in admin.list_topics(timeout=10).topics:
            time.sleep(0.01)
        admin.create_topics([NewTopic(name, 1, 1)])[name].result()
        while name not in admin.list_topics(timeout=10).topics:
            time.sleep(0.01)

    def cut(self, partition: Partition, start: int) -> None:
        place = TopicPartition(partition.topic, partition.number, start)
        admin = self._server.admin()
        for done in admin.delete_records([place]).values():
            done.result()


@pytest.fixture(params=["memory", "kafka"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    if request.param == "memory":
        return InMemory()
    return OnKafka(request.getfixturevalue("kafka_server"))


@dataclass
class Scene:
    """A cluster, a bus, and everything opened on it."""

    cluster: Cluster
    bus: Bus
    open: list[Callable[[], Awaitable[None]]]

    async def write(self, *records: Outgoing) -> list[int]:
        writer = await self.bus.writer(_LIKE)
        try:
            return await writer.write(records)
        finally:
            await writer.close()

    async def reader(self, *positions: tuple[Partition, int], pace: Pace = Pace.HOT) -> Reader:
        reader = await self.bus.reader(dict(positions), pace)
        self.open.append(reader.close)
        return reader


@pytest.fixture
async def scene(cluster: Cluster) -> AsyncIterator[Scene]:
    bus = cluster.bus()
    made = Scene(cluster, bus, [])
    yield made
    for close in made.open:
        await close()
    await bus.close()


def note(partition: Partition, text: str) -> Outgoing:
    return Outgoing(partition, None, text.encode())


async def take(reader: Reader, count: int) -> list[Record]:
    """Read until `count` records are there; more would be in the result too."""
    found: list[Record] = []
    async with asyncio.timeout(_PATIENCE_S):
        while len(found) < count:
            found.extend(await reader.read(_WAIT_MS))
    return found


async def soon(work: Awaitable[_T]) -> _T:
    async with asyncio.timeout(_PATIENCE_S):
        return await work


async def test_offsets_are_dense_and_in_the_order_of_the_writes(scene: Scene) -> None:
    """Each append takes the next offset, over calls and over writers, and is told it."""
    here = Partition(scene.cluster.topic(), 0)
    writer = await scene.bus.writer(_LIKE)
    first = await writer.write([note(here, "a"), note(here, "b")])
    second = await writer.write([note(here, "c")])
    await writer.close()
    third = await scene.write(note(here, "d"))
    assert first + second + third == [0, 1, 2, 3]
    read = await take(await scene.reader((here, 0)), 4)
    assert [(record.offset, record.value) for record in read] == [
        (0, b"a"),
        (1, b"b"),
        (2, b"c"),
        (3, b"d"),
    ]


async def test_what_is_written_is_what_is_read(scene: Scene) -> None:
    """Key, value and headers come back byte for byte, absent ones absent, repeated ones twice."""
    here = Partition(scene.cluster.topic(), 0)
    sent = [
        Outgoing(here, b"key", b"value", (("tag.a", b"\x00\xff"), ("tag.a", b""), ("b", b"2"))),
        Outgoing(here, None, b""),
        Outgoing(here, b"", "₺ ✓".encode()),
    ]
    before_ms = time.time_ns() // 1_000_000
    await scene.write(*sent)
    after_ms = time.time_ns() // 1_000_000
    for record, out in zip(await take(await scene.reader((here, 0)), 3), sent, strict=True):
        assert (record.partition, record.key, record.value) == (here, out.key, out.value)
        assert record.headers == out.headers
        assert before_ms - 1 <= record.timestamp_ms <= after_ms + 1


async def test_partitions_keep_their_own_order_and_offsets(scene: Scene) -> None:
    """One call over several partitions: each has its own dense offsets, in the order given."""
    name = scene.cluster.topic(3)
    parts = [Partition(name, number) for number in range(3)]
    offsets = await scene.write(*[note(parts[n % 3], f"{n}") for n in range(9)])
    assert offsets == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    read = await take(await scene.reader(*[(part, 0) for part in parts]), 9)
    for number, part in enumerate(parts):
        mine = [record for record in read if record.partition == part]
        assert [record.offset for record in mine] == [0, 1, 2]
        assert [record.value for record in mine] == [f"{number + 3 * n}".encode() for n in range(3)]


async def test_a_reader_sees_only_what_it_was_given(scene: Scene) -> None:
    """Partitions that were not named are not read, and each begins where it was told to."""
    name = scene.cluster.topic(3)
    a, b, c = (Partition(name, number) for number in range(3))
    await scene.write(*[note(part, f"{n}") for part in (a, b, c) for n in range(3)])
    read = await take(await scene.reader((a, 1), (c, 2)), 3)
    assert sorted((record.partition, record.offset) for record in read) == [(a, 1), (a, 2), (c, 2)]


async def test_read_waits_for_the_first_record_and_wakes(scene: Scene) -> None:
    """A waiting read returns as soon as something arrives; it needs no second call."""
    here = Partition(scene.cluster.topic(), 0)
    reader = await scene.reader((here, 0))
    waiting = asyncio.create_task(reader.read(int(_PATIENCE_S * 1000)))
    # The write is acknowledged while the read waits: only the record can end it.
    await scene.write(note(here, "late"))
    assert [record.value for record in await soon(waiting)] == [b"late"]


async def test_read_returns_nothing_when_nothing_comes(scene: Scene) -> None:
    """An idle log is no error; the next read finds what came later."""
    here = Partition(scene.cluster.topic(), 0)
    reader = await scene.reader((here, 0))
    assert await soon(reader.read(10)) == []
    await scene.write(note(here, "x"))
    assert len(await take(reader, 1)) == 1


async def test_what_was_read_is_not_read_again(scene: Scene) -> None:
    """A position moves over what was delivered, and only over that."""
    here = Partition(scene.cluster.topic(), 0)
    reader = await scene.reader((here, 0))
    await scene.write(note(here, "a"))
    assert [record.value for record in await take(reader, 1)] == [b"a"]
    await scene.write(note(here, "b"))
    assert [record.value for record in await take(reader, 1)] == [b"b"]


async def test_seek_goes_back_and_forward(scene: Scene) -> None:
    """After a seek the next record is exactly the one asked for."""
    here = Partition(scene.cluster.topic(), 0)
    await scene.write(*[note(here, f"{n}") for n in range(10)])
    reader = await scene.reader((here, 0))
    await take(reader, 10)
    reader.seek(here, 3)
    assert [record.offset for record in await take(reader, 7)] == [3, 4, 5, 6, 7, 8, 9]
    reader.seek(here, 9)
    assert [record.offset for record in await take(reader, 1)] == [9]


async def test_two_readers_do_not_disturb_each_other(scene: Scene) -> None:
    """There are no groups: every reader reads everything from its own position."""
    here = Partition(scene.cluster.topic(), 0)
    await scene.write(*[note(here, f"{n}") for n in range(5)])
    one = await scene.reader((here, 0))
    other = await scene.reader((here, 2), pace=Pace.SIDE)
    assert len(await take(one, 5)) == 5
    assert [record.offset for record in await take(other, 3)] == [2, 3, 4]


@pytest.mark.parametrize("pace", Pace)
async def test_a_large_batch_arrives_whole_at_every_pace(scene: Scene, pace: Pace) -> None:
    """A write of many client batches is acknowledged whole and read in order, without a gap."""
    here = Partition(scene.cluster.topic(), 0)
    filler = "x" * 2_000
    offsets = await scene.write(*[note(here, f"{n} {filler}") for n in range(1_500)])
    assert offsets == list(range(1_500))
    read = await take(await scene.reader((here, 0), pace=pace), 1_500)
    assert [record.offset for record in read] == list(range(1_500))
    assert all(record.value == f"{record.offset} {filler}".encode() for record in read)


async def test_one_large_record_fits_beside_small_topics(scene: Scene) -> None:
    """A writer that also serves a topic of small records still appends one far above them."""
    here = Partition(scene.cluster.topic(), 0)
    writer = await scene.bus.writer([topics.DECISIONS, topics.CONTROL_PULSE])
    body = b"x" * 200_000
    small = note(here, "small")
    assert await writer.write([small, Outgoing(here, None, body), small]) == [0, 1, 2]
    await writer.close()
    read = await take(await scene.reader((here, 0)), 3)
    assert [len(record.value or b"") for record in read] == [5, 200_000, 5]


async def test_ends_and_starts_tell_what_the_log_holds(scene: Scene) -> None:
    """The end is the next offset; the start is the first one that was not cut."""
    name = scene.cluster.topic(2)
    full, empty = Partition(name, 0), Partition(name, 1)
    await scene.write(*[note(full, f"{n}") for n in range(5)])
    assert await scene.bus.ends([full, empty]) == {full: 5, empty: 0}
    assert await scene.bus.starts([full, empty]) == {full: 0, empty: 0}
    scene.cluster.cut(full, 3)
    assert await scene.bus.starts([full]) == {full: 3}
    assert await scene.bus.ends([full]) == {full: 5}
    assert [r.offset for r in await take(await scene.reader((full, 3)), 2)] == [3, 4]


async def test_questions_at_the_same_time_are_each_answered(scene: Scene) -> None:
    """A pulse and a writer may ask at once; nothing is left open by that."""
    here = Partition(scene.cluster.topic(), 0)
    asked = [scene.bus.ends([here]), scene.bus.starts([here]), scene.bus.ends([here])]
    assert await asyncio.gather(*asked) == [{here: 0}] * 3


async def test_a_position_that_was_cut_is_an_error(scene: Scene) -> None:
    """R8: what retention removed is not skipped in silence."""
    here = Partition(scene.cluster.topic(), 0)
    await scene.write(*[note(here, f"{n}") for n in range(5)])
    scene.cluster.cut(here, 3)
    reader = await scene.reader((here, 1))
    with pytest.raises(PositionError, match=str(here)):
        await take(reader, 1)


async def test_a_position_beyond_the_log_is_an_error(scene: Scene) -> None:
    """R18: a log that is shorter than our position is not the log we read."""
    here = Partition(scene.cluster.topic(), 0)
    await scene.write(note(here, "a"))
    reader = await scene.reader((here, 7))
    with pytest.raises(PositionError, match=str(here)):
        await take(reader, 1)


async def test_the_end_itself_is_a_good_position(scene: Scene) -> None:
    """One past the last record is where the next will be."""
    here = Partition(scene.cluster.topic(), 0)
    await scene.write(note(here, "a"))
    reader = await scene.reader((here, 1))
    assert await soon(reader.read(10)) == []
    await scene.write(note(here, "b"))
    assert [record.offset for record in await take(reader, 1)] == [1]


async def test_a_topic_created_again_has_another_id(scene: Scene) -> None:
    """R18: the id tells incarnations apart, although name, offsets and count are the same."""
    name = scene.cluster.topic()
    before = (await scene.bus.topics([name]))[name]
    assert (await scene.bus.topics([name]))[name] == before
    await scene.write(note(Partition(name, 0), "a"))
    scene.cluster.recreate(name)
    after = (await scene.bus.topics([name]))[name]
    assert (after.partitions, before.partitions) == (1, 1)
    assert after.topic_id != before.topic_id


async def test_topics_are_described_and_missing_ones_left_out(scene: Scene) -> None:
    """Counts and rights are the broker's; what does not exist is not invented."""
    name = scene.cluster.topic(3)
    found = await scene.bus.topics([name, "scratch.never-made"])
    assert set(found) == {name}
    assert found[name].partitions == 3
    assert {"read", "write", "describe"} <= found[name].operations


async def test_a_forbidden_topic_is_an_error_for_a_writer(scene: Scene) -> None:
    """S17: what the broker refuses is said at once, and nothing is retried for ever."""
    stranger = scene.cluster.stranger()
    name = scene.cluster.forbidden()
    writer = await stranger.writer(_LIKE)
    with pytest.raises(AuthorisationError):
        await soon(writer.write([note(Partition(name, 0), "a")]))
    await writer.close()
    await stranger.close()


async def test_a_forbidden_topic_is_an_error_for_a_reader(scene: Scene) -> None:
    """S17: a reader that may not read says so instead of waiting for ever."""
    stranger = scene.cluster.stranger()

    async def read() -> None:
        reader = await stranger.reader({Partition(scene.cluster.forbidden(), 0): 0}, Pace.HOT)
        scene.open.append(reader.close)
        while True:
            await reader.read(_WAIT_MS)

    with pytest.raises(AuthorisationError):
        await soon(read())
    await stranger.close()


async def test_a_forbidden_topic_is_hidden_from_questions(scene: Scene) -> None:
    """S17: what one may not see is described as if it were not there."""
    stranger = scene.cluster.stranger()
    assert await stranger.topics([scene.cluster.forbidden()]) == {}
    await stranger.close()


async def test_a_refused_write_appends_nothing(scene: Scene) -> None:
    """A write over a good and a forbidden topic says so; the forbidden one never holds it."""
    stranger = scene.cluster.stranger()
    good, bad = topics.INTENTS, scene.cluster.forbidden()
    if isinstance(scene.cluster, InMemory):
        good = scene.cluster.topic()
    writer = await stranger.writer(_LIKE)
    with pytest.raises(AuthorisationError):
        await soon(writer.write([note(Partition(bad, 0), "no"), note(Partition(good, 0), "yes")]))
    await writer.close()
    ends = await stranger.ends([Partition(good, 0)])
    assert ends == {Partition(good, 0): 0}
    await stranger.close()


async def test_close_may_be_called_twice(scene: Scene) -> None:
    """Shutting down does not need to remember what it has shut."""
    here = Partition(scene.cluster.topic(), 0)
    writer = await scene.bus.writer(_LIKE)
    reader = await scene.bus.reader({here: 0}, Pace.HOT)
    await scene.bus.ends([here])
    for closing in (writer, reader, scene.bus):
        await soon(closing.close())
        await soon(closing.close())


async def test_a_bus_serves_again_after_it_was_closed(scene: Scene) -> None:
    """Closing lets go of connections, not of the way in."""
    here = Partition(scene.cluster.topic(), 0)
    assert await scene.bus.ends([here]) == {here: 0}
    await scene.bus.close()
    assert await scene.bus.ends([here]) == {here: 0}


async def test_a_wrong_password_is_one_line(kafka_server: RunningKafka) -> None:
    """The remedy is named, the password is not; nothing hangs."""
    login = KafkaLogin(kafka_server.bootstrap, "guardrail", "not-the-password")
    bus = KafkaBus(login)
    for ask in (
        bus.writer(_LIKE),
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
    async with asyncio.timeout(_PATIENCE_S):
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
            await reader.read(_WAIT_MS)

    with pytest.raises(AuthorisationError):
        await soon(read())
    await reader.close()
    await bus.close()


async def test_a_record_above_its_topics_limit_ends_the_writer(kafka_server: RunningKafka) -> None:
    """R20: the broker refuses it, and the caller learns that the log is unsure."""
    name = kafka_server.create_topic(config={"max.message.bytes": "65536"})
    bus = KafkaBus(kafka_server.login(BROKER))
    writer = await bus.writer(_LIKE)
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
