"""
The order path with a real auditor or account feed beside it: without their word nothing new.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import pytest

from spark import topics
from spark.bus.memory import MemoryBus
from spark.bus.port import Bus
from spark.events import (
    AccountReconciled,
    IntentRefused,
    OrderCancelled,
    PartitionFenced,
    PlaceOrder,
)
from spark.names import Reason, Role
from tests.held_bus import HeldBus
from tests.made import SECOND_NS
from tests.order_path import OrderPath, in_memory, memory_log, order_path, refused, served
from tests.start import PATIENT

_AUDITED: Final = replace(PATIENT, audit_lag_ns_max=2 * SECOND_NS)
_ORDERS: Final = 3


@pytest.fixture
def held() -> dict[str, HeldBus]:
    """The first auditor's bus."""
    return {}


@pytest.fixture
async def audited(held: dict[str, HeldBus]) -> AsyncIterator[tuple[OrderPath, PlaceOrder]]:
    """An order path with an auditor of its own, and an order that rests."""
    log = memory_log()

    def bus(principal: str) -> Bus:
        if principal != Role.AUDITOR or principal in held:
            return MemoryBus(log)
        return held.setdefault(principal, HeldBus(MemoryBus(log)))

    async with order_path(bus, missing={Role.AUDITOR}, limits=_AUDITED) as path:
        await path.up()
        await path.up(Role.AUDITOR)
        yield path, await served(path)


async def test_a3_an_auditor_that_is_stopped_stops_places_and_no_cancel(
    audited: tuple[OrderPath, PlaceOrder], held: dict[str, HeldBus]
) -> None:
    """Fault A3, B9: behind for longer than the limit, nothing new is approved until it goes on."""
    path, resting = audited
    held[Role.AUDITOR].hold()
    await refused(path, Reason.AUDIT_LAG_EXCEEDED)
    await path.ask(path.cancel(resting))
    await path.hear(resting, OrderCancelled)
    held[Role.AUDITOR].release()
    await served(path)


async def test_a3_an_auditor_that_was_killed_stops_places_until_its_successor_is_there(
    audited: tuple[OrderPath, PlaceOrder],
) -> None:
    """Fault A3, B9, R11: the order path goes on with cancels alone, and by itself with places."""
    path, resting = audited
    await path.stage(Role.AUDITOR).crash()
    await refused(path, Reason.AUDIT_LAG_EXCEEDED)
    await path.ask(path.cancel(resting))
    await path.hear(resting, OrderCancelled)
    await path.restart(Role.AUDITOR)
    await served(path)


async def test_p8_nothing_new_goes_until_the_account_was_compared_again() -> None:
    """
    Fault P8, A9: an account feed that starts doubts, and what was compared before counts no more.
    """
    async with in_memory(missing={Role.ACCOUNT_FEED}) as path:
        await path.up()
        await path.up(Role.ACCOUNT_FEED)
        await served(path)
        for stage in path.stages:
            await stage.crash()
        compared = len(path.tape.on(topics.ACCOUNT_EVENTS, AccountReconciled))
        fences = len(path.tape.on(topics.ACCOUNT_EVENTS, PartitionFenced))
        await path.fault("error_5xx_before", route="GET /api/v3/account", count=1_000_000)
        path.start(Role.ACCOUNT_FEED)
        await path.tape.until(
            lambda: len(path.tape.on(topics.ACCOUNT_EVENTS, PartitionFenced)) > fences
        )
        await path.up()
        requests = len(await path.requests())
        orders = [path.order() for _ in range(_ORDERS)]
        await path.ask(*orders)
        for order in orders:
            decided = await path.decided(order)
            assert isinstance(decided, IntentRefused)
            assert Reason.ACCOUNT_NOT_RECONCILED in {one.code for one in decided.reasons}
        assert len(await path.requests()) == requests
        assert len(path.tape.on(topics.ACCOUNT_EVENTS, AccountReconciled)) == compared
        await path.judge.judge("DELETE", "/faults")
        await served(path)
        assert len(path.tape.on(topics.ACCOUNT_EVENTS, AccountReconciled)) > compared
