"""
Without the guardrail's pulse no order leaves, whatever was approved before (S9, K4, N3).
"""

import asyncio
import math
from collections.abc import AsyncIterator

import pytest

from spark import topics
from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Bus, Outgoing, Partition
from spark.clock import SystemClock
from spark.events import OrderAcked, OrderApproved, OrderCancelled, PlaceOrder
from spark.names import Reason, Role
from tests import keyed
from tests.held_bus import HeldBus
from tests.leased import pulse_written, pulsed
from tests.made import SECOND_NS
from tests.order_path import OrderPath, memory_log, order_path
from tests.tape import PATIENCE_S

_LEASE_NS = 2 * SECOND_NS


class Log:
    """A log in memory; what the signer appends can be held back."""

    def __init__(self) -> None:
        self.broker: MemoryBroker = memory_log()
        self.signer: HeldBus | None = None

    def bus(self, principal: str) -> Bus:
        inner = MemoryBus(self.broker)
        if principal != Role.SIGNER:
            return inner
        self.signer = HeldBus(inner)
        return self.signer


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def path(log: Log) -> AsyncIterator[OrderPath]:
    async with order_path(log.bus, lease_ns_max=_LEASE_NS) as made:
        await made.up()
        yield made


def lease_age_s(path: OrderPath) -> float:
    """Give what the gateway's metric says."""
    registry = path.stage(Role.GATEWAY).metrics.registry
    age_s = registry.get_sample_value("spark_lease_age_seconds", {"account": "binance:main"})
    assert age_s is not None
    return age_s


async def lease_ends(path: OrderPath) -> None:
    """Wait until the gateway has not heard the guardrail for longer than its lease."""
    async with asyncio.timeout(PATIENCE_S):
        while not _LEASE_NS < lease_age_s(path) * SECOND_NS < math.inf:  # noqa: ASYNC110  (a metric tells)
            await asyncio.sleep(0.05)


async def approved_and_held(path: OrderPath, log: Log) -> PlaceOrder:
    """Have an order approved, and its signature held back on its way to the log."""
    assert log.signer is not None
    log.signer.hold()
    order = path.order()
    await path.ask(order)
    assert isinstance(await path.decided(order), OrderApproved)
    return order


async def test_s9_a_place_without_a_pulse_stays_and_a_cancel_goes(
    path: OrderPath, log: Log
) -> None:
    """
    S9, B2: the guardrail dies with a place and a cancel approved; only the cancel leaves.

    Faults P9, N3 and O1.
    """
    resting = path.order()
    await path.ask(resting)
    await path.hear(resting, OrderAcked)
    order = await approved_and_held(path, log)
    cancel = path.cancel(resting)
    await path.ask(cancel)
    await path.decided(cancel)
    await path.stage(Role.GUARDRAIL).crash()
    await lease_ends(path)
    assert log.signer is not None
    log.signer.release()
    refused = await path.ended(order)
    assert [one.code for one in refused.reasons] == [Reason.LEASE_OVER]
    await path.hear(resting, OrderCancelled)
    assert len(await path.requests()) == 1
    assert len(await path.requests("DELETE")) == 1
    await path.start(Role.GUARDRAIL).is_up()
    later = path.order()
    await path.ask(later)
    await path.hear(later, OrderAcked)
    assert len(await path.requests()) == 2, "what was refused stays unsent"


async def test_s9_a_guardrail_that_restarts_in_time_interrupts_nothing(
    path: OrderPath, log: Log
) -> None:
    """S9: within the lease a restart is not seen at the exchange."""
    order = await approved_and_held(path, log)
    await path.restart(Role.GUARDRAIL)
    assert log.signer is not None
    log.signer.release()
    await path.hear(order, OrderAcked)


async def test_s9_nobody_else_keeps_the_gateway_placing(path: OrderPath, log: Log) -> None:
    """S9: the dead guardrail's last pulses written again, and a signer's own, extend nothing."""
    order = await approved_and_held(path, log)
    await path.stage(Role.GUARDRAIL).crash()
    theirs = [
        Outgoing(record.partition, record.key, record.value or b"", record.headers)
        for record in log.broker.log(Partition(topics.CONTROL_PULSE, 0))
        if record.key == Role.GUARDRAIL.encode()
    ]

    async def forge() -> None:
        keys = keyed.tagger(Role.SIGNER, Role.GATEWAY)
        while True:
            now_ns = SystemClock().wall_ns()
            forged = pulse_written(pulsed(now_ns, epoch=10**6), keys)
            await path.write(*theirs[-3:], forged)
            await asyncio.sleep(0.1)

    forging = asyncio.create_task(forge())
    try:
        await lease_ends(path)
        assert log.signer is not None
        log.signer.release()
        refused = await path.ended(order)
    finally:
        forging.cancel()
        await asyncio.gather(forging, return_exceptions=True)
    assert [one.code for one in refused.reasons] == [Reason.LEASE_OVER]
    assert await path.requests() == []
