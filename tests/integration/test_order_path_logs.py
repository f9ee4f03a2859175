"""
A log that is not what it was: cut, made anew, edited, of another shape (R8, R16, R17, R18).
"""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from spark import topics
from spark.audit import Report, digest_of, verify
from spark.bus.memory import MemoryBroker
from spark.bus.port import Outgoing, Partition
from spark.consumers import gateway_desk
from spark.errors import FencedError, GapError, HaltError, PartitionError, PositionError
from spark.events import (
    AuditPaged,
    ClockMeasured,
    InstrumentPublished,
    OrderAcked,
    OrderApproved,
)
from spark.names import Role
from spark.worker import keeper
from tests.order_path import OrderPath, in_memory, memory_log
from tests.trails import is_signed

INTENTS, DECISIONS = Partition(topics.INTENTS, 0), Partition(topics.DECISIONS, 0)
SIGNED, EVENTS = Partition(topics.SIGNED, 0), Partition(topics.EVENTS, 0)


@pytest.fixture
def log() -> MemoryBroker:
    return memory_log()


@pytest.fixture
async def path(log: MemoryBroker) -> AsyncIterator[OrderPath]:
    """An order path that has sent two orders."""
    async with in_memory(log) as made:
        await made.up()
        await _sent(made)
        await _sent(made)
        yield made


async def _sent(path: OrderPath) -> None:
    order = path.order()
    await path.ask(order)
    await path.hear(order, OrderAcked)


def _cut(partition: Partition, start: int = 1) -> Callable[[MemoryBroker], None]:
    return lambda log: log.cut(partition, start)


def _anew(partition: Partition) -> Callable[[MemoryBroker], None]:
    return lambda log: log.create(partition.topic, topics.BY_NAME[partition.topic].partitions)


def _edited(partition: Partition) -> Callable[[MemoryBroker], None]:
    """Put another record in the place of the last one: a log restored from elsewhere."""

    def change(log: MemoryBroker) -> None:
        records = log.log(partition)
        records[-1] = records[-1]._replace(value=b"{}")

    return change


def _shorter(partition: Partition) -> Callable[[MemoryBroker], None]:
    def change(log: MemoryBroker) -> None:
        log.log(partition).pop()

    return change


@pytest.mark.parametrize(
    ("role", "hurt"),
    [
        (Role.GUARDRAIL, _cut(DECISIONS)),
        (Role.GUARDRAIL, _cut(INTENTS, 2)),
        (Role.GUARDRAIL, _cut(EVENTS)),
        (Role.GUARDRAIL, _anew(INTENTS)),
        (Role.GUARDRAIL, _anew(EVENTS)),
        (Role.GUARDRAIL, _anew(Partition(topics.VENUE_STATE, 0))),
        (Role.GUARDRAIL, _edited(INTENTS)),
        (Role.GUARDRAIL, _shorter(INTENTS)),
        (Role.SIGNER, _cut(SIGNED)),
        (Role.SIGNER, _cut(DECISIONS, 3)),
        (Role.SIGNER, _cut(EVENTS)),
        (Role.SIGNER, _anew(DECISIONS)),
        (Role.SIGNER, _edited(DECISIONS)),
        (Role.SIGNER, _shorter(DECISIONS)),
        (Role.GATEWAY, _cut(EVENTS)),
        (Role.GATEWAY, _anew(SIGNED)),
        (Role.GATEWAY, _anew(EVENTS)),
        (Role.GATEWAY, _shorter(SIGNED)),
    ],
    ids=lambda one: one if isinstance(one, str) else one.__qualname__.split(".")[0],
)
async def test_r8_r18_a_start_on_a_log_that_was_hurt_halts(
    path: OrderPath, log: MemoryBroker, role: Role, hurt: Callable[[MemoryBroker], None]
) -> None:
    """
    R8, R18: cut, made anew, edited or shorter: the stage ends and says so; nothing is sent.

    A position is not only a number: topic ids, digests and what the log itself says
    was read before are compared.

    Fault K3.
    """
    requests = len(await path.requests())
    await path.stage(role).crash()
    hurt(log)
    stage = path.start(role)
    error = await stage.error()
    assert isinstance(error, PositionError), error
    assert isinstance(error, HaltError)
    assert "\n" not in str(error)
    assert len(await path.requests()) == requests


