"""
Folding the log again gives the same bytes (R15).
"""

from dataclasses import replace

from spark import topics
from spark.bus.port import Outgoing, Partition, Record
from spark.codec import encode
from spark.events import (
    Event,
    IntentRefused,
    OrderAcked,
    OrderApproved,
    OutcomeUnknown,
    PartitionFenced,
)
from spark.names import Role
from spark.ops.replay_decisions import Outcome, Window, replay_partition
from tests import keyed
from tests.hops import intent_written
from tests.order_path import OrderPath, in_memory
from tests.order_stages import ETH

NUMBER = 0


def of_partition(path: OrderPath, topic: str, number: int) -> list[tuple[Record, Event | None]]:
    return [one for one in path.tape.records[topic] if one[0].partition.number == number]


async def replayed(path: OrderPath) -> Outcome:
    """Decide every intent again, from the log alone."""
    bus = path.bus_of("broker")
    try:
        return await replay_partition(
            bus, keyed.people(), NUMBER, window=Window(), progress=lambda _: None
        )
    finally:
        await bus.close()


async def test_r15_every_decision_can_be_made_again_from_the_log() -> None:
    """
    R15, fault P2: approved and refused, halted, blocked by an unknown, before and after a restart.

    What a decision was made on stands in it: its clock reading, the vector of what it
    had seen, the kills in force.
    """
    async with in_memory(reply_ms_max=400) as path:
        await path.start(Role.VENUE_WATCH).is_up()
        await path.start(Role.GUARDRAIL).is_up()
        # Before the gateway is there: refused, and that depends on what had been seen.
        await path.ask(path.order(), path.order())
        await path.tape.some(topics.DECISIONS, IntentRefused, 2)
        await path.up(Role.SIGNER, Role.GATEWAY)
        order = path.order()
        await path.ask(order)
        while not isinstance(await path.decided(order), OrderApproved):
            order = path.order()
            await path.ask(order)
        await path.hear(order, OrderAcked)
        await path.fault("error_5xx_before", count=1_000, route="GET /api/v3/order")
        await path.fault("drop_reply")
        doubtful = path.order()
        await path.ask(doubtful)
        await path.hear(doubtful, OutcomeUnknown)
        for _ in range(10):
            await path.ask(path.order(ETH), path.order())
        await path.write(intent_written(order), intent_written(order))
        await path.restart(Role.GUARDRAIL)
        (path.latch_dir / "stop").touch()
        await path.ask(path.order(), path.order(ETH))
        await path.tape.until(
            lambda: (
                len(path.tape.numbers(topics.DECISIONS))
                == len(of_partition(path, topics.INTENTS, NUMBER))
                > 25
            )
        )
        await path.tape.catch_up()
        outcome = await replayed(path)
    reasons = {
        reason.code
        for one in path.tape.on(topics.DECISIONS, IntentRefused)
        for reason in one.reasons
    }
    assert {"kill_switch_active", "unknown_outcome_open", "gateway_not_ready"} <= reasons
    assert {"duplicate_intent"} <= reasons
    assert outcome.first is None
    assert outcome.identical == outcome.decisions > 25
    assert outcome.fences == 2


async def test_r15_the_first_difference_is_named_with_its_cause() -> None:
    """
    R15: a decision that does not follow from the log is shown, field by field.
    """
    async with in_memory() as path:
        await path.up()
        order = path.order()
        await path.ask(order)
        recorded = await path.decided(order)
        await path.stage(Role.GUARDRAIL).end()
        assert isinstance(recorded, OrderApproved)
        here = Partition(topics.DECISIONS, NUMBER)
        fence = replace(path.tape.on(topics.DECISIONS, PartitionFenced)[0], instance="forger")
        (epoch,) = await path.write(Outgoing(here, None, encode(fence)))
        again = path.order()
        (offset,) = await path.ask(again)
        await path.tape.catch_up()
        stamp = replace(recorded.stamp, epoch=epoch, seq=recorded.stamp.seq + 1, src_offset=offset)
        forged = replace(recorded, stamp=stamp, intent_id=again.intent_id)
        await path.write(Outgoing(here, None, encode(forged)))
        await path.tape.catch_up()
        outcome = await replayed(path)
    assert (outcome.decisions, outcome.identical) == (2, 1)
    assert outcome.first is not None
    assert outcome.first.intent_id == again.intent_id
    assert "client_order_id" in outcome.first.fields
    assert "decides otherwise" in outcome.first.cause
