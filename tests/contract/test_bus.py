"""
What every bus promises, in memory and on a real broker: one suite for both.
"""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from spark import topics
from spark.bus.port import Outgoing, Pace, Partition
from spark.errors import AuthorisationError, PositionError
from tests.contract.scenes import (
    LIKE,
    PATIENCE_S,
    WAIT_MS,
    Cluster,
    InMemory,
    OnKafka,
    Scene,
    note,
    soon,
    take,
)


@pytest.fixture(params=["memory", "kafka"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    if request.param == "memory":
        return InMemory()
    return OnKafka(request.getfixturevalue("kafka_server"))


@pytest.fixture
async def scene(cluster: Cluster) -> AsyncIterator[Scene]:
    bus = cluster.bus()
    made = Scene(cluster, bus, [])
    yield made
    for close in made.open:
        await close()
    await bus.close()


async def test_offsets_are_dense_and_in_the_order_of_the_writes(scene: Scene) -> None:
    """Each append takes the next offset, over calls and over writers, and is told it."""
    here = Partition(scene.cluster.topic(), 0)
    writer = await scene.bus.writer(LIKE)
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
    waiting = asyncio.create_task(reader.read(int(PATIENCE_S * 1000)))
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
    """Fault K4: there are no groups: every reader reads everything from its own position."""
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
    writer = await stranger.writer(LIKE)
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
            await reader.read(WAIT_MS)

    with pytest.raises(AuthorisationError):
        await soon(read())
    await stranger.close()


async def test_a_forbidden_topic_is_hidden_from_questions(scene: Scene) -> None:
    """S17: what one may not see is described as if it were not there."""
    stranger = scene.cluster.stranger()
    assert await stranger.topics([scene.cluster.forbidden()]) == {}
    await stranger.close()


async def test_a_refused_write_appends_nothing(scene: Scene) -> None:
    """A write over a forbidden and a good topic says so, and nothing stands on either."""
    stranger = scene.cluster.stranger()
    good = Partition(topics.INTENTS, 0)
    if isinstance(scene.cluster, InMemory):
        good = Partition(scene.cluster.topic(), 0)
    before = await stranger.ends([good])
    writer = await stranger.writer(LIKE)
    bad = Partition(scene.cluster.forbidden(), 0)
    with pytest.raises(AuthorisationError):
        await soon(writer.write([note(bad, "no"), note(good, "yes")]))
    await writer.close()
    assert await stranger.ends([good]) == before
    await stranger.close()


async def test_close_may_be_called_twice(scene: Scene) -> None:
    """Shutting down does not need to remember what it has shut."""
    here = Partition(scene.cluster.topic(), 0)
    writer = await scene.bus.writer(LIKE)
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
