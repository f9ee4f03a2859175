"""
States kept on disk are a cache: a stage goes on to the same bytes with them and without.

Rubbish in their place is ignored; only another log than theirs is a reason to halt (R18).
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from spark import topics
from spark.bus.memory import MemoryBroker, MemoryBus, MemoryWriter
from spark.bus.port import Bus, Outgoing
from spark.errors import PositionError, WriteError
from spark.events import (
    CancelOrder,
    ClockMeasured,
    Event,
    GatewayReady,
    PartitionFenced,
    PlaceOrder,
)
from spark.ids import client_order_id
from spark.names import Endpoint, Reason, Role, Symbol, TradingMode, Venue
from spark.worker.contract import Transform
from spark.worker.loop import TransformLoop
from tests import hops
from tests.made import ACCOUNT, SECOND_NS, STRATEGY, Life, cancel, instrument, named, place
from tests.worlds import NUMBER, World, partition_of, running

_ETH: Final = Symbol("ETHUSDT")
#: Outputs after which an idle stage keeps its state.
_KEPT_OUTPUTS: Final = 500
_MS: Final = 1_000_000
#: Longer than anything is remembered.
_LONG_NS: Final = 1_000 * SECOND_NS

STAGES: Final[dict[str, tuple[Callable[[], Transform[Any]], str]]] = {
    Role.GUARDRAIL: (hops.guardrail, topics.DECISIONS),
    Role.SIGNER: (hops.signer, topics.SIGNED),
}
both_stages = pytest.mark.parametrize("stage", sorted(STAGES))


class Past:
    """A world that a stage has worked in, and what it is asked next."""

    def __init__(self, world: World, stage: str) -> None:
        self.world = world
        self.make, self.output = STAGES[stage]
        self.stage = stage
        self.orders: list[PlaceOrder] = []

    @property
    def file(self) -> Path:
        return self.world.states / f"{self.stage}.{NUMBER}.state"

    def copied(self, files: Path) -> "Past":
        """Copy the past, with its kept state."""
        other = Past(self.world.copied(files), self.stage)
        other.orders = list(self.orders)
        if self.file.exists():
            other.file.write_bytes(self.file.read_bytes())
        return other

    async def begin(self) -> None:
        """Say what everything else needs: instruments, the clock, a ready gateway."""
        fence = PartitionFenced(
            role="gateway", instance="g", topic_ids={}, settings={}, fenced_ns=0
        )
        ready = GatewayReady(
            epoch=0, account=ACCOUNT, endpoint=Endpoint.SIM, mode=TradingMode.LIVE, ready_ns=0
        )
        await self.world.say(topics.EVENTS, fence, ready)
        await self.time_passes(0)

    async def time_passes(self, by_ns: int) -> None:
        """Move the clock, and let the venue watch say so."""
        self.world.clock.advance(by_ns)
        now_ns = self.world.clock.wall_ns()
        measured = ClockMeasured(
            venue=Venue.BINANCE, offset_ns=0, uncertainty_ns=_MS, measured_ns=now_ns
        )
        eth = instrument(symbol=_ETH, base_asset="ETH", published_ns=now_ns)
        await self.world.say(topics.VENUE_STATE, instrument(published_ns=now_ns), eth, measured)
        await self.world.surround()

    async def ask(self, tag: str, count: int) -> None:
        """Write intents; the signer's world decides them as well."""
        now_ns = self.world.clock.wall_ns()
        intents: list[PlaceOrder | CancelOrder] = []
        for number in range(count):
            name = f"{tag}{number:04d}"
            changes: dict[str, Any] = {"intent_id": named(name, now_ns), "created_ns": now_ns}
            if number % 10 == 9:
                target = self.orders[-1]
                intents.append(cancel(target, **changes))
                continue
            if number % 7 == 4:
                changes["symbol"] = _ETH
            order = place(**changes)
            self.orders.append(order)
            intents.append(order)
        # What was asked before is asked again: a repetition is told from the first.
        written = [hops.intent_written(one) for one in (*intents, *self.orders[:2])]
        await self.world.append(*written)
        if self.stage != Role.GUARDRAIL:
            loop, ready = self.world.transform(hops.guardrail(), is_kept=False)
            before = len(self.world.log(topics.DECISIONS)) + 1
            async with running(loop.run, ready):
                await self.world.has(topics.DECISIONS, before + len(written))

    async def answer(self, orders: Sequence[PlaceOrder]) -> None:
        """Write what became of orders: one of each sort, in turn."""
        told = [event for number, order in enumerate(orders) for event in _life(order, number % 7)]
        await self.world.say(topics.EVENTS, *told)

    async def work(
        self, outputs: int, *, is_kept: bool = True, bus: Bus | None = None
    ) -> TransformLoop[Any]:
        """Run the stage until it wrote so many outputs after its fence."""
        before = len(self.world.log(self.output))
        loop, ready = self.world.transform(self.make(), is_kept=is_kept, bus=bus)
        async with running(loop.run, ready):
            await self.world.has(self.output, before + 1 + outputs)
        return loop

    async def work_until_kept(self, outputs: int, answered: Sequence[PlaceOrder] = ()) -> None:
        """Run the stage until it wrote so many outputs, took in answers and kept its state."""
        before, events = len(self.world.log(self.output)), partition_of(topics.EVENTS)
        loop, ready = self.world.transform(self.make())
        async with running(loop.run, ready):
            await self.answer(answered)
            end = len(self.world.broker.log(events))
            await self.world.has(self.output, before + 1 + outputs)
            while loop._side_positions[events] < end:  # noqa: ASYNC110  (inside of the loop)
                await asyncio.sleep(0.01)
            while not self.file.exists():  # noqa: ASYNC110  (a file's coming is no event)
                await asyncio.sleep(0.01)


