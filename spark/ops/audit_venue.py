"""
Asks an exchange what it knows of an account, and holds that against the log (S14).

Reads   the exchange's orders of an account, with a key that only reads; the account's topics
Writes  nothing
Owns    nothing
Fails   by an exchange that gives no answer; it says how far it came, and never guesses
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from spark import topics
from spark.bus.port import Bus, Partition, Record
from spark.clock import Clock
from spark.codec import decode
from spark.consumers.account_feed_ask import Answered, Asker
from spark.errors import MalformedError, VenueUnavailable
from spark.events import OrderApproved
from spark.exchanges.port import (
    Asked,
    OrderSeen,
    OrderSigner,
    SignedRequest,
    VenueCannotError,
    next_stamp,
)
from spark.ledger.fold import Order
from spark.ledger.venue_history import Logged, objections, untold
from spark.names import AccountId, Symbol
from spark.ops.account_reader import read_accounts
from spark.worker.spans import read_through

#: What the exchange told may still be on its way to the log.
_ON_THE_WAY_S: Final = 15.0
_LOOK_S: Final = 1.0
#: Orders that the exchange did not list are asked for one by one, so many at the most.
_SINGLES_MAX: Final = 100
#: A page has a thousand orders.
_PAGES_MAX: Final = 10_000
_FIRST_ID: Final = "1"
_TRIES: Final = 5
_TRY_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What came of one account."""

    account: AccountId
    #: Of ours, as the exchange told them.
    orders: int
    #: Somebody else's on the same account.
    foreign: int
    #: Of ours on the log that nobody asked the exchange for; more than can be asked one by one.
    unasked: int
    objections: tuple[str, ...]


class OwnSigner:
    """Signs questions in this process, with a key that only reads."""

    def __init__(self, signer: OrderSigner, clock: Clock) -> None:
        self._signer = signer
        self._clock = clock
        self._stamp_ns = 0

    async def ask(self, asked: Asked) -> SignedRequest:
        """Sign a question; raises VenueUnavailable where the exchange has no such one."""
        self._stamp_ns = next_stamp(self._clock.wall_ns(), self._stamp_ns)
        try:
            return self._signer.ask(asked, self._stamp_ns)
        except VenueCannotError as error:
            raise VenueUnavailable(str(error)) from None


async def hold_against(
    bus: Bus, account: AccountId, asker: Asker, *, symbols: Sequence[Symbol]
) -> Held:
    """
    Compare an account's orders at its exchange with the log.

    Args:
        symbols: those of which the exchange is asked, beside those that the log knows.

    Raises:
        VenueUnavailable: the exchange gives no answer.
        BusUnavailable: Kafka gives none.

    """
    before = await _logged(bus, account)
    wanted = sorted({*symbols, *(order.symbol for order in before.orders.values())})
    told = {(one.symbol, one.exchange_order_id): one for one in await _history(asker, wanted)}
    missing, absent = untold(before, told.values()), []
    for order in missing[-_SINGLES_MAX:]:
        seen = await _asked(asker, order)
        told |= {(one.symbol, one.exchange_order_id): one for one in seen}
        if not seen:
            absent.append(
                f"{order.client_order_id}: {order.symbol} order {order.exchange_order_id} is "
                f"{order.state} on the log, and the exchange knows no such order"
            )
    deadline = time.monotonic() + _ON_THE_WAY_S
    # Read after the exchange was asked: the log is never behind it, but for what is on its way.
    while found := objections(known := await _logged(bus, account), told.values()):
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(_LOOK_S)
    ours = sum(known.ours_of(one) is not None for one in told.values())
    return Held(
        account=account,
        orders=ours,
        foreign=len(told) - ours,
        unasked=len(missing[:-_SINGLES_MAX]),
        objections=(*absent, *found),
    )


async def _history(asker: Asker, symbols: Sequence[Symbol]) -> list[OrderSeen]:
    found = list((await _patiently(asker.open_orders)).value)
    for symbol in symbols:

        async def ask(symbol: Symbol = symbol) -> Answered[tuple[OrderSeen, ...]]:
            return await asker.orders(symbol, 0, after_id=_FIRST_ID, pages_max=_PAGES_MAX)

        found += (await _patiently(ask)).value
    return found


async def _asked(asker: Asker, order: Order) -> tuple[OrderSeen, ...]:
    name = order.exchange_order_id
    return (await _patiently(lambda: asker.order(order.symbol, name))).value


async def _patiently(
    ask: Callable[[], Awaitable[Answered[tuple[OrderSeen, ...]]]],
) -> Answered[tuple[OrderSeen, ...]]:
    """Ask again where there was no answer; a stamp may have been overtaken by another's (R12)."""
    for _ in range(_TRIES - 1):
        try:
            return await ask()
        except VenueUnavailable as error:
            await asyncio.sleep(max(_TRY_S, error.retry_after_s))
    return await ask()


async def _logged(bus: Bus, account: AccountId) -> Logged:
    (sight,) = await read_accounts(bus, account)
    logged = Logged(orders=sight.book.orders.by_id)
    decisions = Partition(topics.DECISIONS, topics.ACCOUNT_PARTITION[account])

    def take(record: Record) -> None:
        with suppress(MalformedError):
            event = decode(record.value or b"")
            if isinstance(event, OrderApproved):
                logged.approved[event.client_order_id] = event

    starts, ends = await bus.starts([decisions]), await bus.ends([decisions])
    await read_through(bus, {decisions: (starts[decisions], ends[decisions])}, take)
    return logged
