"""
The account feed with both exchanges' real ends, each on its simulator, on a log in memory.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest

from spark import topics
from spark.bus.memory import MemoryBus
from spark.bus.port import Bus, Outgoing, Pace, Partition
from spark.clock import SystemClock
from spark.codec import decode, encode
from spark.consumers.account_feed import AccountFeed, AccountFeedWiring
from spark.consumers.account_feed_ask import AccountEnds
from spark.errors import MalformedError, VenueUnavailable
from spark.events import (
    AccountReconciled,
    DifferenceFound,
    Event,
    OrderAcked,
    OrderApproved,
    OrderCancelled,
    OrderClaimed,
    OrderFilled,
    OutcomeUnknown,
    PartitionFenced,
)
from spark.exchanges.port import Asked, SignedRequest, VenueCannotError
from spark.metrics import Metrics
from spark.names import Action, DifferenceKind, DifferenceRule, Role, Venue
from spark.topics import ACCOUNT_PARTITION
from spark.worker.halts import Halts
from spark.worker.latch import KillLatch
from spark.worker.latch_copy import LatchCopy, make_empty_copy
from tests import keyed
from tests.contract.venue_scenes import RESTS, SYMBOL, TAKES, Scene, playing, signer_of
from tests.made import instrument, life_of, origin
from tests.order_path import memory_log
from tests.tape import PATIENCE_S

_T = TypeVar("_T")


@dataclass
class _Signs:
    """The signer's part: the scene's own keys and stamps."""

    scene: Scene
    asked: list[Asked] = field(default_factory=list)

    async def ask(self, asked: Asked) -> SignedRequest:
        self.asked.append(asked)
        fields = {name: getattr(asked, name) for name in Asked.__dataclass_fields__}
        fields.pop("account")
        try:
            return self.scene.ask(fields.pop("question"), **fields)
        except VenueCannotError as cannot:
            raise VenueUnavailable(str(cannot)) from None


@dataclass
class Feeding:
    """A feed at work on one account."""

    scene: Scene
    bus: Bus
    signs: _Signs

    @property
    def number(self) -> int:
        return ACCOUNT_PARTITION[self.scene.account]

    async def write(self, topic: str, *events: Event, number: int | None = None) -> None:
        at = Partition(topic, self.number if number is None else number)
        writer = await self.bus.writer([topic])
        await writer.write([Outgoing(at, None, encode(event)) for event in events])
        await writer.close()

    async def read(self) -> list[Event]:
        at = Partition(topics.ACCOUNT_EVENTS, self.number)
        end = (await self.bus.ends([at]))[at]
        found: list[Event] = []
        reader = await self.bus.reader({at: 0}, Pace.HOT)
        while len(found) < end:
            for record in await reader.read(100):
                with suppress(MalformedError):
                    found.append(decode(record.value or b""))
        await reader.close()
        return found

    async def until(self, kind: type[_T], fits: Callable[[_T], bool], count: int = 1) -> list[_T]:
        """Wait for so many records of the feed."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                events = await self.read()
                found: list[_T] = [one for one in events if isinstance(one, kind) and fits(one)]
                if len(found) >= count:
                    return found
                at = Partition(topics.ACCOUNT_EVENTS, self.number)
                reader = await self.bus.reader({at: len(events)}, Pace.HOT)
                await reader.read(1000)
                await reader.close()

    async def compared(self, times: int = 2) -> None:
        """Wait for further comparisons: what happened before is in the last one."""
        before = len([one for one in await self.read() if isinstance(one, AccountReconciled)])
        await self.until(AccountReconciled, lambda _: True, before + times)

    async def claim(self, order: OrderApproved, *more: Event) -> None:
        """Write what the gateway writes before it sends."""
        claimed = OrderClaimed(
            epoch=0,
            origin=origin(0),
            action=Action.PLACE,
            account=order.account,
            strategy=order.strategy,
            intent_id=order.intent_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            mode=order.mode,
            side=order.side,
            order_type=order.order_type,
            quantity=order.quantity,
            price=order.price,
            final_after_ns=0,
            claimed_ns=0,
        )
        await self.write(topics.EVENTS, claimed, *more)


