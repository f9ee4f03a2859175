"""
Holding topics without stamps: a fence, an epoch on each record, and readers that drop the rest.
"""

import asyncio

import pytest

from spark import topics
from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Outgoing, Partition, Record
from spark.clock import SystemClock
from spark.errors import FencedError
from spark.worker.fence import EPOCH_HEADER, Reigns
from spark.worker.hold import Hold, hold_topics, read_reigns
from tests.held_bus import HeldBus
from tests.order_path import memory_log

TRADES = Partition(topics.BINANCE_TRADES, 0)
MARKS = Partition(topics.BINANCE_MARKS, 0)


@pytest.fixture
def broker() -> MemoryBroker:
    return memory_log()


async def holding(broker: MemoryBroker, bus: HeldBus | None = None) -> Hold:
    way = bus or MemoryBus(broker)
    names = (TRADES.topic, MARKS.topic)
    writer = await way.writer(names)
    return await hold_topics((way, writer), names, who=("feed", "i"), clock=SystemClock())


def said(text: str, partition: Partition = TRADES) -> Outgoing:
    return Outgoing(partition, b"k", text.encode())


def believed(broker: MemoryBroker, partition: Partition = TRADES) -> list[str]:
    """What a reader of the whole partition takes."""
    reigns = Reigns()
    return [
        (record.value or b"").decode()
        for record in broker.log(partition)
        if not reigns.is_void(record)
    ]


async def test_s8_the_second_one_is_believed_and_the_first_leaves(broker: MemoryBroker) -> None:
    """S8, F4: what the first one writes after the second one's fence counts for nobody."""
    first = await holding(broker)
    await first.write([said("a"), said("m", MARKS)])
    second = await holding(broker)
    with pytest.raises(FencedError):
        await first.write([said("late"), said("late", MARKS)])
    await second.write([said("b")])
    assert believed(broker) == ["a", "b"]
    assert believed(broker, MARKS) == ["m"]
    assert len(broker.log(TRADES)) == 5, "two fences, two records, and a void one"


async def test_f4_an_idle_one_notices_with_its_pulse(broker: MemoryBroker) -> None:
    """F4: one that says nothing finds the fence by looking."""
    first = await holding(broker)
    await holding(broker)
    for tenure in first.tenures:
        with pytest.raises(FencedError):
            await tenure.check()


async def test_k4_a_write_that_was_under_way_lands_void(broker: MemoryBroker) -> None:
    """Fault K4: stopped in the middle of its write, it wakes up behind another's fence."""
    bus = HeldBus(MemoryBus(broker))
    first = await holding(broker, bus)
    bus.hold()
    writing = asyncio.create_task(first.write([said("in hand")]))
    await bus.is_waiting.wait()
    second = await holding(broker)
    await second.write([said("b")])
    bus.release()
    with pytest.raises(FencedError):
        await writing
    assert believed(broker) == ["b"]


async def test_two_tasks_of_one_writer_do_not_look_foreign_to_each_other(
    broker: MemoryBroker,
) -> None:
    """The venue watch writes from several tasks: each takes its turn."""
    one = await holding(broker)
    await asyncio.gather(*(one.write([said(str(number))]) for number in range(20)))
    assert sorted(map(int, believed(broker))) == list(range(20))


async def test_what_is_not_held_passes_through(broker: MemoryBroker) -> None:
    """Dead letters and pulses carry no epoch."""
    dead = Partition("dlq.binance_feed", 0)
    one = await holding(broker)
    await one.write([said("x", dead)])
    assert broker.log(dead)[0].headers == ()


async def test_r19_a_reader_that_begins_behind_a_fence_knows_it(broker: MemoryBroker) -> None:
    """R19: the feed writer begins between fence and late record, and stores the late one not."""
    first = await holding(broker)
    await first.write([said("a")])
    await holding(broker)
    with pytest.raises(FencedError):
        await first.write([said("late")])
    late = broker.log(TRADES)[-1]
    reigns = await read_reigns(MemoryBus(broker), {TRADES: late.offset})
    assert reigns.is_void(late)


def test_h5_an_epoch_that_is_none_is_void() -> None:
    """H5: not digits, too many of them, or an offset that is still to come."""
    for rubbish in (b"", b"x", b"-1", b"9" * 30, b"7", b"8"):
        record = Record(TRADES, 7, 0, None, b"", ((EPOCH_HEADER, rubbish),))
        assert Reigns().is_void(record)


def test_f5_records_of_before_there_were_epochs_count() -> None:
    """F5: an older log has neither fences nor epochs, and is read as it was."""
    reigns = Reigns()
    assert not reigns.is_void(Record(TRADES, 0, 0, None, b"old", ()))