def state_of(loop: TransformLoop[Any]) -> object:
    """Give what a stage knows."""
    return loop._lanes[NUMBER].state


#: Pasts that were made once, to be copied.
_PASTS: Final[dict[tuple[str, bool], Past]] = {}


async def kept(directory: Path, stage: str, *, is_side_quiet: bool = True) -> Past:
    """Give a past at whose end the stage kept its state."""
    key = (stage, is_side_quiet)
    if key not in _PASTS:
        _PASTS[key] = await _lived(directory / "first", stage, is_side_quiet=is_side_quiet)
    return _PASTS[key].copied(directory)


async def _lived(directory: Path, stage: str, *, is_side_quiet: bool) -> Past:
    past = Past(World(directory), stage)
    await past.begin()
    await past.ask("a", 40)
    await past.work(42)
    await past.answer(past.orders[:20])
    await past.ask("b", _KEPT_OUTPUTS)
    await past.work_until_kept(_KEPT_OUTPUTS + 2, () if is_side_quiet else past.orders[20:40])
    return past


def _life(order: PlaceOrder, sort: int) -> list[Event]:
    life = Life(quantity=order.quantity, symbol=order.symbol)
    life.intent_id = order.intent_id
    life.client_order_id = client_order_id(ACCOUNT, STRATEGY, order.intent_id)
    life._about |= {"intent_id": life.intent_id, "client_order_id": life.client_order_id}
    claimed, whole = life.claimed(0), str(order.quantity)
    sorts: list[list[Event]] = [
        [claimed, life.acked()],
        [claimed, life.acked(), life.filled(whole, whole, "t1")],
        [claimed, life.acked(), life.cancelled()],
        [claimed, life.unknown(0), life.denied(0)],
        # Its symbol is the other one, which stays blocked.
        [claimed, life.unknown(0)] if order.symbol == _ETH else [claimed, life.expired()],
        [life.not_sent(Reason.SIGNATURE_EXPIRED, epoch=0)],
        [claimed, life.rejected()],
    ]
    return sorts[sort]


@both_stages
@pytest.mark.parametrize("pause_ns", [SECOND_NS, _LONG_NS], ids=["soon", "late"])
@pytest.mark.parametrize("is_side_quiet", [True, False], ids=["sides quiet", "sides busy"])
async def test_a_restart_with_the_kept_state_goes_on_as_one_without(
    tmp_path: Path, stage: str, *, pause_ns: int, is_side_quiet: bool
) -> None:
    """
    The same log gives the same bytes, whether it is folded whole or from a kept state (§3.7).
    """
    past = await kept(tmp_path / "kept", stage, is_side_quiet=is_side_quiet)
    await past.answer(past.orders[40:])
    await past.time_passes(pause_ns)
    await past.ask("c", 40)
    bare = past.copied(tmp_path / "bare")
    bare.file.unlink()
    with_it, without_it = await past.work(42), await bare.work(42)
    assert past.world.values(past.output) == bare.world.values(bare.output)
    assert state_of(with_it) == state_of(without_it)


