"""
Two instances of one stage: the log decides which of them counts (R1, R2, R3, R4, R11).
"""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from spark import topics
from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Bus, Outgoing
from spark.errors import FencedError
from spark.events import (
    OrderAcked,
    OrderApproved,
    OrderCancelled,
    OrderClaimed,
    OutcomeUnknown,
    PartitionFenced,
    RequestNotSent,
    RequestSealed,
)
from spark.names import Reason, Role
from tests import keyed
from tests.held_bus import HeldBus
from tests.hops import written
from tests.made import NOW_NS
from tests.order_path import OrderPath, Stage, memory_log, order_path, served


class Doubles:
    """Buses of a log in memory; the first one of a role can be held."""

    def __init__(self, log: MemoryBroker) -> None:
        self.log = log
        self.first: dict[str, HeldBus] = {}

    def bus(self, principal: str) -> Bus:
        inner = MemoryBus(self.log)
        if principal == "broker" or principal in self.first:
            return inner
        self.first[principal] = HeldBus(inner)
        return self.first[principal]


@pytest.fixture
def doubles() -> Doubles:
    return Doubles(memory_log())


@pytest.fixture
async def path(doubles: Doubles) -> AsyncIterator[OrderPath]:
    async with order_path(doubles.bus) as made:
        await made.up()
        yield made


async def zombie(path: OrderPath, doubles: Doubles, role: Role) -> Stage:
    """Start a second instance while the first one is about to append; give the first."""
    first = path.stage(role)
    await doubles.first[role].is_waiting.wait()
    await path.start(role).is_up()
    return first


async def test_r2_a_zombie_gateways_claim_is_void_and_nothing_is_sent(
    path: OrderPath, doubles: Doubles
) -> None:
    """
    R2: fenced between its decision to send and its claim, a gateway sends nothing.

    The claim lands behind the fence, so it is void; the gateway meets the fence in the
    gap and ends as fenced. R11: the approval was made for it, so its successor does not
    send it either.

    Faults K5 and N3.
    """
    held = doubles.first[Role.GATEWAY]
    held.hold()
    order = path.order()
    await path.ask(order)
    old = await zombie(path, doubles, Role.GATEWAY)
    ended = await path.hear(order, RequestNotSent)
    assert [one.code for one in ended.reasons] == [Reason.GATEWAY_NOT_READY]
    held.release()
    assert isinstance(await old.error(), FencedError)
    await path.tape.catch_up()
    fences = [
        record.offset
        for record, event in path.tape.records[topics.EVENTS]
        if isinstance(event, PartitionFenced) and record.partition.number == 0
    ]
    (claim,) = path.tape.about(order, OrderClaimed)
    assert claim.epoch == fences[0] != fences[-1]
    assert await path.requests() == []


async def test_r11_only_the_ready_gateways_epoch_is_approved_for(
    path: OrderPath, doubles: Doubles
) -> None:
    """
    R11: after the take-over the guardrail approves for the new gateway, and it sends.

    Fault P8.
    """
    doubles.first[Role.GATEWAY].hold()
    first = path.order()
    await path.ask(first)
    await zombie(path, doubles, Role.GATEWAY)
    await path.hear(first, RequestNotSent)
    order = path.order()
    await path.ask(order)
    # Until the guardrail has read the new gateway's word it refuses: closed, not open.
    while not isinstance(await path.decided(order), OrderApproved):
        order = path.order()
        await path.ask(order)
    acked = await path.hear(order, OrderAcked)
    assert await path.placed() == [acked.client_order_id]
    doubles.first[Role.GATEWAY].release()


async def test_r3_a_zombie_guardrails_decisions_count_for_nobody(
    path: OrderPath, doubles: Doubles
) -> None:
    """
    R3: two guardrails decide the same intents; one decision each is valid, signed and sent.

    Faults P2 and K5.
    """
    held = doubles.first[Role.GUARDRAIL]
    held.hold()
    orders = [path.order() for _ in range(5)]
    await path.ask(*orders)
    old = await zombie(path, doubles, Role.GUARDRAIL)
    for order in orders:
        await path.hear(order, OrderAcked)
    held.release()
    assert isinstance(await old.error(), FencedError)
    later = path.order()
    await path.ask(later)
    await path.hear(later, OrderAcked)
    await path.tape.catch_up()
    decisions = [
        event
        for _, event in path.tape.records[topics.DECISIONS]
        if isinstance(event, OrderApproved)
    ]
    assert len(decisions) == 11, "the zombie's five stand on the log, void"
    assert path.tape.numbers(topics.DECISIONS) == path.tape.numbers(topics.SIGNED) == list(range(6))
    assert len(await path.placed()) == 6