@asynccontextmanager
async def feeding(scene: Scene, place: Path) -> AsyncIterator[Feeding]:
    """Run a feed on the scene's account."""
    bus, signs = MemoryBus(memory_log()), _Signs(scene)
    at = Feeding(scene, bus, signs)
    fence = PartitionFenced(
        role=Role.GATEWAY, instance="test", topic_ids={}, settings={}, fenced_ns=0
    )
    await at.write(topics.EVENTS, fence)
    traded = instrument(venue=scene.venue, symbol=SYMBOL)
    await at.write(topics.VENUE_STATE, traded, number=0)
    (place / "latch").mkdir()
    (place / "copy").mkdir()
    make_empty_copy(place / "copy")
    latch = KillLatch(
        place / "latch", is_killed_by_environment=False, copy=LatchCopy(place / "copy")
    )
    ends = AccountEnds(
        account=scene.account,
        venue=scene.account_venue,
        stream=scene.stream,
        symbols=(SYMBOL,),
        cost_of=lambda _: 1,
        weight_per_minute=50_000,
        pages_by_id=scene.venue is Venue.BINANCE,
        has_fees=scene.venue is Venue.BINANCE,
    )
    wiring = AccountFeedWiring(
        bus=bus,
        clock=SystemClock(),
        metrics=Metrics(Role.ACCOUNT_FEED),
        halts=Halts(latch, keyed.people(), scene.order().mode),
        signer=signs,
        accounts={at.number: ends},
        period_s=1.0,
        instance="account_feed",
        ready=asyncio.Event(),
    )
    stop = asyncio.Event()
    task = asyncio.create_task(AccountFeed(wiring).run(stop))
    try:
        await at.until(AccountReconciled, lambda one: one.cause == "start")
        yield at
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await task


@pytest.fixture(params=[Venue.BINANCE, Venue.BTCTURK])
async def feed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Feeding]:
    async with playing(request.param, tmp_path) as scene, feeding(scene, tmp_path) as at:
        yield at


def about(order: OrderApproved) -> Callable[[Any], bool]:
    return lambda event: event.client_order_id == order.client_order_id


def unknown(order: OrderApproved) -> OutcomeUnknown:
    return OutcomeUnknown(
        epoch=0,
        action=Action.PLACE,
        account=order.account,
        strategy=order.strategy,
        intent_id=order.intent_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        cause="timeout",
        at_ns=0,
    )


async def differences(feed: Feeding) -> list[DifferenceKind]:
    return [one.kind for one in await feed.read() if isinstance(one, DifferenceFound)]


async def test_an_order_that_trades_is_told_whole(feed: Feeding) -> None:
    """R4, A9, trap 22: acknowledged, traded with id and fee, and the balances follow from it."""
    order = feed.scene.order(price=TAKES)
    await feed.claim(order)
    await feed.scene.place(order)
    await feed.until(OrderAcked, about(order))
    (fill, *_) = await feed.until(OrderFilled, about(order))
    assert fill.trade_id
    assert fill.commission > 0
    assert fill.cumulative <= order.quantity
    await feed.compared()
    assert await differences(feed) == []


async def test_a_cancel_ends_when_the_exchange_says_so(feed: Feeding) -> None:
    """Trap 21: an accepted cancel is none; the end is told by the stream or the lists."""
    order = feed.scene.order(price=RESTS)
    await feed.claim(order)
    await feed.scene.place(order)
    (acked, *_) = await feed.until(OrderAcked, about(order))
    await feed.scene.cancel(order, acked.exchange_order_id)
    (ended, *_) = await feed.until(OrderCancelled, about(order))
    assert ended.filled == Decimal(0)
    await feed.compared()
    assert await differences(feed) == []


async def test_an_unknown_is_searched_by_its_client_id(feed: Feeding) -> None:
    """
    A8, trap 3: without a word of the stream the lists are searched, and nothing is sent.

    Fault V1.
    """
    order = feed.scene.order(price=RESTS)
    await feed.scene.arm("drop_message", route="private", count=50)
    await feed.scene.place(order)
    await feed.claim(order, unknown(order))
    await feed.until(OrderAcked, about(order))
    assert len(await feed.scene.placed()) == 1


async def test_an_unknown_that_never_arrived_stays_one(feed: Feeding) -> None:
    """A8, R14, fault V1: it is in no list; that is told to people, and ends nothing."""
    order = feed.scene.order(price=RESTS)
    await feed.claim(order, unknown(order))
    (found, *_) = await feed.until(
        DifferenceFound, lambda one: one.kind is DifferenceKind.ORDER_ABSENT, 2
    )
    assert found.subject == order.client_order_id
    ends = [one for one in await feed.read() if isinstance(one, OrderCancelled | OrderAcked)]
    assert ends == []


