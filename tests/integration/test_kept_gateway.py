"""
The gateway's kept state: claims, what is handled and what is still open, as the log tells them.
"""

import asyncio
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from spark import topics
from spark.codec import decode
from spark.consumers import gateway_desk
from spark.consumers.gateway_resume import MEMORY_NS, GatewayPast, read_past
from spark.errors import PositionError
from spark.events import (
    CancelOrder,
    ClockMeasured,
    OrderAcked,
    OrderCancelled,
    OrderClaimed,
    OutcomeUnknown,
    PlaceOrder,
    RequestNotSent,
)
from spark.exchanges.port import About, Answer, LastCheck, NotSentError, Outcome, SignedRequest
from spark.ids import client_order_id
from spark.ledger.fold import Orders
from spark.ledger.orders import CLOSED
from spark.names import Action, OrderState, Symbol, Venue
from spark.worker.cache import StateCache
from tests import hops
from tests.made import ACCOUNT, NOW_NS, SECOND_NS, STRATEGY, cancel, instrument, named, place
from tests.ordeal import until
from tests.worlds import NUMBER, World, crashing, partition_of, running

_ETH: Final = Symbol("ETHUSDT")
_MS: Final = 1_000_000
#: Beyond anything that the gateway remembers.
_LATE_NS: Final = 1_000 * SECOND_NS


class Taciturn:
    """An exchange that takes every order, and of one symbol and some cancels never says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        #: Orders whose cancel is not answered.
        self.silent: set[str] = set()

    async def place(self, request: SignedRequest, about: About, check: LastCheck) -> Outcome:
        await self._take("place", request, about, check=check)
        acked = OrderAcked(
            **_about(about),
            exchange_order_id=f"x{about.client_order_id}",
            exchange_ns=NOW_NS,
            sent_ns=NOW_NS,
            answered_ns=NOW_NS,
        )
        return Outcome(answer=Answer.DEFINITE, evidence=(acked,))

    async def cancel(self, request: SignedRequest, about: About, check: LastCheck) -> Outcome:
        await self._take("cancel", request, about, check=check)
        cancelled = OrderCancelled(
            **_about(about),
            cancel_intent_id=about.cancel_intent_id,
            filled=Decimal(0),
            exchange_ns=NOW_NS,
            sent_ns=NOW_NS,
            answered_ns=NOW_NS,
        )
        return Outcome(answer=Answer.DEFINITE, evidence=(cancelled,))

    async def query(self, request: SignedRequest, about: About) -> Outcome:
        raise AssertionError(f"nobody signs {request} about {about} here")

    async def close(self) -> None:
        """Nothing to let go of."""

    async def _take(
        self, verb: str, request: SignedRequest, about: About, *, check: LastCheck
    ) -> None:
        assert request.query
        if not check():
            raise NotSentError
        self.asked.append(f"{verb} {about.client_order_id}")
        if about.symbol == _ETH or (verb == "cancel" and about.client_order_id in self.silent):
            await asyncio.Event().wait()


def _about(about: About) -> dict[str, Any]:
    names = ("account", "strategy", "intent_id", "client_order_id", "symbol")
    return {name: getattr(about, name) for name in names}


class Past:
    """A world in which guardrail, signer and gateway have worked."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.venue = Taciturn()
        self.orders: list[PlaceOrder] = []

    @property
    def file(self) -> Path:
        return self.world.states / f"gateway.{NUMBER}.state"

    def copied(self, files: Path) -> "Past":
        """Copy the past, with its kept state."""
        other = Past(self.world.copied(files))
        other.orders = list(self.orders)
        if self.file.exists():
            other.file.write_bytes(self.file.read_bytes())
        return other

    async def time_passes(self, by_ns: int) -> None:
        """Move the clock, and let the venue watch say so."""
        self.world.clock.advance(by_ns)
        now_ns = self.world.clock.wall_ns()
        clock = ClockMeasured(
            venue=Venue.BINANCE, offset_ns=0, uncertainty_ns=_MS, measured_ns=now_ns
        )
        btc, eth = (
            instrument(published_ns=now_ns),
            instrument(symbol=_ETH, base_asset="ETH", published_ns=now_ns),
        )
        await self.world.say(topics.VENUE_STATE, btc, eth, clock)
        await self.world.surround()

    async def sign(self, tag: str, symbols: str) -> None:
        """Have places signed: `b` for one symbol, `e` for the other, `c` cancels the last one."""
        now_ns = self.world.clock.wall_ns()
        intents: list[PlaceOrder | CancelOrder] = []
        for number, letter in enumerate(symbols):
            own: dict[str, Any] = {
                "intent_id": named(f"{tag}{number:04d}", now_ns),
                "created_ns": now_ns,
            }
            if letter == "c":
                intents.append(cancel(self.orders[-1], **own))
                continue
            symbol = {"symbol": _ETH, "price": Decimal(2500)} if letter == "e" else {}
            self.orders.append(place(**own | symbol))
            intents.append(self.orders[-1])
        await self.world.append(*(hops.intent_written(one) for one in intents))
        for make, topic in ((hops.guardrail, topics.DECISIONS), (hops.signer, topics.SIGNED)):
            transform: Any = make()
            loop, ready = self.world.transform(transform, is_kept=False)
            before = len(self.world.log(topic))
            async with running(loop.run, ready):
                await self.world.has(topic, before + 1 + len(intents))

    async def begin(self) -> None:
        """Let a gateway get stuck on one symbol while it serves the other, and die there."""
        await self.time_passes(0)
        gateway, ready = self.world.gateway(self.venue)
        async with crashing(gateway.run, ready):
            # Half of the slots hold what is never answered, the rest of it waits behind.
            await self.sign("a", "ebebebebebebeb" + "bc" * 4 + "b" * 10)
            await self._ended(7 + 8 + 10)
            last = self.orders[-1]
            self.venue.silent.add(client_order_id(ACCOUNT, STRATEGY, last.intent_id))
            await self.sign("c", "c")
            await self.world.until(
                topics.EVENTS,
                lambda events: any(
                    isinstance(e, OrderClaimed) and e.action is Action.CANCEL for e in events
                ),
            )
            assert gateway._desks[NUMBER].lane.dispatch.in_flight == 4 + 1

    async def go_on(self, *, is_kept: bool = True) -> Orders:
        """Restart the gateway, have orders signed for it, and give what it knows then."""
        before = sum(isinstance(decode(v), _ENDS) for v in self.world.values(topics.EVENTS))
        self.venue = Taciturn()
        gateway, ready = self.world.gateway(self.venue, is_kept=is_kept)
        async with crashing(gateway.run, ready):
            await self.sign("b", "bbbcbb")
            # With what waited behind the stuck ones; it was approved for another gateway.
            await self._ended(before + 6 + 3)
            return gateway._desks[NUMBER].lane.orders

    async def _ended(self, count: int) -> None:
        """Wait until so many requests were answered or ended, since the world began."""
        await self.world.until(
            topics.EVENTS, lambda events: sum(isinstance(e, _ENDS) for e in events) >= count
        )


