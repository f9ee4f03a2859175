"""
What a guardrail needs around it to approve anything, said again and again.

Prices, equity, an account that agrees with its exchange, and an auditor that is not behind:
for order paths that run without these parts.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Final

from spark.bus.port import Bus, Outgoing, Partition, Writer
from spark.clock import SystemClock
from spark.codec import encode
from spark.events import (
    AccountReconciled,
    Equity,
    EquityMarked,
    Event,
    PartitionFenced,
    ProcessPulsed,
)
from spark.names import AccountId, Book, Role
from spark.topics import (
    ACCOUNT_EVENTS,
    ACCOUNT_PARTITION,
    ACCOUNT_PARTITIONS,
    AUDIT_PULSE,
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


def account_fenced() -> PartitionFenced:
    """Begin as an account feed would."""
    return PartitionFenced(
        role=Role.ACCOUNT_FEED, instance="nobody", topic_ids={}, settings={}, fenced_ns=0
    )


def account_reconciled(account: AccountId, epoch: int, now_ns: int) -> AccountReconciled:
    """Say that log and exchange agree."""
    return AccountReconciled(
        epoch=epoch,
        account=account,
        cause="background",
        orders=0,
        fills=0,
        balances=0,
        differences_open=0,
        halting=0,
        asked_ns=now_ns,
        done_ns=now_ns,
    )


async def take_accounts(writer: Writer) -> dict[AccountId, int]:
    """Fence every account; gives their epochs."""
    fences = [
        Outgoing(Partition(ACCOUNT_EVENTS, number), None, encode(account_fenced()))
        for number in ACCOUNT_PARTITION.values()
    ]
    return dict(zip(ACCOUNT_PARTITION, await writer.write(fences), strict=True))


async def say_once(
    writer: Writer, epochs: Mapping[AccountId, int], *, missing: Collection[Role] = ()
) -> None:
    """Write all of it, but for what is said by roles that are there themselves."""
    now_ns = SystemClock().wall_ns()
    agreed = [
        Outgoing(
            Partition(ACCOUNT_EVENTS, ACCOUNT_PARTITION[account]),
            None,
            encode(account_reconciled(account, epoch, now_ns)),
        )
        for account, epoch in epochs.items()
    ]
    said: list[tuple[str, Event]] = [(RISK_EQUITY, marked) for marked in equity_marked(now_ns)]
    if Role.AUDITOR not in missing:
        said.append((AUDIT_PULSE, auditor_pulsed(now_ns)))
    rest = [Outgoing(Partition(topic, 0), None, encode(one)) for topic, one in said]
    await writer.write([*agreed, *rest])


@asynccontextmanager
async def surroundings(bus: Bus, *, missing: Collection[Role] = ()) -> AsyncIterator[None]:
    """
    Say it now and again while the body runs, as somebody who may write everything.

    Args:
        missing: roles that a test runs, or speaks for, itself.

    """
    writer = await bus.writer([AUDIT_PULSE, RISK_EQUITY, ACCOUNT_EVENTS])
    epochs = {} if Role.ACCOUNT_FEED in missing else await take_accounts(writer)
    await say_once(writer, epochs, missing=missing)

    async def repeat() -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            await say_once(writer, epochs, missing=missing)

    task = asyncio.create_task(repeat(), name="surroundings")
    try:
        async with marking(bus, missing=missing):
            yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        await writer.close()
