"""
The broker dies, hangs, comes back older, or refuses: what the order path does, on a real one.

What Spark does: readers come back by themselves; a writer whose append has no answer in time
ends its process, and the start of the next one is the recovery; a broker whose log is older
than what was read from it halts whoever can tell. Nothing is sent twice in any of it.
"""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from spark import topics
from spark.bus import kafka
from spark.bus.kafka import KafkaBus
from spark.clock import SystemClock
from spark.codec import decode
from spark.consumers import gateway_desk
from spark.errors import HaltError, PositionError, RetryError, WriteError
from spark.events import (
    DeadLettered,
    HaltConfirmed,
    IntentRefused,
)
from spark.names import HaltSource, Reason, Role
from spark.producers.kills import new_kill, say_kill
from spark.worker import keeper
from tests.hops import intent_written
from tests.made import place
from tests.order_path import STAGES, OrderPath, order_path, served
from tests.servers import RunningKafka


@pytest.fixture
async def path(kafka_server: RunningKafka, tmp_path: Path) -> AsyncIterator[OrderPath]:
    kafka_server.recreate_topics()
    async with order_path(
        lambda principal: KafkaBus(kafka_server.login(principal)), state_dir=tmp_path
    ) as made:
        await made.up()
        yield made


async def assert_once(path: OrderPath) -> None:
    """Hold the log against the exchange's own ledger: dense, one each, nothing twice."""
    await path.tape.until(
        lambda: {offset for offset, _ in path.events_of_signed()} >= path.signed_offsets()
    )
    asked = len([one for one in path.tape.records[topics.INTENTS] if not one[0].partition.number])
    dense = list(range(asked))
    assert path.tape.numbers(topics.DECISIONS) == path.tape.numbers(topics.SIGNED) == dense
    posted = [one["client_order_id"] for one in await path.requests()]
    assert len(posted) == len(set(posted))
    assert set(await path.placed()) <= set(posted)


async def revived(path: OrderPath) -> list[str]:
    """Start again what ended, as a supervisor does; gives who that was."""
    ended = [role for role in STAGES if path.stage(role).task.done()]
    for role in ended:
        error = await path.stage(role).error()
        assert isinstance(error, RetryError | WriteError), (role, error)
        await path.start(role).is_up()
    return [role.value for role in ended]


async def test_k1_side_readers_come_back_after_a_broker_that_died_under_idle(
    path: OrderPath, kafka_server: RunningKafka
) -> None:
    """
    R10: killed twice while nothing happens; orders flow again, a kill on the log kills.

    Fault K1.
    """
    await served(path)
    for _ in range(2):
        kafka_server.kill()
        kafka_server.start()
        await asyncio.sleep(1)  # an idle second with it, not a wait for anything
        await revived(path)
        await served(path)
    await assert_once(path)
    bus = KafkaBus(kafka_server.login("op-local"))
    writer = await bus.writer([topics.CONTROL_HALT])
    kill = new_kill("a drill", by="op-local", source=HaltSource.CLI, clock=SystemClock())
    await say_kill(writer, kill)
    await path.tape.some(topics.CONTROL_CONFIRMED, HaltConfirmed, 3)
    order = path.order()
    await path.ask(order)
    refused = await path.decided(order)
    assert isinstance(refused, IntentRefused)
    assert Reason.KILL_SWITCH_ACTIVE in {one.code for one in refused.reasons}
    await writer.close()
    await bus.close()


async def test_k7_a_broker_that_hangs_ends_writers_and_a_start_is_the_recovery(
    path: OrderPath, kafka_server: RunningKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    §3.5: paused for longer than an append may take; what may stand is read, not repeated.

    Faults K7 and N2.
    """
    monkeypatch.setattr(kafka, "_WRITE_DEADLINE_S", 2.0)
    monkeypatch.setattr(kafka, "_ANSWER_DEADLINE_S", 2.0)
    order = await served(path)
    os.kill(kafka_server.process.pid, signal.SIGSTOP)
    try:
        for role in (Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY):
            error = await path.stage(role).error()
            assert isinstance(error, WriteError | RetryError), (role, error)
            assert error.exit_code != HaltError.exit_code
    finally:
        os.kill(kafka_server.process.pid, signal.SIGCONT)
    monkeypatch.undo()
    assert set(await revived(path)) >= {Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY}
    later = await served(path)
    assert later.intent_id != order.intent_id
    await assert_once(path)


async def test_k3_a_broker_that_comes_back_older_halts_who_knows_more(
    path: OrderPath, kafka_server: RunningKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R18, fault K3: an old copy of its disk: same topics, same ids, offsets gone backwards."""
    for module, name in (
        (keeper, "_IDLE_OUTPUTS_MIN"),
        (gateway_desk, "_IDLE_EVENTS_MIN"),
    ):
        monkeypatch.setattr(module, name, 1)
    await served(path)
    data = kafka_server.server.home / "data"
    copy = data.with_name("copied")
    kafka_server.stop()
    shutil.copytree(data, copy)
    kafka_server.start()
    await revived(path)
    for _ in range(3):
        await served(path)
    for role in (Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY):
        await path.stage(role).end()
    kafka_server.kill()
    shutil.rmtree(data)
    copy.rename(data)
    kafka_server.start()
    requests = len(await path.requests())
    for role in (Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY):
        error = await path.start(role).error()
        assert isinstance(error, PositionError), (role, error)
        assert "kafka-bad-days" in str(error)
    assert len(await path.requests()) == requests


async def test_r20_an_intent_above_8_kib_is_refused_with_a_letter_and_nothing_stops(
    path: OrderPath, kafka_server: RunningKafka
) -> None:
    """
    R20: one byte above the limit of an intent, and the largest that the broker takes.

    Fault K8.
    """
    just = intent_written(place(symbol="x" * topics.INTENT_BYTES_MAX))
    much = intent_written(place(symbol="x" * 60_000))
    assert len(just.value) > topics.INTENT_BYTES_MAX
    bus = KafkaBus(kafka_server.login("strategy-demo"))
    writer = await bus.writer([topics.INTENTS])
    await writer.write([just, much])
    await writer.close()
    await bus.close()
    refused = await path.tape.some(topics.DECISIONS, IntentRefused, 2)
    assert {one.reasons[0].code for one in refused[:2]} == {Reason.MALFORMED}
    letters = await path.tape.some("dlq.guardrail", DeadLettered, 2)
    assert [one.bytes_len for one in letters] == [len(just.value), len(much.value)]
    assert all(decode(record.value or b"") for record, _ in path.tape.records[topics.SIGNED])
    await served(path)
    await assert_once(path)