_ENDS: Final = (OrderAcked, OrderCancelled, RequestNotSent)


@pytest.fixture(params=[10, 25, 40], ids="every {} events".format)
async def past(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Past:
    """A gateway that died with requests in flight, and kept its state somewhere before."""
    for name in ("_IDLE_EVENTS_MIN", "_BUSY_EVENTS_MAX"):
        monkeypatch.setattr(gateway_desk, name, request.param)
    made = Past(World(tmp_path / "kept"))
    await made.begin()
    monkeypatch.undo()
    return made


async def held(past: Past) -> GatewayPast:
    """Read what the gateway kept."""
    ids = {topic: state.topic_id for topic, state in (await past.world.bus.topics(_OWN)).items()}
    kept = await StateCache(past.file, GatewayPast).load(past.world.bus, ids)
    assert kept is not None
    return kept.state


_OWN: Final = (topics.SIGNED, topics.EVENTS, topics.ACCOUNT_EVENTS)


@pytest.mark.parametrize("pause_ns", [SECOND_NS, _LATE_NS], ids=["soon", "late"])
async def test_a_gateway_goes_on_with_its_state_as_without(
    past: Past, tmp_path: Path, pause_ns: int
) -> None:
    """
    What is claimed, handled and open is the same from the file and from the log (R1, R2, §3.7).
    """
    kept = await held(past)
    assert {order.state for order in kept.orders.by_id.values()} >= {OrderState.CLAIMED}
    assert kept.handled, "something was handled beyond what is open"
    asked = set(past.venue.asked)
    await past.time_passes(pause_ns)
    bare = past.copied(tmp_path / "bare")
    bare.file.unlink()
    with_it, without_it = await past.go_on(), await bare.go_on()
    assert past.world.values(topics.EVENTS) == bare.world.values(topics.EVENTS)
    assert with_it == without_it
    for venue in (past.venue, bare.venue):
        assert len(venue.asked) >= 4
        assert asked.isdisjoint(venue.asked), "nothing is sent again"


async def test_what_was_in_flight_is_unknown_after_the_restart(past: Past) -> None:
    """
    A claim without an answer is an unknown, place and cancel alike, kept or not (design §4.5).
    """
    await past.time_passes(SECOND_NS)
    orders = await past.go_on()
    events = [decode(value) for value in past.world.values(topics.EVENTS)]
    unknown = [e for e in events if isinstance(e, OutcomeUnknown) and e.cause == "restart"]
    assert [e.action for e in unknown] == [Action.PLACE] * 4 + [Action.CANCEL]
    assert {orders.by_id[key].symbol for key in orders.unknown} == {_ETH}
    assert orders.doubtful == {unknown[-1].client_order_id}
    said = Counter(e.origin.offset for e in events if isinstance(e, OrderClaimed | RequestNotSent))
    assert set(said.values()) == {1}, "each signed record was taken once"


@pytest.mark.parametrize("topic", _OWN)
async def test_a_topic_that_was_created_again_halts(past: Past, topic: str) -> None:
    """
    A kept state names the topics that it was folded from (R18).
    """
    records = past.world.log(topic)
    past.world.broker.create(topic, topics.BY_NAME[topic].partitions)
    past.world.log(topic).extend(records)
    with pytest.raises(PositionError, match="created again"):
        await past.go_on()


async def test_a_record_that_is_not_the_one_it_was_halts(past: Past) -> None:
    """
    A position holds the digest of the record before it (R18).
    """
    log = past.world.log(topics.EVENTS)
    log[:] = [record._replace(value=log[0].value) for record in log]
    with pytest.raises(PositionError, match="is not the record it was"):
        await past.go_on()


async def test_a_spoilt_file_is_as_good_as_none(past: Past, tmp_path: Path) -> None:
    """
    A cache that cannot be read changes nothing.
    """
    await past.time_passes(SECOND_NS)
    bare = past.copied(tmp_path / "bare")
    bare.file.write_bytes(bare.file.read_bytes()[:-1])
    assert await past.go_on() == await bare.go_on()
    assert past.world.values(topics.EVENTS) == bare.world.values(topics.EVENTS)


@pytest.mark.parametrize("pause_ns", [SECOND_NS, _LATE_NS], ids=["soon", "late"])
async def test_the_log_folds_to_what_the_living_gateway_knows(past: Past, pause_ns: int) -> None:
    """
    State is a function of the log, and of a long log no more is held than while working (R8).
    """
    await past.time_passes(pause_ns)
    known = await past.go_on()
    source, output = partition_of(topics.SIGNED), partition_of(topics.EVENTS)
    end = len(past.world.log(topics.EVENTS))
    folded = await read_past(past.world.bus, (source, output), fence=end, kept=None)
    assert folded.orders == known
    oldest_ns = past.world.clock.wall_ns() - MEMORY_NS
    closed = [order for order in folded.orders.by_id.values() if order.state in CLOSED]
    assert all(order.changed_ns >= oldest_ns for order in closed)


async def test_a_gateway_that_ends_early_each_time_keeps_its_state(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """
    What a start folds counts as not kept: or each start would fold more than the one before.
    """
    monkeypatch.setattr(gateway_desk, "_IDLE_EVENTS_MIN", 30)
    past = Past(World(tmp_path))
    await past.time_passes(0)
    gateway, ready = past.world.gateway(past.venue)
    async with crashing(gateway.run, ready):
        await past.sign("a", "b" * 8)
        await past._ended(8)
    assert not past.file.exists()
    gateway, ready = past.world.gateway(past.venue)
    async with crashing(gateway.run, ready):
        await past.sign("b", "b" * 8)
        await past._ended(16)
        await until(past.file.exists, "the state is kept")


async def test_what_is_handled_is_kept_before_it_is_read_again(past: Past) -> None:
    """
    A state kept right after a start still holds what was handled beyond the first open one (R1).
    """
    gateway, _ = past.world.gateway(Taciturn())
    await gateway._open(await past.world.bus.writer([topics.EVENTS]))
    lane = gateway._desks[NUMBER].lane
    origin, handled = lane.done()
    assert origin.done_below == lane.inbox.position
    assert handled
    assert handled == lane.handled
