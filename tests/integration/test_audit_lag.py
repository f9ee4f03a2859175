"""
Nothing is approved that cannot be audited: what the guardrail hears of an auditor in trouble.
"""

import asyncio
from pathlib import Path

import pytest

from spark import topics
from spark.audit import verify
from spark.bus.port import Outgoing, Partition
from spark.codec import decode, encode
from spark.consumers.auditor import Auditor, AuditorWiring
from spark.errors import FencedError, WriteError
from spark.events import ProcessPulsed
from spark.ledger.trail import Trail
from spark.metrics import Metrics
from spark.names import Role
from tests import keyed
from tests.held_bus import HeldBus
from tests.made import place
from tests.trails import is_signed
from tests.worlds import World, partition_of, running

SOURCE = f"{topics.INTENTS}/0"
_NS_PER_S = 1_000_000_000


def auditor_on(world: World, bus: HeldBus) -> tuple[Auditor, asyncio.Event]:
    """Make an auditor whose appends can be held."""
    ready = asyncio.Event()
    wiring = AuditorWiring(
        bus=bus,
        clock=world.clock,
        metrics=Metrics(Role.AUDITOR),
        signer=keyed.audit_signer(),
        instance="here",
        ready=ready,
    )
    return Auditor(wiring), ready


async def asked(world: World, trail: Trail) -> None:
    """Let an intent be appended and decided."""
    body = encode(place())
    await world.append(Outgoing(partition_of(topics.INTENTS), None, body))
    record = world.log(topics.INTENTS)[-1]
    trail.decided(record.offset, record.timestamp_ms * 1_000_000)


def heard(world: World, trail: Trail) -> int:
    """Fold the auditor's pulses as the guardrail does."""
    log = world.broker.log(Partition(topics.AUDIT_PULSE, 0))
    for record in log:
        pulse = decode(record.value or b"")
        assert isinstance(pulse, ProcessPulsed)
        trail.pulsed(pulse, SOURCE, record.timestamp_ms * 1_000_000)
    return len(log)


async def test_b9_an_auditor_that_cannot_write_is_behind(tmp_path: Path) -> None:
    """
    A5, B9, A3: what stands on no page is not said to be audited; the lag grows from there.

    Faults N3, M5, A1 and A3.
    """
    world, trail = World(tmp_path), Trail()
    bus = HeldBus(world.bus)
    auditor, ready = auditor_on(world, bus)
    async with running(auditor.run, ready):
        await asked(world, trail)
        await world.has(topics.AUDIT_PULSE, 2)
        bus.hold()
        await asked(world, trail)
        async with asyncio.timeout(20):
            await bus.is_waiting.wait()
        heard(world, trail)
        since = world.clock.wall_ns()
        world.clock.advance(3 * _NS_PER_S)
        lag = trail.lag_ns(since + 3 * _NS_PER_S)
        assert lag is not None
        assert lag >= 2 * _NS_PER_S
        bus.release()


async def test_b9_an_auditor_whose_write_failed_is_heard_no_more(tmp_path: Path) -> None:
    """A5, A1, A3, fault A1: a page that may not stand ends the auditor, and with it its pulses."""
    world, trail = World(tmp_path), Trail()
    bus = HeldBus(world.bus)
    auditor, ready = auditor_on(world, bus)
    with pytest.raises(ExceptionGroup) as found:  # noqa: PT012  (it ends in the middle)
        async with running(auditor.run, ready):
            await world.has(topics.AUDIT_PULSE, 1)
            bus.failure = "unwritten"
            await asked(world, trail)
            async with asyncio.timeout(20):
                while bus.failure:  # noqa: ASYNC110  (a flag of the bus)
                    await asyncio.sleep(0.01)
    assert found.group_contains(WriteError)
    pulses = heard(world, trail)
    world.clock.advance(3 * _NS_PER_S)
    assert heard(world, trail) == pulses
    lag = trail.lag_ns(world.clock.wall_ns())
    assert lag is None or lag >= 2 * _NS_PER_S


async def test_two_auditors_leave_one(tmp_path: Path) -> None:
    """
    R3, F4: who takes the trail over goes on, the other leaves as fenced; one chain remains.
    """
    world = World(tmp_path)
    bus = HeldBus(world.bus)
    first, ready = auditor_on(world, bus)
    with pytest.raises(ExceptionGroup) as found:  # noqa: PT012  (it ends in the middle)
        async with running(first.run, ready):
            await asked(world, Trail())
            await world.has(topics.AUDIT, 3)
            second, second_ready = auditor_on(world, HeldBus(world.bus))
            async with running(second.run, second_ready):
                await asked(world, Trail())
                async with asyncio.timeout(20):
                    while second.lines < 2:  # noqa: ASYNC110  (looks, and lets both work)
                        await asyncio.sleep(0.01)
    assert found.group_contains(FencedError)
    report = verify(world.values(topics.AUDIT), is_signed)
    assert (report.fences, report.lines) == (2, 2)
