"""
The account feed's kept past: both topics, folded to the same with it and without.
"""

import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from spark import topics
from spark.bus.port import Partition
from spark.consumers import account_feed_keep
from spark.consumers.account_feed_keep import PastKeeper
from spark.consumers.account_feed_past import SPAN_MS, AccountPast, read_past
from spark.errors import PositionError
from spark.events import (
    AccountDoubted,
    Balance,
    BalancesSeen,
    DifferenceClosed,
    DifferenceFound,
    Event,
    ForeignOrderSeen,
    PartitionFenced,
)
from spark.names import DifferenceKind, DifferenceRule, OrderState, Side, VenueOrderState
from spark.worker.cache import StateCache
from tests.made import ACCOUNT, SECOND_NS, SYMBOL, Life
from tests.surroundings import account_fenced, account_reconciled
from tests.worlds import World, partition_of

_MS_NS: Final = 1_000_000
_OWN: Final = partition_of(topics.ACCOUNT_EVENTS)
_ORDERS: Final = partition_of(topics.EVENTS)
_BOTH: Final = (topics.EVENTS, topics.ACCOUNT_EVENTS)
Step = tuple[str, Event]


@pytest.fixture(autouse=True)
def _every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_feed_keep, "_UNKEPT_MIN", 1)


class Told:
    """A world in which a gateway and an account feed tell of orders, by chance."""

    def __init__(self, files: Path, seed: int) -> None:
        self.world = World(files)
        self.chance = random.Random(seed)
        self.epochs = dict.fromkeys(_BOTH, -1)
        self.open: list[Iterator[Step]] = []
        self.count = 0

    @property
    def file(self) -> Path:
        return self.world.states / "account_feed.0.state"

    async def begin(self) -> None:
        for topic in _BOTH:
            await self._fence(topic)

    async def go_on(self, steps: int) -> None:
        """Let so many things happen, some at once, some much later."""
        chance = self.chance
        for _ in range(steps):
            if len(self.open) < 4:
                self.count += 1
                self.open.append(self._life(f"n{self.count}"))
            one = chance.choice(self.open)
            step = next(one, None)
            if step is None:
                self.open.remove(one)
                continue
            await self.world.say(*step)
            if chance.random() < 0.15:
                await self._around()
            self.world.clock.advance(int(chance.choice((0, 3, 400, 9_000)) * _MS_NS))
            if chance.random() < 0.02:
                # Longer than anything that is closed is remembered.
                self.world.clock.advance(1_000 * SECOND_NS)

    def _life(self, text: str) -> Iterator[Step]:
        life, chance = Life(text), self.chance
        here, there = _BOTH

        def gone(event: Event) -> Iterator[Step]:
            """The gateway tells it, or the account feed, or both, either first."""
            told = [(here, event), (there, event)]
            chance.shuffle(told)
            yield from told[: chance.choice((1, 2, 2))]

        yield here, life.claimed(self.epochs[here])
        kind = chance.random()
        if kind < 0.1:
            yield here, life.unknown(self.epochs[here])
        elif kind < 0.2:
            yield from gone(life.rejected())
            return
        yield from gone(life.acked())
        if kind < 0.6:
            yield from gone(life.filled("0.4", "0.4", f"{text}a"))
            yield from gone(life.filled("0.6", "1.0", f"{text}b"))
            return
        yield here, life.claimed(self.epochs[here], cancel_of=f"{text}c")
        yield from gone(life.cancelled(by=f"{text}c"))

    async def _around(self) -> None:
        topic, chance, now_ns = topics.ACCOUNT_EVENTS, self.chance, self.world.clock.wall_ns()
        own, name = self.epochs[topic], f"d{chance.randrange(6)}"
        kind = chance.choice(list(DifferenceKind))
        balances = (Balance(asset="BTC", free=Decimal(chance.randrange(9)), locked=Decimal(0)),)
        foreign = ForeignOrderSeen(
            account=ACCOUNT, symbol=SYMBOL, exchange_order_id=name, client_order_id="", price=None,
            side=Side.BUY, state=chance.choice(list(VenueOrderState)), quantity=Decimal(1),
            filled=Decimal(0), exchange_ns=now_ns, at_ns=now_ns,
        )  # fmt: skip
        found = DifferenceFound(
            epoch=own, account=ACCOUNT, difference=name, kind=kind, symbol=SYMBOL, ours="",
            theirs="", rule=DifferenceRule.HALTED, subject=name, amount=Decimal(1), at_ns=now_ns,
        )  # fmt: skip
        how = chance.choice(("agreed", "accepted by two"))
        closed = DifferenceClosed(
            epoch=own, account=ACCOUNT, difference=name, how=how, at_ns=now_ns
        )
        seen = BalancesSeen(
            account=ACCOUNT, balances=balances, is_complete=True, exchange_ns=now_ns, at_ns=now_ns
        )
        doubted = AccountDoubted(epoch=own, account=ACCOUNT, cause="stream_lost", at_ns=now_ns)
        agreed: list[Event] = [seen, account_reconciled(ACCOUNT, own, now_ns)]
        said: list[list[Event]] = [[foreign], [found], [closed], agreed, agreed, [doubted]]
        if chance.random() < 0.1:
            await self._fence(chance.choice(_BOTH))
        else:
            await self.world.say(topic, *chance.choice(said))

    async def _fence(self, topic: str) -> None:
        self.epochs[topic] = len(self.world.log(topic))
        ids = {name: one.topic_id for name, one in (await self.world.bus.topics(_BOTH)).items()}
        fence = account_fenced()
        await self.world.say(
            topic,
            PartitionFenced(role=fence.role, instance="x", topic_ids=ids, settings={}, fenced_ns=0),
        )

    async def keeper(self) -> PastKeeper:
        """Give the one of a process that has just begun."""
        ids = {name: one.topic_id for name, one in (await self.world.bus.topics(_BOTH)).items()}
        return PastKeeper(
            bus=self.world.bus,
            clock=self.world.clock,
            account=ACCOUNT,
            cache=StateCache(self.file, AccountPast),
            lane=(_ORDERS, _OWN),
            topic_ids=ids,
        )

    async def start(self, *, is_kept: bool) -> AccountPast:
        """Fold the past as a start does."""
        lane: list[Partition] = [_ORDERS, _OWN]
        kept = await (await self.keeper()).load() if is_kept else None
        return await read_past(self.world.bus, ACCOUNT, await self.world.bus.ends(lane), kept=kept)