async def test_r1_a_zombie_signers_second_signature_is_void(
    path: OrderPath, doubles: Doubles
) -> None:
    """
    R1: an approval signed twice, by an old signer and by its successor, is one order.

    Also after a restart of the gateway, which then reads both signatures again.

    Faults P3 and S1.
    """
    held = doubles.first[Role.SIGNER]
    held.hold()
    order = path.order()
    await path.ask(order)
    old = await zombie(path, doubles, Role.SIGNER)
    await path.hear(order, OrderAcked)
    held.release()
    assert isinstance(await old.error(), FencedError)
    await path.restart(Role.GATEWAY)
    later = path.order()
    await path.ask(later)
    await path.decided(later)
    await path.tape.catch_up()
    assert len(path.tape.about(order, RequestSealed, topics.SIGNED)) == 2
    posted = [one["client_order_id"] for one in await path.requests()]
    assert posted.count(path.tape.about(order, OrderAcked)[0].client_order_id) == 1


async def test_r1_two_valid_signatures_of_one_id_are_one_order(path: OrderPath) -> None:
    """R1, fault S1: whatever signed it twice, an id that was claimed is refused as a duplicate."""
    order = path.order()
    await path.ask(order)
    acked = await path.hear(order, OrderAcked)
    (sealed,) = path.tape.about(order, RequestSealed, topics.SIGNED)
    await path.stage(Role.SIGNER).end()
    tagger = keyed.tagger(Role.SIGNER, Role.GATEWAY)
    fence = PartitionFenced(
        role="signer", instance="rogue", topic_ids={}, settings={}, fenced_ns=NOW_NS
    )
    (epoch,) = await path.write(written(fence, topics.SIGNED, tagger))
    again = replace(sealed, stamp=replace(sealed.stamp, epoch=epoch, seq=sealed.stamp.seq + 1))
    await path.write(written(again, topics.SIGNED, tagger))
    refused = await path.hear(order, RequestNotSent)
    assert [one.code for one in refused.reasons] == [Reason.DUPLICATE_CLAIM]
    await path.restart(Role.GATEWAY)
    assert await path.placed() == [acked.client_order_id]
    assert len(await path.requests()) == 1


async def write_again(path: OrderPath) -> int:
    """Write every record of orders.signed again, to the byte; gives how many."""
    # It would find the copy of its own fence, and leave as fenced.
    await path.stage(Role.SIGNER).end()
    await path.tape.catch_up()
    copies = [
        Outgoing(record.partition, record.key, record.value or b"", record.headers)
        for record, _ in path.tape.records[topics.SIGNED]
    ]
    await path.write(*copies)
    await path.start(Role.SIGNER).is_up()
    return len(copies)


async def sent(path: OrderPath) -> tuple[int, int]:
    """Count the places and the cancels that arrived."""
    return len(await path.requests()), len(await path.requests("DELETE"))


async def test_s1_a_signed_request_that_is_written_again_is_not_sent_again(
    path: OrderPath,
) -> None:
    """Fault S1: every sealed request, headers included, at once and after a gateway restart."""
    orders = [path.order() for _ in range(3)]
    await path.ask(*orders)
    for order in orders:
        await path.hear(order, OrderAcked)
    await path.ask(path.cancel(orders[0]))
    await path.hear(orders[0], OrderCancelled)
    assert await sent(path) == (3, 1)
    gateway = path.stage(Role.GATEWAY)
    copies = await write_again(path)
    # The gateway reads in the order of the log, each offset: what follows was behind all copies.
    await served(path)
    assert await sent(path) == (4, 1)
    assert not gateway.task.done()
    gateway = await path.restart(Role.GATEWAY)
    await served(path)
    assert await write_again(path) > 2 * copies
    await served(path)
    assert await sent(path) == (6, 1)
    placed = await path.placed()
    assert len(placed) == len(set(placed)) == 6
    assert not gateway.task.done()


