"""
Finds every order that may rest at an exchange, and takes them all back.

Both go by the log alone: an order is open until the exchange's own evidence closed it. A
cancel that came to nothing is asked for again, as long as there is time.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from spark.bus.port import Bus, Pace, Partition
from spark.consumers.gateway_resume import GatewayPast
from spark.ledger.control_state import ALL_ACCOUNTS
from spark.ledger.fold import Order, cancel_key
from spark.ledger.orders import CLOSED
from spark.names import BOOK_OF, AccountId, Book, ClientOrderId, IntentId
from spark.ops.order_reader import partitions_of
from spark.producers.intents import IntentWriter
from spark.topics import EVENTS
from spark.worker.spans import read_through

#: Cancels in one append.
_CANCELS_AT_ONCE_MAX: Final = 200
#: A cancel of an old order waits behind those before it.
_TTL_NS: Final = 30_000_000_000
_READ_WAIT_MS: Final = 100
#: The signer makes ten of an order in all, and its strategy may have asked for some.
_TRIES_MAX: Final = 6
#: Before the second try, and doubled for each further one.
_PAUSE_S: Final = 1.0


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
    Ask for the cancel of every open order until each is closed, or the time is up.

    Raises:
        BusUnavailable: Kafka does not answer.
        WriteError: it is unsure which cancels stand; ask again.

    """
    orders = await read_open(bus)
    work = _TakingBack(orders, orders.list(account))
    now_s = asyncio.get_running_loop().time
    until_s = now_s() + wait_s
    reader = await bus.reader(orders.positions, Pace.SHARED)
    try:
        while work.left() and now_s() < until_s:
            await work.ask(writer, now_s())
            for record in await reader.read(_READ_WAIT_MS):
                orders.by_partition[record.partition].fold(record)
    finally:
        await reader.close()
    left = work.left()
    return TakenBack(len(work.targets), len(work.targets) - len(left), left)


@dataclass(slots=True)
class _Cancels:
    """What was asked of one order."""

    tries: int = 0
    last: IntentId | None = None
    #: When the last one was found to have come to nothing; None while it is on its way.
    failed_s: float | None = None


@dataclass(slots=True)
class _TakingBack:
    """Orders that are to be closed, and the cancels so far."""

    orders: OpenOrders
    targets: list[Order]
    _cancels: dict[ClientOrderId, _Cancels] = field(default_factory=dict)

    def left(self) -> tuple[ClientOrderId, ...]:
        """List what is open yet."""
        return tuple(one.client_order_id for one in self.targets if one.state not in CLOSED)

    async def ask(self, writer: IntentWriter, now_s: float) -> None:
        """Ask for the cancels that are due: the first of each order, or one after a failure."""
        due = [order for order in self.targets if self._is_due(order, now_s)]
        for first in range(0, len(due), _CANCELS_AT_ONCE_MAX):
            some = due[first : first + _CANCELS_AT_ONCE_MAX]
            cancels = [writer.cancel(order, ttl_ns=_TTL_NS) for order in some]
            await writer.send(cancels)
            for order, cancel in zip(some, cancels, strict=True):
                asked = self._cancels[order.client_order_id]
                asked.tries, asked.last, asked.failed_s = asked.tries + 1, cancel.intent_id, None

    def _is_due(self, order: Order, now_s: float) -> bool:
        asked = self._cancels.setdefault(order.client_order_id, _Cancels())
        if order.state in CLOSED or asked.tries >= _TRIES_MAX:
            return False
        if asked.last is None:
            return True
        if asked.failed_s is None and self._is_over(asked.last):
            asked.failed_s = now_s
        pause_s = _PAUSE_S * 2 ** (asked.tries - 1)
        return asked.failed_s is not None and now_s - asked.failed_s >= pause_s

    def _is_over(self, cancel: IntentId) -> bool:
        """Say whether a cancel ended: refused, unsent, or without an answer that counts."""
        books = [past.orders for past in self.orders.by_partition.values()]
        is_ended = any(cancel_key(cancel) in book.taken for book in books)
        return is_ended and not any(cancel in book.cancels for book in books)
