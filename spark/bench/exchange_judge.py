"""
What Spark says of its orders, held against the exchange's own ledger. Pure.

Nothing is rounded and nothing is forgiven: a state, a quantity, a fee or a balance that
differs in its last decimal is counted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from spark import topics
from spark.events import (
    BalancesSeen,
    CancelOrder,
    Decision,
    Event,
    Evidence,
    IntentRefused,
    OrderApproved,
    OrderFilled,
    PlaceOrder,
    RequestNotSent,
)
from spark.ids import client_order_id, is_ours
from spark.ledger.fold import Orders, fold_event
from spark.ledger.orders import CLOSED
from spark.names import ClientOrderId, OrderState

_ZERO: Final = Decimal(0)
#: What the ledger's words are in Spark's.
_STATES: Final[Mapping[str, frozenset[OrderState]]] = {
    "open": frozenset({OrderState.SUBMITTED}),
    "partly_filled": frozenset({OrderState.PARTIALLY_FILLED}),
    "filled": frozenset({OrderState.FILLED, OrderState.SETTLED}),
    "cancelled": frozenset({OrderState.CANCELLED}),
    "expired": frozenset({OrderState.EXPIRED, OrderState.CANCELLED}),
}
_SHOWN_MAX: Final = 10


@dataclass(slots=True)
class LedgerOrder:
    """One client order id at the exchange."""

    order_ids: set[int] = field(default_factory=set)
    symbol: str = ""
    status: str = ""
    executed: Decimal = _ZERO


@dataclass(frozen=True, slots=True)
class Trade:
    """One half of a trade, as either side tells it."""

    side: str
    quantity: Decimal
    price: Decimal
    commission: Decimal
    commission_asset: str


@dataclass(slots=True)
class Ledger:
    """What reached the exchange of one account."""

    orders: dict[str, LedgerOrder] = field(default_factory=dict)
    #: By symbol, trade id and client order id: both halves of a trade may be ours.
    trades: dict[tuple[str, str, str], Trade] = field(default_factory=dict)

    def add(self, line: Mapping[str, Any]) -> None:
        """Take in one line of ours; others are passed over."""
        if not is_ours(line.get("client_order_id") or ""):
            return
        if line["kind"] == "order":
            order = self.orders.setdefault(line["client_order_id"], LedgerOrder())
            order.order_ids.add(line["order_id"])
            order.symbol, order.status = line["symbol"], line["status"]
            order.executed = Decimal(line["executed"])
        elif line["kind"] == "fill":
            key = line["client_order_id"]
            self.trades[line["symbol"], str(line["trade_id"]), key] = Trade(
                side=line["side"],
                quantity=Decimal(line["quantity"]),
                price=Decimal(line["price"]),
                commission=Decimal(line["commission"]),
                commission_asset=line["commission_asset"],
            )


@dataclass(slots=True)
class Told:
    """What Spark's topics say of one account, read in the order of their times."""

    places: set[tuple[str, str]] = field(default_factory=set)
    cancels: int = 0
    decided: set[tuple[str, str]] = field(default_factory=set)
    refused: int = 0
    #: Reasons of refusals and of requests that were not sent, counted.
    reasons: Counter[str] = field(default_factory=Counter)
    #: Client order id of each approved order.
    approved: set[str] = field(default_factory=set)
    #: What ended before it got a signature: such an end names the intent alone.
    unsigned: set[str] = field(default_factory=set)
    orders: Orders = field(default_factory=Orders)
    trades: dict[tuple[str, str, str], Trade] = field(default_factory=dict)
    #: The last balances: free and locked, by asset.
    balances: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)

    def add(self, topic: str, event: Event, offset: int, *, appended_ns: int) -> None:
        """Take in one record."""
        match event:
            case PlaceOrder():
                self.places.add((event.strategy, event.intent_id))
            case CancelOrder():
                self.cancels += 1
            case BalancesSeen():
                found = {one.asset: (one.free, one.locked) for one in event.balances}
                self.balances = found if event.is_complete else self.balances | found
            case _ if isinstance(event, Decision):
                self._decided(event)
            case _ if topic in {topics.EVENTS, topics.ACCOUNT_EVENTS}:
                self._order(topic, event, offset, appended_ns=appended_ns)

    def _decided(self, event: Decision) -> None:
        self.decided.add((event.strategy, event.intent_id))
        if isinstance(event, OrderApproved):
            self.approved.add(event.client_order_id)
        if isinstance(event, IntentRefused):
            self.refused += 1
            self.reasons.update(reason.code.value for reason in event.reasons)

    def _order(self, topic: str, event: Event, offset: int, *, appended_ns: int) -> None:
        if topic == topics.ACCOUNT_EVENTS and not isinstance(event, Evidence):
            return
        fold_event(self.orders, event, offset, appended_ns)
        if isinstance(event, RequestNotSent) and not event.client_order_id:
            key = client_order_id(event.account, event.strategy, event.intent_id)
            self.unsigned.add(key)
        elif isinstance(event, RequestNotSent):
            self.reasons.update(f"not sent: {reason.code}" for reason in event.reasons)
        if isinstance(event, OrderFilled) and event.trade_id:
            self.trades[event.symbol, event.trade_id, event.client_order_id] = Trade(
                side=event.side,
                quantity=event.quantity,
                price=event.price,
                commission=event.commission,
                commission_asset=event.commission_asset,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How the two compare; all but the counts of orders should be nothing."""

    intents: int
    refused: int
    orders_in_ledger: int
    fills_in_ledger: int
    #: Client order ids with more than one order at the exchange.
    duplicates: int
    #: Orders at the exchange that no decision approved.
    unapproved: int
    #: Intents without a decision, approved orders without an end or a beginning, orders at the
    #: exchange that Spark does not know or knows otherwise.
    lost: int
    unknown_open: int
    #: Trades that one side does not have, or tells otherwise, fees included.
    fills_differing: int
    #: Sum of the amounts by which balances differ, each without its sign.
    balance_difference: Decimal
    #: The first of each, in words.
    examples: tuple[str, ...]


def judge(told: Told, ledger: Ledger, balances: Mapping[str, tuple[Decimal, Decimal]]) -> Verdict:
    """
    Compare.

    Args:
        balances: free and locked at the exchange, by asset.

    """
    examples: list[str] = []
    undecided = told.places - told.decided
    examples += [f"no decision about {one}" for one in sorted(undecided)]
    lost = [*_orders_differing(told, ledger), *_without_end(told, ledger)]
    examples += lost
    fills = _fills_differing(told.trades, ledger.trades)
    examples += fills
    by_asset = _balances_differing(told.balances, balances)
    examples += [f"{asset}: {amount} more there" for asset, amount in by_asset.items()]
    return Verdict(
        intents=len(told.places),
        refused=told.refused,
        orders_in_ledger=len(ledger.orders),
        fills_in_ledger=len(ledger.trades),
        duplicates=sum(len(one.order_ids) > 1 for one in ledger.orders.values()),
        unapproved=len(ledger.orders.keys() - told.approved),
        lost=len(undecided) + len(lost),
        unknown_open=len(told.orders.unknown),
        fills_differing=len(fills),
        balance_difference=sum((abs(one) for one in by_asset.values()), _ZERO),
        examples=tuple(examples[:_SHOWN_MAX]),
    )


def _orders_differing(told: Told, ledger: Ledger) -> Iterable[str]:
    for key, there in sorted(ledger.orders.items()):
        here = told.orders.by_id.get(ClientOrderId(key))
        if here is None:
            yield f"{key}: {there.status} at the exchange, not known here"
        elif here.state not in _STATES[there.status] or here.filled != there.executed:
            yield (
                f"{key}: {there.status} {there.executed} at the exchange, "
                f"{here.state} {here.filled} here"
            )


def _without_end(told: Told, ledger: Ledger) -> Iterable[str]:
    for key in sorted(told.approved - (told.unsigned - ledger.orders.keys())):
        here = told.orders.by_id.get(ClientOrderId(key))
        if here is None:
            yield f"{key}: approved, and nothing became of it"
        elif key not in ledger.orders and (
            here.state not in CLOSED or here.exchange_order_id or here.filled
        ):
            yield f"{key}: {here.state} here, nothing at the exchange"


def _fills_differing(
    here: Mapping[tuple[str, str, str], Trade], there: Mapping[tuple[str, str, str], Trade]
) -> list[str]:
    return [
        f"trade {key}: {there.get(key)} at the exchange, {here.get(key)} here"
        for key in sorted(here.keys() | there.keys())
        if here.get(key) != there.get(key)
    ]


def _balances_differing(
    here: Mapping[str, tuple[Decimal, Decimal]], there: Mapping[str, tuple[Decimal, Decimal]]
) -> dict[str, Decimal]:
    nothing = (_ZERO, _ZERO)
    found = {}
    for asset in sorted(here.keys() | there.keys()):
        ours, theirs = here.get(asset, nothing), there.get(asset, nothing)
        if ours != theirs:
            found[asset] = sum(theirs, _ZERO) - sum(ours, _ZERO) or theirs[0] - ours[0]
    return found
