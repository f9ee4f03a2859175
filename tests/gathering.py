"""
Waits until a hurt stack has settled, and writes down everything that it left behind.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from spark import topics
from spark.bus.port import Bus, Pace, Partition, Record
from spark.embedded.child import ChildState
from tests.aftermath import NUMBER, Aftermath, open_questions, parse_ledger
from tests.ordeal import Ordeal

#: What was read of the log so far.
Records = dict[Partition, list[Record]]

#: Longer than an unknown can stay open: window, the exchange's own time, the clock's error.
_QUIET_S_MAX: Final = 60.0
_LOOK_S: Final = 0.5
_READ_MS: Final = 500


async def settled(ordeal: Ordeal) -> Aftermath:
    """Wait until nothing moves any more, and write down what is there."""
    bus, known = ordeal.bus, Records()
    orders = [Partition(name, NUMBER) for name in topics.AUDITED if name.startswith("orders.")]
    # What never comes to rest is for the judges to name.
    with suppress(TimeoutError):
        async with asyncio.timeout(_QUIET_S_MAX):
            while not await _is_quiet(bus, orders, known):  # noqa: ASYNC110  (others move)
                await asyncio.sleep(_LOOK_S)
    children = ordeal.stack.state.children
    return Aftermath(
        records=known,
        ledger=await _ledger(ordeal),
        halted=[child.name for child in children if child.state is ChildState.HALTED],
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


async def _ledger(ordeal: Ordeal) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    since = 0
    while True:
        page, since = parse_ledger(await ordeal.judge("GET", f"/ledger?since={since}"))
        if not page:
            return lines
        lines += page