async def test_what_the_stream_lost_is_found(feed: Feeding) -> None:
    """A9, trap 22: trades of a deaf stream are found by the next comparison, each once."""
    await feed.scene.arm("drop_message", route="private", count=50)
    order = feed.scene.order(price=TAKES)
    await feed.claim(order)
    await feed.scene.place(order)
    fills = await feed.until(OrderFilled, about(order))
    await feed.compared()
    again = [one for one in await feed.read() if isinstance(one, OrderFilled)]
    assert len({one.trade_id for one in again}) == len(again)
    assert fills[0].strategy == order.strategy
    assert DifferenceKind.BALANCE not in await differences(feed)


async def test_the_stream_comes_back(feed: Feeding) -> None:
    """A9: after a disconnect the account is compared again before it counts as reconciled."""
    await feed.scene.arm("disconnect", route="private")
    order = feed.scene.order(price=RESTS)
    await feed.claim(order)
    await feed.scene.place(order)
    await feed.until(AccountReconciled, lambda one: one.cause == "reconnect")
    await feed.until(OrderAcked, about(order))


async def test_a_fill_that_was_made_up_is_found(feed: Feeding) -> None:
    """
    S9: what the gateway wrote and the exchange does not have halts, two seconds later.

    Fault K12.
    """
    order = feed.scene.order(price=RESTS)
    await feed.claim(order)
    await feed.scene.place(order)
    (acked, *_) = await feed.until(OrderAcked, about(order))
    life = life_of(order)
    made_up = replace(
        life.filled("0.005", "0.005", "987654321"),
        account=order.account,
        exchange_order_id=acked.exchange_order_id,
    )
    await feed.write(topics.EVENTS, made_up)
    (found, *_) = await feed.until(
        DifferenceFound, lambda one: one.kind is DifferenceKind.FILL_UNPROVEN
    )
    assert (found.rule, found.theirs) == (DifferenceRule.HALTED, "no such trade")
    await feed.until(AccountReconciled, lambda one: one.halting == 1)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_bad_stream_and_comparisons_end_with_the_ledger(feed: Feeding, seed: int) -> None:
    """
    R4, R5, A9: lost, repeated and reordered messages; the log ends as the exchange's ledger.

    Fault V5.
    """
    chance = random.Random(seed)
    ended: set[str] = set()
    for number in range(12):
        if chance.random() < 0.6:
            kind = chance.choice(["drop_message", "duplicate_message", "reorder_messages"])
            await feed.scene.arm(kind, route="private", count=chance.randint(1, 3))
        is_resting = chance.random() < 0.4
        order = feed.scene.order(f"soak{number}", price=RESTS if is_resting else TAKES)
        await feed.claim(order)
        outcome = await feed.scene.place(order)
        acked = next(one for one in outcome.evidence if isinstance(one, OrderAcked))
        if is_resting:
            await feed.scene.cancel(order, acked.exchange_order_id)
            ended.add(order.client_order_id)
    await feed.until(OrderCancelled, lambda _: True, len(ended))
    ledger = {
        str(one["trade_id"]): (Decimal(one["quantity"]), Decimal(one["commission"]))
        for one in await feed.scene.entries("fill")
        if one["account"] == "main"
    }
    await feed.until(OrderFilled, lambda one: bool(one.trade_id), len(ledger))
    await feed.compared()
    told = {
        one.trade_id: (one.quantity, one.commission)
        for one in await feed.read()
        if isinstance(one, OrderFilled) and one.trade_id
    }
    assert told == ledger
    cancelled = [one for one in await feed.read() if isinstance(one, OrderCancelled)]
    assert {one.client_order_id for one in cancelled} == ended
    open_ones = {DifferenceKind.BALANCE, DifferenceKind.FILL_UNPROVEN, DifferenceKind.ORDER_STATE}
    assert not open_ones & set(await differences(feed))


async def test_a_read_key_that_is_refused_is_not_sent_again_and_a_new_one_at_once(
    feed: Feeding,
) -> None:
    """Fault V7: stream and questions together send it once; a key that came is tried at once."""
    scene, before = feed.scene, len(await refused(feed.scene))
    scene.signer = signer_of(scene.venue, read_key="N" * 64)
    await scene.arm("disconnect", route="private")
    asked = len(feed.signs.asked)
    async with asyncio.timeout(PATIENCE_S):
        while len(feed.signs.asked) < asked + 5:  # noqa: ASYNC110  (at the pace of its retries)
            await asyncio.sleep(0.05)
    # A refused login stands in no ledger of BTCTurk's simulator.
    assert len(await refused(scene)) - before <= 1
    scene.signer = signer_of(scene.venue)
    await feed.compared()


async def refused(scene: Scene) -> list[dict[str, Any]]:
    """List the requests that were refused for their key."""
    return [one for one in await scene.entries("request") if one["status"] in {400, 401}]