@pytest.mark.parametrize("seed", range(12))
async def test_a_kept_past_goes_on_as_the_whole_log(tmp_path: Path, seed: int) -> None:
    """§3.7, R8: kept at any moment, by any process: the account is what both topics tell."""
    told = Told(tmp_path, seed)
    await told.begin()
    keeper = await told.keeper()
    for steps in (40, 25, 60, 10):
        await told.go_on(steps)
        if told.chance.random() < 0.5:
            keeper = await told.keeper()
        await keeper.catch_up()
        await told.go_on(told.chance.randrange(20))
        assert await told.start(is_kept=True) == await told.start(is_kept=False)
    assert told.file.exists()
    kept = await (await told.keeper()).load()
    assert kept is not None
    assert kept.position(_ORDERS) > 0, "something is kept"
    assert {one.state for one in kept.state.book.orders.by_id.values()} & {
        OrderState.FILLED,
        OrderState.SUBMITTED,
        OrderState.CANCELLED,
    }


async def test_what_may_still_grow_is_not_kept(tmp_path: Path) -> None:
    """A span of time that records can still be appended to is folded again at the start."""
    told = Told(tmp_path, 1)
    await told.begin()
    await told.go_on(30)
    keeper = await told.keeper()
    await keeper.catch_up()
    now_ms = told.world.clock.wall_ns() // _MS_NS
    kept = await keeper.load()
    assert kept is not None
    for partition in (_ORDERS, _OWN):
        log = told.world.broker.log(partition)
        rest = log[kept.position(partition) :]
        young = [one for one in log if one.timestamp_ms // SPAN_MS >= now_ms // SPAN_MS - 1]
        assert rest == young


@pytest.mark.parametrize("topic", _BOTH)
@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "from the log"])
async def test_r18_a_topic_that_was_created_again_halts(
    tmp_path: Path, topic: str, is_kept: bool
) -> None:
    """R18: by the kept state's ids, or by those in both topics' fences; the remedy is named."""
    told = Told(tmp_path, 2)
    await told.begin()
    await told.go_on(40)
    await (await told.keeper()).catch_up()
    records = list(told.world.log(topic))
    told.world.broker.create(topic, topics.BY_NAME[topic].partitions)
    if is_kept:
        told.world.log(topic).extend(records)
    with pytest.raises(PositionError, match=f"{topic} is not the topic.*kafka-bad-days"):
        await told.start(is_kept=is_kept)


@pytest.mark.parametrize("topic", _BOTH)
async def test_r8_a_beginning_that_is_gone_halts_without_a_kept_state(
    tmp_path: Path, topic: str
) -> None:
    """R8: retention passed by: nothing is folded from the middle, unless it is held already."""
    told = Told(tmp_path, 3)
    await told.begin()
    await told.go_on(60)
    await (await told.keeper()).catch_up()
    told.world.broker.cut(partition_of(topic), 3)
    with pytest.raises(PositionError, match="records below 3 are gone"):
        await told.start(is_kept=False)
    await told.start(is_kept=True)


async def test_r18_another_record_in_its_place_halts(tmp_path: Path) -> None:
    """R18: the log was cut and grew again to the same length: the digest tells."""
    told = Told(tmp_path, 4)
    await told.begin()
    await told.go_on(60)
    await (await told.keeper()).catch_up()
    log = told.world.log(topics.EVENTS)
    log[:] = [one._replace(value=log[0].value) for one in log]
    with pytest.raises(PositionError, match="is not the record it was"):
        await told.start(is_kept=True)


async def test_a_spoilt_file_is_as_good_as_none(tmp_path: Path) -> None:
    """A cache that cannot be read changes nothing."""
    told = Told(tmp_path, 5)
    await told.begin()
    await told.go_on(60)
    await (await told.keeper()).catch_up()
    told.file.write_bytes(told.file.read_bytes()[:-1])
    assert await told.start(is_kept=True) == await told.start(is_kept=False)
