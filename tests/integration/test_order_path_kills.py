"""
Kills on the order path: obeyed by each stage, confirmed, over restarts, until people resume.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from spark import topics
from spark.bus.port import Outgoing, Partition
from spark.clock import SystemClock
from spark.codec import encode
from spark.events import (
    HaltConfirmed,
    IntentRefused,
    OrderAcked,
    OrderApproved,
    OrderCancelled,
    OrderClaimed,
    ProcessPulsed,
    RequestSealed,
    SigningSkipped,
)
from spark.ledger.control_state import OUTSIDE
from spark.names import HaltSource, Reason, Role
from spark.ops.kill import pull, say_and_wait
from spark.producers.kills import Kill, new_kill
from tests.halting import (
    PARTS,
    codes,
    confirmations,
    confirmed,
    heard,
    resumed,
    say,
)
from tests.held_path import Firsts, held_path
from tests.order_path import OrderPath, served
from tests.persons import LOCAL, demoted, halted, resume, signed
from tests.tape import PATIENCE_S


@pytest.fixture
def firsts() -> Firsts:
    return {}


@pytest.fixture
async def path(firsts: Firsts) -> AsyncIterator[OrderPath]:
    async with held_path(firsts) as made:
        yield made


async def test_r9_a_kill_on_the_log_is_obeyed_by_each_part_and_cancels_pass(
    path: OrderPath,
) -> None:
    """R9, B2: the guardrail refuses, everybody confirms, and what rests can be taken back."""
    resting = path.order()
    await path.ask(resting)
    await path.hear(resting, OrderAcked)
    await say(path, topics.CONTROL_HALT, halted("kill-1"))
    await confirmed(path, "kill-1")
    await confirmed(path, "kill-1", "drained")
    order, cancel = path.order(), path.cancel(resting)
    await path.ask(order, cancel)
    refused = await path.hear(order, IntentRefused, topics.DECISIONS)
    assert Reason.KILL_SWITCH_ACTIVE in codes(refused)
    await path.hear(resting, OrderCancelled)


async def test_s3_the_signer_refuses_by_its_own_reading_of_the_log(path: OrderPath) -> None:
    """R10, S3: approved before the kill, the order gets no signature after it."""
    await path.stage(Role.SIGNER).end()
    order = path.order()
    await path.ask(order)
    await path.hear(order, OrderApproved, topics.DECISIONS)
    await say(path, topics.CONTROL_HALT, halted("kill-1"))
    await path.start(Role.SIGNER).is_up()
    skipped = await path.hear(order, SigningSkipped, topics.SIGNED)
    assert codes(skipped) == [Reason.KILL_SWITCH_ACTIVE]
    assert [one.found for one in skipped.reasons] == ["kill-1"]


async def test_r10_a_kill_on_the_log_stops_the_first_byte_of_a_claimed_order(
    path: OrderPath, firsts: Firsts
) -> None:
    """R10: claimed, and while the claim is on its way the kill stands: not a byte leaves."""
    held = firsts[Role.GATEWAY]
    held.hold()
    order = path.order()
    await path.ask(order)
    await path.hear(order, RequestSealed, topics.SIGNED)
    await held.is_waiting.wait()
    await say(path, topics.CONTROL_HALT, halted("kill-1"))
    await path.tape.until(lambda: Role.SIGNER in confirmations(path, "kill-1"))
    held.release()
    await path.hear(order, OrderClaimed)
    assert codes(await path.ended(order)) == [Reason.KILL_SWITCH_ACTIVE]
    word = (await confirmed(path, "kill-1"))[Role.GATEWAY]
    assert set(word.in_flight) <= {(await path.hear(order, OrderClaimed)).client_order_id}
    assert await path.requests() == []


async def test_s9_nothing_approved_before_a_kill_fires_after_its_resume(
    path: OrderPath, firsts: Firsts
) -> None:
    """S9, R9: the approval names an older resume than the one in force; it is worth nothing."""
    held = firsts[Role.GATEWAY]
    held.hold()
    order = path.order()
    await path.ask(order)
    await path.hear(order, RequestSealed, topics.SIGNED)
    await held.is_waiting.wait()
    (offset,) = await say(path, topics.CONTROL_HALT, halted("kill-1"))
    await path.tape.until(lambda: Role.SIGNER in confirmations(path, "kill-1"))
    second = await resumed(path, ("kill-1", offset))
    await path.tape.until(
        lambda: any(
            pulse.role == Role.SIGNER and pulse.positions.get("control/0", 0) > second
            for pulse in path.tape.on(topics.CONTROL_PULSE, ProcessPulsed)
        )
    )
    held.release()
    ended = await path.ended(order)
    assert [(one.code, one.found, one.limit) for one in ended.reasons] == [
        (Reason.RESUME_MISMATCH, "-1", str(second))
    ]
    assert await path.requests() == []
    await heard(path, second)
    await served(path)


async def test_s10_the_latch_survives_its_file_and_every_restart_until_people_resume(
    path: OrderPath,
) -> None:
    """
    S10: seen once, each part keeps the kill in a file of its own; only a resume ends it.

    Fault O3.
    """
    kill = path.latch("stop")
    await confirmed(path, kill)
    (path.latch_dir / "stop").unlink()
    for role in PARTS:
        await path.restart(role)
    order = path.order()
    await path.ask(order)
    refused = await path.hear(order, IntentRefused, topics.DECISIONS)
    assert (Reason.KILL_SWITCH_ACTIVE, kill) in [(one.code, one.found) for one in refused.reasons]
    await heard(path, await resumed(path, (kill, OUTSIDE)))
    await served(path)
    for role in PARTS:
        await path.restart(role)
    await served(path)


def _tombstone() -> Outgoing:
    return Outgoing(Partition(topics.CONTROL_HALT, 0), None, b"")


@pytest.mark.parametrize(
    "what",
    [
        lambda _: _tombstone(),
        lambda _: Outgoing(Partition(topics.CONTROL, 0), None, b'{"type":"resume_trading"}'),
        lambda offset: Outgoing(
            Partition(topics.CONTROL, 0), None, encode(signed(resume(("kill-1", offset)), LOCAL))
        ),
        lambda offset: Outgoing(
            Partition(topics.CONTROL, 0), None, encode(resume(("kill-1", offset)))
        ),
    ],
    ids=["tombstone", "rubbish", "one person", "unsigned"],
)
async def test_r9_nothing_but_two_persons_resumes(
    path: OrderPath, what: Callable[[int], Outgoing]
) -> None:
    """
    R9, S6, S11: neither an empty record, nor a bare word, nor one person alone, nor restarts.

    Faults P7 and O2.
    """
    (offset,) = await say(path, topics.CONTROL_HALT, halted("kill-1"))
    await confirmed(path, "kill-1")
    (said,) = await path.write(what(offset))
    if what(offset).partition.topic == topics.CONTROL:
        await heard(path, said)
    for role in PARTS:
        await path.restart(role)
    order = path.order()
    await path.ask(order)
    refused = await path.hear(order, IntentRefused, topics.DECISIONS)
    assert Reason.KILL_SWITCH_ACTIVE in codes(refused)


async def test_r9_a_later_kill_is_not_cleared_by_a_resume_that_names_the_first(
    path: OrderPath,
) -> None:
    """R9, fault O3: a resume clears what it names; the kill that came meanwhile stays in force."""
    (first,) = await say(path, topics.CONTROL_HALT, halted("kill-1"))
    await say(path, topics.CONTROL_HALT, halted("kill-2"))
    await heard(path, await resumed(path, ("kill-1", first)))
    order = path.order()
    await path.ask(order)
    refused = await path.hear(order, IntentRefused, topics.DECISIONS)
    assert [one.found for one in refused.reasons if one.code is Reason.KILL_SWITCH_ACTIVE] == [
        "kill-2"
    ]


async def test_r10_what_is_in_flight_is_listed_and_drained_when_it_is_answered(
    path: OrderPath,
) -> None:
    """R10: `halted` names the order whose first byte is out; `drained` waits for its answer."""
    await path.fault("delay_after", ms=1_500)
    order = path.order()
    await path.ask(order)
    claimed = await path.hear(order, OrderClaimed)
    async with asyncio.timeout(PATIENCE_S):
        # The exchange says nothing of its own accord; its answer is still on its way.
        while not await path.placed():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await say(path, topics.CONTROL_HALT, halted("kill-1"))
    word = (await confirmed(path, "kill-1"))[Role.GATEWAY]
    assert word.in_flight == (claimed.client_order_id,)
    assert not path.tape.about(order, OrderAcked)
    await confirmed(path, "kill-1", "drained")
    await path.hear(order, OrderAcked)
    kinds = [
        type(event).__name__
        for _, event in path.tape.records[topics.CONTROL_CONFIRMED]
        if isinstance(event, HaltConfirmed) and event.role == Role.GATEWAY
    ]
    assert kinds == ["HaltConfirmed"] * 2


async def test_r10_a_kill_waits_for_every_holder_and_names_the_one_that_is_silent(
    path: OrderPath,
) -> None:
    """R10: everybody's word in time; and with the gateway gone, its name in the report."""
    await path.tape.until(
        lambda: (
            {one.role for one in path.tape.on(topics.CONTROL_PULSE, ProcessPulsed)} >= set(PARTS)
        )
    )
    bus = path.bus_of("op-local")
    report = pull(path.latch_dir, _kill("all"))
    await say_and_wait(bus, report, wait_s=20)
    assert report.unconfirmed == []
    assert {holder.role for holder in report.holders} == set(PARTS)
    await path.stage(Role.GATEWAY).crash()
    again = pull(path.latch_dir, _kill("again"))
    await say_and_wait(bus, again, wait_s=1)
    (silent,) = again.unconfirmed
    assert silent.startswith("gateway ")
    await bus.close()


async def test_b10_a_demotion_lowers_the_gateways_concurrency_while_it_is_in_force(
    path: OrderPath,
) -> None:
    """B10: one request at a time, until people resume."""
    narrow = replace(demoted("slow"), mode=None, concurrency_max=1)
    (offset,) = await say(path, topics.CONTROL_HALT, narrow)
    await served(path)
    await path.fault("delay_before", ms=400)
    first, second = path.order(), path.order(price="59000")
    await path.ask(first, second)
    await path.hear(second, OrderAcked)
    order_of = [
        type(event).__name__
        for _, event in path.tape.records[topics.EVENTS]
        if getattr(event, "intent_id", "") in {first.intent_id, second.intent_id}
    ]
    assert order_of == ["OrderClaimed", "OrderAcked", "OrderClaimed", "OrderAcked"]
    await heard(path, await resumed(path, ("slow", offset)))


def _kill(text: str) -> Kill:
    return new_kill(text, by=LOCAL, source=HaltSource.CLI, clock=SystemClock())
