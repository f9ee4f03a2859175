"""
Finds every order that may rest at an exchange, and takes them all back.

Both go by the log alone: an order is open until the exchange's own evidence closed it.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from spark.bus.port import Bus, Pace, Partition
from spark.consumers.gateway_resume import GatewayPast
from spark.ledger.control_state import ALL_ACCOUNTS
from spark.ledger.fold import Order
from spark.ledger.orders import CLOSED
from spark.names import BOOK_OF, AccountId, Book, ClientOrderId
from spark.ops.order_reader import partitions_of
from spark.producers.intents import IntentWriter
from spark.topics import EVENTS
from spark.worker.spans import read_through

#: Cancels in one append.
_CANCELS_AT_ONCE_MAX: Final = 200
#: A cancel of an old order waits behind those before it.
_TTL_NS: Final = 30_000_000_000
_READ_WAIT_MS: Final = 100


@dataclass(slots=True)
class OpenOrders:
    """The orders of every account as `orders.events` tells them, and where it goes on."""

    by_partition: dict[Partition, GatewayPast]
    positions: dict[Partition, int]

    def list(self, account: str = ALL_ACCOUNTS) -> list[Order]:
        """List what may rest at the exchange, or at the book of paper."""
        return [
            order
            for past in self.by_partition.values()
            for order in past.orders.by_id.values()
            if order.state not in CLOSED
            if account in {ALL_ACCOUNTS, order.account}
            if order.mode is None or BOOK_OF[order.mode] is not Book.SHADOW
        ]


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What became of the cancels."""

    asked: int
    closed: int
    #: Still open when the time was up.
    open: tuple[ClientOrderId, ...]


async def read_open(bus: Bus) -> OpenOrders:
    """
    Fold `orders.events` to its ends of now.

    Raises:
        BusUnavailable: Kafka does not answer.

    """
    partitions = partitions_of([EVENTS])
    found = OpenOrders({p: GatewayPast() for p in partitions}, await bus.ends(partitions))
    starts = await bus.starts(partitions)
    await read_through(
        bus,
        {p: (starts[p], found.positions[p]) for p in partitions},
        lambda record: found.by_partition[record.partition].fold(record),
    )
    return found


async def cancel_open(
    bus: Bus, writer: IntentWriter, account: AccountId | str = ALL_ACCOUNTS, *, wait_s: float
) -> TakenBack:
    """
    Ask for the cancel of every open order, and wait until each is closed.

    Raises:
        BusUnavailable: Kafka does not answer.
        WriteError: it is unsure which cancels stand; ask again.

    """
    orders = await read_open(bus)
    targets = orders.list(account)
    for first in range(0, len(targets), _CANCELS_AT_ONCE_MAX):
        some = targets[first : first + _CANCELS_AT_ONCE_MAX]
        await writer.send([writer.cancel(order, ttl_ns=_TTL_NS) for order in some])
    with suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await _until_closed(bus, orders, targets)
    left = _still_open(targets)
    return TakenBack(len(targets), len(targets) - len(left), left)


async def _until_closed(bus: Bus, orders: OpenOrders, targets: Sequence[Order]) -> None:
    reader = await bus.reader(orders.positions, Pace.SHARED)
    try:
        while _still_open(targets):
            for record in await reader.read(_READ_WAIT_MS):
                orders.by_partition[record.partition].fold(record)
    finally:
        await reader.close()


def _still_open(targets: Sequence[Order]) -> tuple[ClientOrderId, ...]:
    return tuple(order.client_order_id for order in targets if order.state not in CLOSED)
