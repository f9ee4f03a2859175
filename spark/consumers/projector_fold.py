"""
One transaction of the projector as values: (what the tables hold, records) -> rows. Pure.

What a batch may change is named first, so that exactly those rows are fetched; nothing is
remembered from one batch to the next.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from spark import topics
from spark.consumers.projector_batch import Batch, Item
from spark.events import (
    CancelApproved,
    CancelOrder,
    Evidence,
    IntentRefused,
    OrderApproved,
    OrderEvent,
    OrderFilled,
    PlaceOrder,
)
from spark.ledger.executions import Execution, uncovered
from spark.ledger.fold import Orders
from spark.ledger.holdings import Holding, trade
from spark.ledger.story import (
    Asked,
    IntentCard,
    OrderCard,
    ask,
    asked_of,
    decided_of,
    event_key,
    order_key,
    said_of,
    see,
    tell,
)
from spark.names import BOOK_OF, AccountId, Book, ClientOrderId


class IntentKey(NamedTuple):
    """Where an intent stands."""

    partition: int
    offset: int


class OrderKey(NamedTuple):
    """Which order."""

    account: AccountId
    client_order_id: ClientOrderId


class PositionKey(NamedTuple):
    """Which position."""

    account: str
    mode: str
    symbol: str
    exchange: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A stretch of an order that traded."""

    fill: OrderFilled
    execution: Execution
    #: Of the whole fill; with its first stretch only.
    commission: Decimal
    #: None where it only opens.
    pnl: Decimal | None


@dataclass(frozen=True, slots=True)
class Position:
    """A holding and when it last changed."""

    holding: Holding = field(default_factory=Holding)
    updated_ns: int = 0


@dataclass(slots=True)
class Tables:
    """Rows by their keys: what a batch needs of the tables, then what it made of them."""

    intents: dict[IntentKey, IntentCard] = field(default_factory=dict)
    orders: dict[OrderKey, OrderCard] = field(default_factory=dict)
    executions: dict[OrderKey, list[Execution]] = field(default_factory=dict)
    positions: dict[PositionKey, Position] = field(default_factory=dict)


@dataclass(slots=True)
class Changes:
    """What a batch changed."""

    intents: set[IntentKey]
    orders: set[OrderKey]
    positions: set[PositionKey] = field(default_factory=set)
    trades: list[Trade] = field(default_factory=list)


def intent_keys(batch: Batch) -> set[IntentKey]:
    """Name the intents that a batch is about."""
    keys = {IntentKey(item.partition.number, item.offset) for item in _on(batch, topics.INTENTS)}
    return keys | {_decided_key(item) for item in _on(batch, topics.DECISIONS)}


def fold_intents(tables: Tables, batch: Batch) -> list[Asked]:
    """
    Fold intents and decisions into their cards.

    Returns: what became an order's, because now both are known.
    """
    asked: list[Asked] = []
    for item in batch.items:
        match item.event:
            case PlaceOrder() | CancelOrder() as intent:
                key = IntentKey(item.partition.number, item.offset)
                card = tables.intents.setdefault(key, IntentCard())
                card.said = said_of(intent, item.appended_ns)
            case OrderApproved() | CancelApproved() | IntentRefused() as decision:
                key = _decided_key(item)
                card = tables.intents.setdefault(key, IntentCard())
                card.decided = decided_of(decision, item.appended_ns)
            case _:
                continue
        found = asked_of(key.offset, card)
        if found is not None:
            asked.append(found)
    return asked


def order_keys(asked: Iterable[Asked], batch: Batch) -> set[OrderKey]:
    """Name the orders that a batch is about, and what was asked in it."""
    keys = {OrderKey(*order_key(one)) for one in asked}
    return keys | {key for key, *_ in _told(batch)}


def position_keys(batch: Batch) -> set[PositionKey]:
    """Name the positions that a batch may move."""
    fills = (item.event for item in batch.items)
    return {_position_key(fill) for fill in fills if isinstance(fill, OrderFilled)}


def fold_orders(tables: Tables, asked: Iterable[Asked], batch: Batch) -> Changes:
    """Fold what was asked, and what the gateway and the exchange said, into orders."""
    asked = list(asked)
    changes = Changes(intents=intent_keys(batch), orders=order_keys(asked, batch))
    for one in asked:
        ask(tables.orders.setdefault(OrderKey(*order_key(one)), OrderCard()), one)
    orders = Orders()
    for key, event, item in _told(batch):
        card = tables.orders.setdefault(key, OrderCard())
        is_feed = item.partition.topic == topics.ACCOUNT_EVENTS
        fold = see if is_feed else tell
        fold(card, event, key=key.client_order_id, orders=orders, appended_ns=item.appended_ns)
        # Each book's trades come from one topic, whose order is their order: what the account
        # really traded the account feed tells, complete with fees; paper is the gateway's word.
        if isinstance(event, OrderFilled) and is_feed == (BOOK_OF[event.mode] is Book.LIVE):
            _trade(tables, changes, event, appended_ns=item.appended_ns)
    return changes


def _trade(tables: Tables, changes: Changes, fill: OrderFilled, *, appended_ns: int) -> None:
    known = tables.executions.setdefault(OrderKey(fill.account, fill.client_order_id), [])
    key = _position_key(fill)
    commission = fill.commission
    for execution in uncovered(known, fill):
        known.append(execution)
        holding, pnl = trade(
            tables.positions.get(key, Position()).holding,
            fill.side,
            quantity=execution.quantity,
            price=execution.price,
        )
        tables.positions[key] = Position(holding, appended_ns)
        changes.positions.add(key)
        changes.trades.append(Trade(fill=fill, execution=execution, commission=commission, pnl=pnl))
        commission = Decimal(0)


def _told(batch: Batch) -> Iterator[tuple[OrderKey, OrderEvent, Item]]:
    for item in batch.items:
        event, topic = item.event, item.partition.topic
        # The account feed's evidence counts like the gateway's; the rest is about no order (R4).
        if topic == topics.ACCOUNT_EVENTS and not isinstance(event, Evidence):
            continue
        if topic not in {topics.EVENTS, topics.ACCOUNT_EVENTS}:
            continue
        assert isinstance(event, OrderEvent)  # the table of topics lets nothing else through
        key = event_key(event)
        if key is not None:
            account: AccountId = getattr(event, "account", AccountId(""))
            yield OrderKey(account, key), event, item


def _on(batch: Batch, topic: str) -> Iterator[Item]:
    return (item for item in batch.items if item.partition.topic == topic)


def _decided_key(item: Item) -> IntentKey:
    event = item.event
    assert isinstance(event, OrderApproved | CancelApproved | IntentRefused)  # as in `_told`
    return IntentKey(item.partition.number, event.stamp.seq)


def _position_key(fill: OrderFilled) -> PositionKey:
    return PositionKey(fill.account, fill.mode, fill.symbol, fill.account.partition(":")[0])
