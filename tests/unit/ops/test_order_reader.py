"""Orders' stories, read off a log."""

import asyncio
import dataclasses
from collections.abc import Sequence

import pytest

from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Outgoing, Partition
from spark.clock import ManualClock
from spark.codec import encode
from spark.embedded.polling import until
from spark.events import Event
from spark.names import Action, OrderState
from spark.ops.order_reader import OrderFollower, read_latest, read_order, read_place
from spark.ops.order_view import SOURCES
from spark.topics import ACCOUNT_PARTITIONS, EVENTS, INTENTS
from tests import made

_MS = 1_000_000


class Log:
    """The order topics in memory, on a clock that steps with each record."""

    def __init__(self) -> None:
        self.clock = ManualClock(made.NOW_NS)
        self.broker = MemoryBroker(dict.fromkeys(SOURCES, ACCOUNT_PARTITIONS), self.clock)
        self.bus = MemoryBus(self.broker)

    async def append(self, topic: str, *events: Event | bytes, number: int = 0) -> None:
        """Append, a millisecond apart."""
        for event in events:
            body = event if isinstance(event, bytes) else encode(event)
            await self.broker.append([Outgoing(Partition(topic, number), None, body)])
            self.clock.advance(_MS)

    async def orders(self, names: Sequence[str]) -> None:
        """Place and acknowledge orders, one after the other."""
        for name in names:
            life = made.Life(name)
            await self.append(INTENTS, made.place(name))
            await self.append(EVENTS, life.claimed(), life.acked())


@pytest.fixture
def log() -> Log:
    return Log()


async def test_one_orders_story_is_found_among_others(log: Log) -> None:
    """
    Each hop of this order, in order, and nobody else's.
    """
    await log.orders(["one", "two", "three"])
    row = await read_order(log.bus, made.named("two"))
    assert row is not None
    assert [hop.kind for hop in row.hops] == ["place_order", "order_claimed", "order_acked"]
    assert row.state is OrderState.SUBMITTED
    assert row.place_ack_ms == 2.0


async def test_an_unknown_id_has_no_story(log: Log) -> None:
    """
    Nothing is made up.
    """
    await log.orders(["one"])
    assert await read_order(log.bus, "nothing") is None
    assert await read_place(log.bus, "nothing") is None


async def test_the_intent_of_an_order_is_found_in_any_partition(log: Log) -> None:
    """
    A cancel needs the account and symbol of what it is about.
    """
    order = made.place("far")
    await log.append(INTENTS, made.place("near"))
    await log.append(INTENTS, order, number=ACCOUNT_PARTITIONS - 1)
    assert await read_place(log.bus, order.intent_id) == order


async def test_a_cancel_is_no_place(log: Log) -> None:
    """
    Only an order can be cancelled.
    """
    order = made.place("one")
    cancel = made.cancel(order)
    await log.append(INTENTS, order, cancel)
    assert await read_place(log.bus, cancel.intent_id) is None
    row = await read_order(log.bus, cancel.intent_id)
    assert row is not None
    assert row.action is Action.CANCEL


async def test_the_latest_are_whole_and_newest_first(log: Log) -> None:
    """
    The last orders with all their hops, whatever happens to older ones meanwhile.
    """
    names = [f"order{number}" for number in range(20)]
    await log.orders(names)
    await log.append(EVENTS, made.Life("order0").cancelled())
    rows = await read_latest(log.bus, 3)
    assert [row.intent_id for row in rows] == [made.named(name) for name in names[:-4:-1]]
    assert {len(row.hops) for row in rows} == {3}


async def test_an_older_cancel_that_is_answered_now_is_not_listed(log: Log) -> None:
    """
    Its answer names two ids, the order's and the cancel's: neither is half a story in the list.
    """
    old = made.place("old")
    cancel = made.cancel(old)
    await log.append(INTENTS, old, cancel)
    await log.orders(["new"])
    answer = dataclasses.replace(made.Life("old").cancelled(), cancel_intent_id=cancel.intent_id)
    await log.append(EVENTS, answer)
    (row,) = await read_latest(log.bus, 1)
    assert row.intent_id == made.named("new")


async def test_events_far_behind_the_tail_are_looked_for(log: Log) -> None:
    """
    One order with hundreds of later records of others still shows how it ended.
    """
    await log.orders(["one"])
    for number in range(300):
        life = made.Life(f"other{number}")
        await log.append(EVENTS, life.claimed(), life.acked())
    (row,) = await read_latest(log.bus, 1)
    assert row.state is OrderState.SUBMITTED
    assert len(row.hops) == 3


async def test_an_empty_log_has_no_orders(log: Log) -> None:
    """
    The first start shows nothing, and no error.
    """
    assert await read_latest(log.bus, 5) == []


async def test_what_nobody_can_read_is_passed_over(log: Log) -> None:
    """
    A strategy's rubbish does not hide its other orders.
    """
    await log.append(INTENTS, b"rubbish " + made.named("one").encode())
    await log.orders(["one"])
    assert await read_order(log.bus, made.named("one")) is not None
    assert len(await read_latest(log.bus, 5)) == 1


async def test_a_follower_shows_orders_as_they_happen(log: Log) -> None:
    """
    From now on, newest first, and only those whose intent it saw.
    """
    await log.orders(["before"])
    follower = OrderFollower(log.bus)
    running = asyncio.create_task(follower.run())
    await asyncio.sleep(0)
    await log.append(EVENTS, made.Life("before").cancelled())
    await log.orders(["first", "second"])
    assert await until(lambda: len(follower.latest(9)) == 2, timeout_s=30)
    wanted = [made.named("second"), made.named("first")]
    assert [row.intent_id for row in follower.latest(9)] == wanted
    assert [row.intent_id for row in follower.latest(1)] == wanted[:1]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
