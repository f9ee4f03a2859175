"""
An append that fails, or whose fate is not known: exit, restart, and the log says what it was.
"""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from spark import topics
from spark.errors import FencedError, WriteError
from spark.events import (
    OrderAcked,
    OrderApproved,
    OrderClaimed,
    OrderResolved,
    OutcomeUnknown,
    RequestNotSent,
    RequestSealed,
)
from spark.names import Reason, Role
from tests.held_bus import HeldBus
from tests.held_path import Firsts, held_path
from tests.made import SECOND_NS
from tests.order_path import OrderPath


@pytest.fixture
def firsts() -> Firsts:
    return {}


@pytest.fixture
async def path(firsts: Firsts) -> AsyncIterator[OrderPath]:
    async with held_path(firsts) as made:
        yield made


def fails(bus: HeldBus, how: str) -> None:
    """Let the next append fail; a pulse that is due then would be that one, and does as well."""
    bus.failure = how


@pytest.mark.parametrize("how", ["unwritten", "unacknowledged"])
@pytest.mark.parametrize("role", [Role.GUARDRAIL, Role.SIGNER])
async def test_f5_a_transforms_failed_append_is_its_end_and_no_loss(
    path: OrderPath, firsts: Firsts, role: Role, how: str
) -> None:
    """
    R6, §3.5: written or not, the successor reads it and goes on: one output, one order.

    Faults P2, K6 and K7.
    """
    fails(firsts[role], how)
    order = path.order()
    await path.ask(order)
    assert isinstance(await path.stage(role).error(), WriteError)
    await path.start(role).is_up()
    acked = await path.hear(order, OrderAcked)
    assert path.tape.numbers(topics.DECISIONS) == path.tape.numbers(topics.SIGNED) == [0]
    assert await path.placed() == [acked.client_order_id]


async def test_r2_a_claim_whose_acknowledgement_was_lost_is_never_sent(
    path: OrderPath, firsts: Firsts
) -> None:
    """
    R2, A8: it stands, nobody knows, so it counts as unknown until the exchange denies it.

    Faults P4 and K7.
    """
    fails(firsts[Role.GATEWAY], "unacknowledged")
    order = path.order()
    await path.ask(order)
    assert isinstance(await path.stage(Role.GATEWAY).error(), WriteError)
    await path.start(Role.GATEWAY).is_up()
    await path.tape.catch_up()
    if not path.tape.about(order, OrderClaimed):
        pytest.skip("the pulse was the append that failed")
    unknown = await path.hear(order, OutcomeUnknown)
    assert unknown.cause == "restart"
    await path.shift_exchange_clock(60_000)
    await path.hear(order, OrderResolved)
    assert await path.requests() == []


async def test_r2_a_claim_that_was_not_written_is_not_sent_either(
    path: OrderPath, firsts: Firsts
) -> None:
    """R2, fault P4: without the claim on the log not a byte goes; R11: nor by the next gateway."""
    fails(firsts[Role.GATEWAY], "unwritten")
    order = path.order()
    await path.ask(order)
    assert isinstance(await path.stage(Role.GATEWAY).error(), WriteError)
    await path.start(Role.GATEWAY).is_up()
    ended = await path.hear(order, RequestNotSent)
    assert [one.code for one in ended.reasons] == [Reason.GATEWAY_NOT_READY]
    assert path.tape.about(order, OrderClaimed) == []
    assert await path.requests() == []


@pytest.mark.parametrize("role", [Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY])
async def test_f4_an_idle_instance_notices_its_successor(path: OrderPath, role: Role) -> None:
    """F4: without anything to write, the pulse finds the foreign fence and ends it."""
    first = path.stage(role)
    await path.start(role).is_up()
    assert isinstance(await first.error(), FencedError)


async def test_the_approval_of_a_failed_hop_is_the_same_after_it(
    path: OrderPath, firsts: Firsts
) -> None:
    """
    Ids are derived, so a retry repeats them: one approval, one seal, one client order id.

    Fault P3.
    """
    fails(firsts[Role.SIGNER], "unacknowledged")
    order = path.order()
    await path.ask(order)
    await path.stage(Role.SIGNER).error()
    await path.start(Role.SIGNER).is_up()
    acked = await path.hear(order, OrderAcked)
    (approved,) = path.tape.about(order, OrderApproved, topics.DECISIONS)
    (sealed,) = path.tape.about(order, RequestSealed, topics.SIGNED)
    assert approved.client_order_id == sealed.client_order_id == acked.client_order_id


async def test_r10_a_kill_after_the_claim_stops_the_first_byte(
    path: OrderPath, firsts: Firsts
) -> None:
    """R10, B2: looked at with the connection in hand; claimed, and still not sent."""
    held = firsts[Role.GATEWAY]
    held.hold()
    order = path.order()
    await path.ask(order)
    await held.is_waiting.wait()
    kill = path.latch("now")
    held.release()
    await path.hear(order, OrderClaimed)
    ended = await path.ended(order)
    assert [(one.code, one.found) for one in ended.reasons] == [(Reason.KILL_SWITCH_ACTIVE, kill)]
    assert await path.requests() == []


async def test_a11_a_deadline_that_passes_behind_the_claim_stops_the_first_byte(
    path: OrderPath, firsts: Firsts
) -> None:
    """
    A11: the append took longer than the signature lives; nothing late leaves.

    Faults C2 and S1.
    """
    path.signature_life_ns = SECOND_NS
    await path.restart(Role.SIGNER)
    held = firsts[Role.GATEWAY]
    held.hold()
    order = path.order()
    await path.ask(order)
    sealed = await path.hear(order, RequestSealed, topics.SIGNED)
    await held.is_waiting.wait()
    await asyncio.sleep((sealed.not_after_ns - time.time_ns()) / SECOND_NS + 0.01)
    held.release()
    ended = await path.ended(order)
    assert [one.code for one in ended.reasons] == [Reason.SIGNATURE_EXPIRED]
    assert await path.requests() == []
