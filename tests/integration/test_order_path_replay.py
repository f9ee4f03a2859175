"""
Folding the log again gives the same bytes (R15).
"""

from spark import topics
from spark.bus.port import Partition, Record
from spark.codec import encode
from spark.consumers.guardrail import Guardrail
from spark.events import Event, IntentRefused, OrderAcked, OrderApproved, OutcomeUnknown
from spark.names import Endpoint, Role, TradingMode
from spark.worker.contract import Place, Tick
from spark.worker.inbox import Inbox
from tests import keyed
from tests.hops import intent_written
from tests.order_path import OrderPath, in_memory
from tests.order_stages import ETH, LIMITS

NUMBER = 0


def of_partition(path: OrderPath, topic: str, number: int) -> list[tuple[Record, Event | None]]:
    return [one for one in path.tape.records[topic] if one[0].partition.number == number]


def replayed(path: OrderPath) -> list[tuple[bytes, bytes]]:
    """Decide every intent again, from the log alone; give each decision beside the recorded one."""
    guardrail = Guardrail(LIMITS, TradingMode.LIVE, Endpoint.SIM)
    state = guardrail.initial(NUMBER)
    inbox = Inbox(
        Partition(topics.INTENTS, NUMBER),
        position=0,
        lineage=None,
        checker=keyed.strategies(Role.GUARDRAIL),
        bytes_max=topics.INTENT_BYTES_MAX,
    )
    intents = of_partition(path, topics.INTENTS, NUMBER)
    valid = path.tape.valid(topics.DECISIONS, NUMBER)
    sides = {
        f"{topic}/0": iter(of_partition(path, topic, 0))
        for topic in (topics.EVENTS, topics.VENUE_STATE)
    }
    folded = dict.fromkeys(sides, 0)
    pairs = []
    for record, decision in of_partition(path, topics.DECISIONS, NUMBER):
        if record.offset not in valid:
            continue
        assert isinstance(decision, OrderApproved | IntentRefused)
        basis = decision.basis
        for name, side in sides.items():
            while folded[name] < basis.seen[name]:
                origin, event = next(side)
                folded[name] = origin.offset + 1
                if event is not None:
                    at_ns = origin.timestamp_ms * 1_000_000
                    place = Place(origin.partition.topic, 0, origin.offset, at_ns)
                    guardrail.fold(state, place, event)
        accepted = inbox.accept(intents[decision.stamp.src_offset][0])
        assert accepted is not None
        tick = Tick(now_ns=basis.decided_ns, seen=basis.seen, halts=basis.halts)
        again = guardrail.step(state, accepted.given, tick, decision.stamp)
        at = Place(topics.DECISIONS, NUMBER, record.offset, record.timestamp_ms * 1_000_000)
        guardrail.fold(state, at, again)
        pairs.append((encode(again), record.value or b""))
    return pairs


async def test_r15_every_decision_can_be_made_again_from_the_log() -> None:
    """
    R15: approved and refused, halted, blocked by an unknown, before and after a restart.

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
    pairs = replayed(path)
    assert len(pairs) > 25
    reasons = {
        reason.code
        for one in path.tape.on(topics.DECISIONS, IntentRefused)
        for reason in one.reasons
    }
    assert {"kill_switch_active", "unknown_outcome_open", "gateway_not_ready"} <= reasons
    assert {"duplicate_intent"} <= reasons
    for again, recorded in pairs:
        assert again == recorded
