"""
Waits until a hurt stack has settled, and writes down everything that it left behind.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from spark import keys, topics
from spark.bus.port import Bus, Pace, Partition, Record
from spark.embedded.child import ChildState
from spark.events import AuditPaged
from tests.crash.aftermath import NUMBER, Aftermath, Zombie, event_of, open_questions, parse_ledger
from tests.crash.ordeal import Ordeal

#: What was read of the log so far.
Records = dict[Partition, list[Record]]

#: Longer than an unknown can stay open: window, the exchange's own time, the clock's error.
_QUIET_S_MAX: Final = 60.0
_AUDITED_S_MAX: Final = 30.0
_LOOK_S: Final = 0.5
_READ_MS: Final = 500
_TRAIL: Final = Partition(topics.AUDIT, 0)


async def settled(ordeal: Ordeal, zombie: Zombie) -> Aftermath:
    """Wait until nothing moves any more, and write down what is there."""
    bus, known = ordeal.bus, Records()
    orders = [Partition(name, NUMBER) for name in topics.AUDITED if name.startswith("orders.")]
    # What never comes to rest is for the judges to name.
    with suppress(TimeoutError):
        async with asyncio.timeout(_QUIET_S_MAX):
            while not await _is_quiet(bus, orders, known):  # noqa: ASYNC110  (others move)
                await asyncio.sleep(_LOOK_S)
    audited = [
        Partition(name, number)
        for name in topics.AUDITED
        for number in range(topics.BY_NAME[name].partitions)
    ]
    ends = await read_on(bus, audited, known)
    async with asyncio.timeout(_AUDITED_S_MAX):
        while not await _is_audited(bus, ends, known):  # noqa: ASYNC110  (the auditor moves)
            await asyncio.sleep(_LOOK_S)
    children = ordeal.stack.state.children
    return Aftermath(
        records=known,
        ledger=await _ledger(ordeal),
        zombie=zombie,
        restarts={child.name: child.restarts for child in children},
        halted=[child.name for child in children if child.state is ChildState.HALTED],
        public_key=(ordeal.stack.home.public / keys.AUDIT_PUBLIC).read_bytes(),
    )


async def read_on(
    bus: Bus, partitions: Sequence[Partition], known: Records
) -> dict[Partition, int]:
    """
    Read what has come since the last time.

    Returns: the ends of now.
    """
    ends = await bus.ends(partitions)
    firsts = {p: len(known.setdefault(p, [])) for p in partitions}
    missing = {p for p in partitions if firsts[p] < ends[p]}
    if missing:
        reader = await bus.reader({p: firsts[p] for p in missing}, Pace.BULK)
        try:
            while any(len(known[p]) < ends[p] for p in missing):
                for record in await reader.read(_READ_MS):
                    known[record.partition].append(record)
        finally:
            await reader.close()
    return ends


async def _is_quiet(bus: Bus, partitions: Sequence[Partition], known: Records) -> bool:
    """Say whether nothing came and no question is open: each claim has what became of it."""
    before = sum(map(len, known.values()))
    await read_on(bus, partitions, known)
    if sum(map(len, known.values())) != before:
        return False
    return not open_questions(known[Partition(topics.EVENTS, NUMBER)])


async def _is_audited(bus: Bus, ends: dict[Partition, int], known: Records) -> bool:
    await read_on(bus, [_TRAIL], known)
    reached: dict[Partition, int] = {}
    for event in map(event_of, known[_TRAIL]):
        for line in event.lines if isinstance(event, AuditPaged) else ():
            reached[Partition(line.topic, line.partition)] = line.offset + 1
    return all(reached.get(partition, 0) >= end for partition, end in ends.items())


async def _ledger(ordeal: Ordeal) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    since = 0
    while True:
        page, since = parse_ledger(await ordeal.judge("GET", f"/ledger?since={since}"))
        if not page:
            return lines
        lines += page
