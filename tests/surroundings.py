"""
What a guardrail needs around it to approve anything, said again and again.

Prices, equity, and an auditor that is not behind: for order paths that run without these parts.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Final

from spark.bus.port import Bus, Outgoing, Partition, Writer
from spark.clock import SystemClock
from spark.codec import encode
from spark.events import Equity, EquityMarked, Event, ProcessPulsed
from spark.names import Book, Role
from spark.topics import (
    ACCOUNT_PARTITION,
    ACCOUNT_PARTITIONS,
    CONTROL_PULSE,
    INTENTS,
    RISK_EQUITY,
)
from tests.marks import marking

PERIOD_S: Final = 0.3
#: Further than any test's log goes.
_FAR: Final = 10**9
_CAPITAL: Final = Equity(
    equity_usd=Decimal(10_000), peak_usd=Decimal(10_000), capital_usd=Decimal(10_000)
)


def equity_marked(now_ns: int) -> list[EquityMarked]:
    """Mark every account, in every book, at what it was given."""
    return [
        EquityMarked(account=account, book=book, total=_CAPITAL, strategies={}, marked_ns=now_ns)
        for account in ACCOUNT_PARTITION
        for book in Book
    ]


def auditor_pulsed(now_ns: int) -> ProcessPulsed:
    """Say that everything is audited."""
    return ProcessPulsed(
        role=Role.AUDITOR,
        instance="nobody",
        state="ready",
        epochs={},
        positions={f"{INTENTS}/{number}": _FAR for number in range(ACCOUNT_PARTITIONS)},
        halts=(),
        at_ns=now_ns,
    )


async def say_once(writer: Writer) -> None:
    """Write all of it."""
    now_ns = SystemClock().wall_ns()
    said: Sequence[tuple[str, Event]] = [
        (CONTROL_PULSE, auditor_pulsed(now_ns)),
        *((RISK_EQUITY, marked) for marked in equity_marked(now_ns)),
    ]
    await writer.write([Outgoing(Partition(topic, 0), None, encode(one)) for topic, one in said])


@asynccontextmanager
async def surroundings(bus: Bus) -> AsyncIterator[None]:
    """Say it now and again while the body runs, as somebody who may write everything."""
    writer = await bus.writer([CONTROL_PULSE, RISK_EQUITY])
    await say_once(writer)

    async def repeat() -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            await say_once(writer)

    task = asyncio.create_task(repeat(), name="surroundings")
    try:
        async with marking(bus):
            yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        await writer.close()