async def test_r1_a_double_that_is_refused_does_not_end_the_order_in_flight(
    path: OrderPath,
) -> None:
    """
    R1: the double's refusal is about the double; the order under way stays what it is.

    Fault S1.
    """
    await path.fault("delay_before", ms=1_000)
    order = path.order()
    await path.ask(order)
    await path.hear(order, OrderClaimed)
    (sealed,) = path.tape.about(order, RequestSealed, topics.SIGNED)
    await path.stage(Role.SIGNER).crash()
    tagger = keyed.tagger(Role.SIGNER, Role.GATEWAY)
    fence = PartitionFenced(
        role="signer", instance="rogue", topic_ids={}, settings={}, fenced_ns=NOW_NS
    )
    (epoch,) = await path.write(written(fence, topics.SIGNED, tagger))
    stamp = replace(sealed.stamp, epoch=epoch, seq=sealed.stamp.seq + 1)
    await path.write(written(replace(sealed, stamp=stamp, nonce=""), topics.SIGNED, tagger))
    refused = await path.hear(order, RequestNotSent)
    assert {one.code for one in refused.reasons} == {Reason.SEAL_INVALID, Reason.DUPLICATE_CLAIM}
    await path.hear(order, OrderAcked)
    gateway = path.stage(Role.GATEWAY)
    assert not gateway.task.done()


async def test_r4_an_ack_of_the_gateway_that_was_fenced_is_believed(
    path: OrderPath, doubles: Doubles
) -> None:
    """
    R4: the exchange's word counts from any epoch, and ends the successor's doubt.

    G1 has sent and is paused with the ack in its hands; G2 finds a claim without an
    answer and says unknown; then G1's ack lands. Every reader of that log can go on.
    """
    held = doubles.first[Role.GATEWAY]
    await path.fault("delay_after", ms=300)
    # What G2 could learn by asking must not be what settles it.
    await path.fault("error_5xx_before", count=1_000, route="GET /api/v3/order")
    order = path.order()
    await path.ask(order)
    await path.hear(order, OrderClaimed)
    held.hold()
    old = await zombie(path, doubles, Role.GATEWAY)
    unknown = await path.hear(order, OutcomeUnknown)
    assert unknown.cause == "restart"
    held.release()
    assert isinstance(await old.error(), FencedError)
    acked = await path.hear(order, OrderAcked)
    for role in (Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY):
        await path.restart(role)
    later = path.order()
    await path.ask(later)
    decided = await path.decided(later)
    assert isinstance(decided, OrderApproved), decided
    assert (await path.placed()).count(acked.client_order_id) == 1


async def test_r4_an_ack_that_overtakes_the_successors_doubt_stops_nobody(
    path: OrderPath,
) -> None:
    """R4, A6: claim, fence, the old one's ack, the new one's unknown: read by everybody."""
    order = path.order()
    await path.ask(order)
    acked = await path.hear(order, OrderAcked)
    await path.stage(Role.GATEWAY).crash()
    fence = PartitionFenced(
        role="gateway", instance="g2", topic_ids={}, settings={}, fenced_ns=NOW_NS
    )
    tagger = keyed.tagger(Role.GATEWAY)
    (epoch,) = await path.write(written(fence, topics.EVENTS, tagger))
    unknown = OutcomeUnknown(
        epoch=epoch,
        action=path.tape.about(order, OrderClaimed)[0].action,
        account=order.account,
        strategy=order.strategy,
        intent_id=order.intent_id,
        client_order_id=acked.client_order_id,
        symbol=order.symbol,
        cause="restart",
        at_ns=NOW_NS,
    )
    await path.write(written(unknown, topics.EVENTS, tagger))
    await path.start(Role.GATEWAY).is_up()
    for role in (Role.SIGNER, Role.GUARDRAIL):
        await path.restart(role)
    later = path.order()
    await path.ask(later)
    await path.hear(later, OrderAcked)