def _remove(file: Path) -> None:
    file.unlink()


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def _damage(file: Path) -> None:
    body = bytearray(file.read_bytes())
    body[len(body) // 2] ^= 1
    file.write_bytes(bytes(body))


def _reshape(file: Path) -> None:
    body = file.read_bytes()
    file.write_bytes(bytes(32) + body[32:])


def _leave_half(file: Path) -> None:
    file.rename(file.with_suffix(".part"))


@both_stages
@pytest.mark.parametrize("harm", [_remove, _empty, _truncate, _damage, _reshape, _leave_half])
async def test_a_file_that_is_gone_or_spoilt_changes_nothing(
    tmp_path: Path, stage: str, harm: Callable[[Path], None]
) -> None:
    """
    Fault O6: a cache that cannot be used is as good as none.
    """
    past = await kept(tmp_path / "kept", stage)
    await past.ask("c", 10)
    bare = past.copied(tmp_path / "bare")
    harm(bare.file)
    with_it, without_it = await past.work(12), await bare.work(12)
    assert past.world.values(past.output) == bare.world.values(bare.output)
    assert state_of(with_it) == state_of(without_it)


@both_stages
async def test_a_stage_that_ends_early_each_time_keeps_its_state(
    tmp_path: Path, stage: str
) -> None:
    """
    What a start folds counts as not kept: or each start would fold more than the one before.
    """
    past = Past(World(tmp_path), stage)
    await past.begin()
    await past.ask("a", _KEPT_OUTPUTS - 20)
    await past.work(_KEPT_OUTPUTS - 18)
    assert not past.file.exists()
    await past.ask("b", 40)
    await past.work_until_kept(42)


@both_stages
@pytest.mark.parametrize("which", ["source", "output", "events", "venue"])
async def test_a_topic_that_was_created_again_halts(tmp_path: Path, stage: str, which: str) -> None:
    """
    A kept state names the incarnation of every topic that it was folded from (R18).
    """
    past = await kept(tmp_path, stage)
    transform = past.make()
    name = {
        "source": transform.source,
        "output": transform.output,
        "events": topics.EVENTS,
        "venue": topics.VENUE_STATE,
    }[which]
    again = past.world.broker.log(partition_of(name))
    past.world.broker.create(name, topics.BY_NAME[name].partitions)
    # It holds the same records again, so that nothing but its id can tell.
    past.world.broker.log(partition_of(name)).extend(again)
    with pytest.raises(PositionError, match=name):
        await past.work(1)


async def test_a_record_that_is_not_the_one_it_was_halts(tmp_path: Path) -> None:
    """
    A position holds the digest of the record before it (R18).
    """
    past = await kept(tmp_path, Role.GUARDRAIL)
    log = past.world.log(past.output)
    log[-1] = log[-1]._replace(value=log[-2].value)
    with pytest.raises(PositionError, match="is not the record it was"):
        await past.work(1)


async def test_a_log_that_is_shorter_than_the_state_halts(tmp_path: Path) -> None:
    """
    A state from beyond the log's end belongs to another log (R18).
    """
    past = await kept(tmp_path, Role.GUARDRAIL)
    del past.world.log(past.output)[-100:]
    with pytest.raises(PositionError, match="was cut to"):
        await past.work(1)


@both_stages
async def test_a_zombie_s_records_behind_our_own_do_not_spoil_the_state(
    tmp_path: Path, stage: str
) -> None:
    """
    A state's place is right behind our own last record, whatever void ones follow it (R3).
    """
    past = Past(World(tmp_path / "kept"), stage)
    await past.begin()
    await past.ask("a", _KEPT_OUTPUTS)
    loop, ready = past.world.transform(past.make())
    async with running(loop.run, ready):
        await past.world.has(past.output, 1 + _KEPT_OUTPUTS + 2)
        late = past.world.log(past.output)[-1]
        assert late.value is not None
        stray = late._replace(value=late.value.replace(b'"epoch":0', b'"epoch":-7'))
        await past.world.append(
            Outgoing(stray.partition, stray.key, stray.value or b"", stray.headers)
        )
        await loop._tenures()[0].check()
        while not past.file.exists():  # noqa: ASYNC110  (a file's coming is no event)
            await asyncio.sleep(0.01)
    bare = past.copied(tmp_path / "bare")
    bare.file.unlink()
    assert state_of(await past.work(0)) == state_of(await bare.work(0))


class _Deaf(MemoryBus):
    """A bus whose broker takes an output and never says so."""

    def __init__(self, world: World, output: str) -> None:
        super().__init__(world.broker)
        self._output = output

    async def writer(self, topics: Sequence[str]) -> MemoryWriter:
        del topics
        return _DeafWriter(self._broker, self._output)


class _DeafWriter(MemoryWriter):
    def __init__(self, broker: MemoryBroker, output: str) -> None:
        super().__init__(broker)
        self._output = output

    async def write(self, records: Sequence[Outgoing]) -> list[int]:
        offsets = await super().write(records)
        if len(records) > 1 and records[0].partition.topic == self._output:
            raise WriteError("no acknowledgement")
        return offsets


@both_stages
async def test_a_state_that_is_not_acknowledged_is_not_kept(tmp_path: Path, stage: str) -> None:
    """
    What the log may not hold never gets into a file; the restart finds out what it holds (§3.5).
    """
    past = await kept(tmp_path, stage)
    before = past.file.read_bytes()
    await past.ask("c", _KEPT_OUTPUTS)
    loop, _ = past.world.transform(past.make(), bus=_Deaf(past.world, past.output))
    with pytest.raises(ExceptionGroup) as caught:
        await loop.run(asyncio.Event())
    assert caught.group_contains(WriteError)
    assert past.file.read_bytes() == before
    bare = past.copied(tmp_path / "bare")
    bare.file.unlink()
    assert state_of(await past.work(0)) == state_of(await bare.work(0))
