"""
The order path on a real broker, each stage as its own principal with its own rights.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from spark import topics
from spark.bus.kafka import KafkaBus
from spark.bus.port import Bus, Outgoing
from spark.errors import FencedError, PositionError, WriteError
from spark.events import (
    IntentRefused,
    OrderAcked,
    OrderCancelled,
    OrderClaimed,
    RequestNotSent,
)
from spark.names import Reason, Role
from spark.worker.authority import check_authority
from tests.held_bus import HeldBus
from tests.hops import intent_written
from tests.made import place
from tests.order_path import STAGES, OrderPath, order_path, served
from tests.servers import RunningKafka


class Principals:
    """Each role's way to the broker; the first one of a role can be held."""

    def __init__(self, server: RunningKafka) -> None:
        self._server = server
        self.first: dict[str, HeldBus] = {}

    def bus(self, principal: str) -> Bus:
        inner = KafkaBus(self._server.login(principal))
        if principal not in {one.value for one in Role} or principal in self.first:
            return inner
        self.first[principal] = HeldBus(inner)
        return self.first[principal]


@pytest.fixture
def principals(kafka_server: RunningKafka) -> Principals:
    kafka_server.recreate_topics()
    return Principals(kafka_server)


@pytest.fixture
async def path(principals: Principals) -> AsyncIterator[OrderPath]:
    async with order_path(principals.bus) as made:
        await made.up()
        yield made


async def test_an_order_goes_through_with_the_rights_of_the_table(
    path: OrderPath, kafka_server: RunningKafka
) -> None:
    """A1-A4, S17: placed and cancelled by processes that may do exactly what the table says."""
    for role in Role:
        bus = KafkaBus(kafka_server.login(role))
        await check_authority(bus, role)
        await bus.close()
    order = path.order()
    await path.ask(order)
    acked = await path.hear(order, OrderAcked)
    await path.ask(path.cancel(order))
    await path.hear(order, OrderCancelled)
    assert await path.placed() == [acked.client_order_id]
    assert path.tape.numbers(topics.DECISIONS) == path.tape.numbers(topics.SIGNED) == [0, 1]


async def test_r1_r2_r3_zombies_of_every_stage_on_a_real_log(
    path: OrderPath, principals: Principals
) -> None:
    """
    R1, R2, R3: each stage paused with its append in hand, taken over, and let go.

    Whatever the zombie then appends is void, and it ends as fenced; the gateway's
    claim is never sent.

    Faults K4, K5 and S1.
    """
    for role in (Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY):
        before = len(await path.requests())
        old, held = path.stage(role), principals.first[role]
        held.hold()
        order = path.order()
        await path.ask(order)
        await held.is_waiting.wait()
        await path.start(role).is_up()
        if role is Role.GATEWAY:
            ended = await path.ended(order)
            assert [one.code for one in ended.reasons] == [Reason.GATEWAY_NOT_READY]
        else:
            await path.hear(order, OrderAcked)
        held.release()
        assert isinstance(await old.error(), FencedError)
        await served(path)
        gained = len(await path.requests()) - before
        assert gained == (1 if role is Role.GATEWAY else 2)
    await path.tape.catch_up()
    placed = await path.placed()
    assert len(placed) == len(set(placed))
    claims = [one.client_order_id for one in path.tape.on(topics.EVENTS, OrderClaimed)]
    assert len(claims) == len(placed) + 1, "the zombie's void claim stands on the log"


async def test_r6_every_stage_restarted_under_load_on_a_real_log(path: OrderPath) -> None:
    """R6: one output each on every hop, no order twice, whatever was ended in the middle."""
    asked = 0

    async def load() -> None:
        nonlocal asked
        while not is_over.is_set():
            order = path.order()
            asked += 2
            await path.ask(order, path.cancel(order))
            await asyncio.sleep(0.01)  # the rate of the load, not a wait for anything

    is_over = asyncio.Event()
    loading = asyncio.create_task(load())
    for role, topic in (
        (Role.GUARDRAIL, topics.DECISIONS),
        (Role.SIGNER, topics.SIGNED),
        (Role.GATEWAY, topics.EVENTS),
    ):
        await path.tape.more(topic, 10)
        await path.restart(role)
    await path.tape.more(topics.EVENTS, 10)
    is_over.set()
    await loading
    await path.tape.until(
        lambda: (
            {offset for offset, _ in path.events_of_signed()} >= path.signed_offsets()
            and len(path.tape.numbers(topics.SIGNED)) == asked
        )
    )
    dense = list(range(asked))
    assert path.tape.numbers(topics.DECISIONS) == path.tape.numbers(topics.SIGNED) == dense
    posted = [one["client_order_id"] for one in await path.requests()]
    assert len(posted) == len(set(posted))
    assert set(await path.placed()) <= set(posted)


async def test_r18_an_events_log_made_anew_on_the_broker_halts(
    path: OrderPath, kafka_server: RunningKafka
) -> None:
    """R18: the broker's topic id tells; the gateway does not begin on the empty log."""
    await served(path)
    for role in STAGES:
        await path.stage(role).crash()
    kafka_server.recreate_topic(topics.EVENTS)
    for role in (Role.GATEWAY, Role.GUARDRAIL, Role.SIGNER):
        error = await path.start(role).error()
        assert isinstance(error, PositionError), error
    assert len(await path.requests()) == 1


def too_large(path: OrderPath) -> Outgoing:
    return intent_written(place(symbol="x" * 1_000_000))


async def test_r20_what_one_strategy_writes_stops_nobody(
    path: OrderPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R20: 1 MB is the writer's own error; 60 KiB and headers that are no text are refused."""
    bus: Bus = path.bus_of("strategy-demo")
    writer = await bus.writer([topics.SIGNED])
    with pytest.raises(WriteError, match="MessageSizeTooLarge"):
        await writer.write([too_large(path)])
    await writer.close()
    for module in ("producer", "message_accumulator"):
        name = f"aiokafka.producer.{module}.DefaultRecordBatchBuilder"
        monkeypatch.setattr(name, _DefaultRecordBatchBuilderPy)

    class NoText(str):
        __slots__ = ()

        def encode(self, *_: object) -> bytes:
            return b"\xff"

    writer = await bus.writer([topics.INTENTS])
    good = intent_written(place())
    long = intent_written(place(symbol="x" * 60_000))
    make: list[Callable[[], Outgoing]] = [
        lambda: long,
        lambda: good._replace(headers=((NoText("x"), b""),)),
        lambda: good._replace(headers=tuple((name, b"") for name, _ in good.headers)),
    ]
    await writer.write([one() for one in make])
    await writer.close()
    await bus.close()
    refused = await path.tape.some(topics.DECISIONS, IntentRefused, 3)
    assert [one.reasons[0].code for one in refused] == [
        Reason.MALFORMED,
        Reason.TAG_MISSING,
        Reason.TAG_INVALID,
    ]
    await served(path)
    assert len(path.tape.on(topics.EVENTS, RequestNotSent)) == 3