async def test_r18_an_events_log_made_anew_cannot_make_the_gateway_send_again(
    log: MemoryBroker,
) -> None:
    """
    R8, R18: with `orders.events` gone, nothing in it says that an order was sent.

    The signer's fence names the topic that there was, so the gateway does not begin.

    Faults K10 and S1.
    """
    async with in_memory(log) as path:
        await path.up()
        await _sent(path)
        await path.stage(Role.GATEWAY).crash()
        _anew(EVENTS)(log)
        error = await path.start(Role.GATEWAY).error()
        assert isinstance(error, PositionError)
        assert topics.EVENTS in str(error)
        assert len(await path.requests()) == 1


async def test_r18_a_running_gateway_does_not_send_into_a_new_log(
    path: OrderPath, log: MemoryBroker
) -> None:
    """R18: an append that lands below our last one proves no claim; nothing is sent."""
    await path.stage(Role.GUARDRAIL).crash()
    requests = len(await path.requests())
    await path.stage(Role.SIGNER).crash()
    _anew(EVENTS)(log)
    error = await path.stage(Role.GATEWAY).error()
    assert isinstance(error, PositionError), error
    assert len(await path.requests()) == requests


@pytest.mark.parametrize("role", [Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY])
async def test_r18_a_kept_state_of_another_log_halts(
    log: MemoryBroker, role: Role, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R18: what is kept on disk belongs to one incarnation of its topics."""
    monkeypatch.setattr(keeper, "_IDLE_OUTPUTS_MIN", 1)
    monkeypatch.setattr(gateway_desk, "_IDLE_EVENTS_MIN", 1)
    output = {Role.GUARDRAIL: DECISIONS, Role.SIGNER: SIGNED, Role.GATEWAY: EVENTS}[role]
    async with in_memory(log, state_dir=tmp_path) as path:
        await path.up()
        await _sent(path)
        await _sent(path)
        await path.stage(role).end()
        assert list(tmp_path.glob(f"{role}.0.state"))
        _anew(output)(log)
        error = await path.start(role).error()
        assert isinstance(error, PositionError), error


@pytest.mark.parametrize("content", [b"", b"x" * 10, b"x" * 100_000])
async def test_a_damaged_state_file_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """
    A kept state is a cache: damaged, of another shape or missing, the log is folded.

    Fault K10.
    """
    monkeypatch.setattr(keeper, "_IDLE_OUTPUTS_MIN", 1)
    monkeypatch.setattr(gateway_desk, "_IDLE_EVENTS_MIN", 1)
    async with in_memory(state_dir=tmp_path) as path:
        await path.up()
        await _sent(path)
        for role in (Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY):
            await path.stage(role).end()
            for file in tmp_path.glob(f"{role}.*.state"):
                file.write_bytes(content)
            await path.start(role).is_up()
        order = path.order()
        await path.ask(order)
        while not isinstance(await path.decided(order), OrderApproved):
            order = path.order()
            await path.ask(order)
        await path.hear(order, OrderAcked)
        assert len(await path.placed()) == 2


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize(
    ("role", "topic"),
    [
        (Role.GUARDRAIL, topics.INTENTS),
        (Role.GUARDRAIL, topics.DECISIONS),
        (Role.GUARDRAIL, topics.EVENTS),
        (Role.SIGNER, topics.DECISIONS),
        (Role.SIGNER, topics.SIGNED),
        (Role.GATEWAY, topics.SIGNED),
        (Role.GATEWAY, topics.EVENTS),
        (Role.AUDITOR, topics.INTENTS),
        (Role.AUDITOR, topics.CONTROL),
    ],
)
async def test_r16_another_number_of_partitions_halts(
    log: MemoryBroker, role: Role, topic: str, count: int
) -> None:
    """R16: with more partitions an account's windows would begin again somewhere else."""
    if count == topics.BY_NAME[topic].partitions:
        count += 1
    async with in_memory(log) as path:
        log.create(topic, count)
        error = await path.start(role).error()
        assert isinstance(error, PartitionError)
        assert str(error).startswith(f"{topic} has {count} partitions")


# --- the auditor -------------------------------------------------------------------


def audited(path: OrderPath) -> Report:
    """Verify the trail as it stands, with the auditor's public key."""
    return verify([record.value or b"" for record, _ in path.tape.records[topics.AUDIT]], is_signed)


async def chained(path: OrderPath) -> Report:
    """Wait until the trail has everything that stands on the audited topics."""
    parts = [
        Partition(name, number)
        for name in topics.AUDITED
        for number in range(topics.BY_NAME[name].partitions)
    ]
    bus = path.bus_of("broker")

    async def is_whole() -> bool:
        ends = await bus.ends(parts)
        await path.tape.catch_up()
        due = {str(part): end for part, end in ends.items() if end}
        found = audited(path)
        return found.next_offsets == due and not found.unsigned_lines

    # What brings new records for ever would never let it be whole.
    await path.stage(Role.VENUE_WATCH).end()
    while not await is_whole():
        await path.tape.more(topics.AUDIT, 1)
    await bus.close()
    return audited(path)


async def test_r17_an_auditor_restarted_leaves_no_gap_and_no_double_line(
    path: OrderPath,
) -> None:
    """
    R17: crashed under way and started again: each record has its one line, in order.

    Fault P5.
    """
    await path.start(Role.AUDITOR).is_up()
    for _ in range(3):
        await _sent(path)
        await path.restart(Role.AUDITOR)
    await _sent(path)
    report = await chained(path)
    lines = [line for page in path.tape.on(topics.AUDIT, AuditPaged) for line in page.lines]
    places = [(line.topic, line.partition, line.offset) for line in lines]
    assert len(places) == len(set(places)) == report.lines
    assert report.fences == 4
    digests = {
        (record.partition.topic, record.partition.number, record.offset): digest_of(
            record.key, record.value, record.headers
        )
        for name in topics.AUDITED
        for record, _ in path.tape.records[name]
    }
    assert {place: line.sha256 for place, line in zip(places, lines, strict=True)} == digests


async def test_r17_two_auditors_make_one_chain(path: OrderPath) -> None:
    """R17, F4, fault P5: the older one ends as fenced; the trail goes on and verifies."""
    first = path.start(Role.AUDITOR)
    await first.is_up()
    await _sent(path)
    await path.start(Role.AUDITOR).is_up()
    await _sent(path)
    assert isinstance(await first.error(), FencedError)
    report = await chained(path)
    assert report.void <= 1


async def test_the_auditor_chains_what_nobody_can_read(path: OrderPath) -> None:
    """R20, A5: rubbish on a topic is audited like everything else and stops nothing."""
    await path.start(Role.AUDITOR).is_up()
    bad = [b"", b"{", b"\xff" * 50, b"[" * 5_000]
    await path.write(*[Outgoing(INTENTS, None, body) for body in bad])
    await _sent(path)
    report = await chained(path)
    assert report.lines > 0


async def test_r8_an_audited_topic_that_was_cut_halts_the_auditor(
    path: OrderPath, log: MemoryBroker
) -> None:
    """R8: the trail begins at the beginning, or it does not begin."""
    _cut(EVENTS)(log)
    error = await path.start(Role.AUDITOR).error()
    assert isinstance(error, PositionError)
    assert str(EVENTS) in str(error)


async def test_r18_an_audited_topic_made_anew_halts_the_auditor(
    path: OrderPath, log: MemoryBroker
) -> None:
    """R18: lines of two incarnations never follow each other in one chain."""
    await path.start(Role.AUDITOR).is_up()
    await path.tape.some(topics.AUDIT, AuditPaged, 1)
    await path.stage(Role.AUDITOR).crash()
    await path.stage(Role.GUARDRAIL).crash()
    _anew(INTENTS)(log)
    error = await path.start(Role.AUDITOR).error()
    assert isinstance(error, PositionError | GapError)


async def test_nothing_waits_for_the_auditor(path: OrderPath) -> None:
    """R11: it depends on nobody, and orders and cancels go without it."""
    order = path.order()
    await path.ask(order)
    await path.hear(order, OrderAcked)
    assert path.tape.records[topics.AUDIT] == []


async def test_the_venue_watch_says_instruments_and_clock(path: OrderPath) -> None:
    """B6, B8: what guards and signer need stands on venue.state."""
    symbols = {
        one.symbol for one in await path.tape.some(topics.VENUE_STATE, InstrumentPublished, 2)
    }
    assert symbols == {"BTCUSDT", "ETHUSDT"}
    clock = (await path.tape.some(topics.VENUE_STATE, ClockMeasured, 1))[0]
    assert abs(clock.offset_ns) < 1_000_000_000
    assert clock.uncertainty_ns > 0
