"""
Reads accounts off the log: what is known of their orders, and what the exchange said last.

No key is needed for it: what the exchange says is what the account feed wrote down, and how
old that is stands beside it.
"""

from dataclasses import dataclass, field
from typing import Final

from spark import topics
from spark.bus.port import Bus, Partition, Record
from spark.codec import decode
from spark.errors import MalformedError
from spark.events import Event, Evidence, InstrumentPublished, OrderEvent
from spark.ledger.fold import Order
from spark.ledger.positions import Positions, fold_positions
from spark.ledger.reconcile import Book, fold_account, fold_orders
from spark.ledger.reconcile_funds import Pair
from spark.names import AccountId, Symbol, venue_of
from spark.worker.resume import place_of, read_sides

_STATE: Final = Partition(topics.VENUE_STATE, 0)


@dataclass(slots=True)
class AccountSight:
    """One account, both sides."""

    account: AccountId
    book: Book
    positions: Positions = field(default_factory=Positions)
    pairs: dict[Symbol, Pair] = field(default_factory=dict)

    @property
    def was_ever_fed(self) -> bool:
        """Tell whether an account feed has ever taken this account."""
        return self.book.epoch >= 0

    def open_orders(self) -> list[Order]:
        """List orders that the exchange should know: alive, or without an outcome."""
        return [*self.book.alive(), *self.book.unknown()]


async def read_accounts(bus: Bus, account: AccountId | None = None) -> list[AccountSight]:
    """
    Read one account, or every account that ever had an order or a feed.

    Raises:
        BusUnavailable: Kafka does not answer.

    """
    wanted = [account] if account is not None else list(topics.ACCOUNT_PARTITION)
    sights = {
        topics.ACCOUNT_PARTITION[one]: AccountSight(one, Book(one))
        for one in wanted
        if one in topics.ACCOUNT_PARTITION
    }

    def take(record: Record) -> None:
        try:
            event = decode(record.value or b"")
        except MalformedError:
            return
        if record.partition == _STATE:
            _note_pair(sights, event)
        else:
            _fold(sights[record.partition.number], record, event)

    # Orders first: evidence that was told beside them is about something then.
    for name in (topics.EVENTS, topics.ACCOUNT_EVENTS):
        await read_sides(bus, [Partition(name, number) for number in sights], take, known={})
    await read_sides(bus, [_STATE], take, known={})
    if account is not None:
        return list(sights.values())
    return [one for one in sights.values() if one.was_ever_fed or one.book.orders.by_id]


def _fold(sight: AccountSight, record: Record, event: Event) -> None:
    place = place_of(record)
    if record.partition.topic == topics.EVENTS:
        fold_orders(sight.book, event, offset=place.offset, appended_ns=place.appended_ns)
    else:
        fold_account(sight.book, event, offset=place.offset, appended_ns=place.appended_ns)
    is_ours = record.partition.topic == topics.EVENTS and isinstance(event, OrderEvent)
    if is_ours or isinstance(event, Evidence):
        fold_positions(sight.positions, event, place.appended_ns)


def _note_pair(sights: dict[int, AccountSight], event: Event) -> None:
    if not isinstance(event, InstrumentPublished):
        return
    for sight in sights.values():
        if venue_of(sight.account) == event.venue:
            sight.pairs[event.symbol] = Pair(event.base_asset, event.quote_asset)
