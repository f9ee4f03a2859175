"""
An order as one line, put together from its parts. Pure.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from spark.events import Refusal
from spark.ledger.fold import Order
from spark.ledger.story import REFUSED, Decided, OrderCard, Said, Told
from spark.names import (
    AccountId,
    Action,
    ClientOrderId,
    IntentId,
    OrderState,
    StrategyId,
    Symbol,
)

_NS_PER_MS: Final = 1_000_000
#: From what says least of an order to what says most: evidence goes beyond opinions, an end
#: beyond what may still come, and what traded whole beyond every other end.
_FURTHER: Final = (
    OrderState.PENDING, OrderState.CLAIMED, OrderState.UNKNOWN, OrderState.NOT_FOUND,
    OrderState.SUBMITTED, OrderState.PARTIALLY_FILLED, OrderState.REJECTED, OrderState.EXPIRED,
    OrderState.CANCELLED, OrderState.FILLED, OrderState.SETTLED,
)  # fmt: skip
#: What stands for a part that no record has told yet.
_NOTHING_SAID: Final = Said(
    account="", strategy="", intent_id="", action=Action.PLACE, symbol="", appended_ns=0
)
_NOTHING_DECIDED: Final = Decided(outcome="", is_proven=False, mode="", decided_ns=0)
_NO_ORDER: Final = Order(
    client_order_id=ClientOrderId(""),
    intent_id=IntentId(""),
    account=AccountId(""),
    strategy=StrategyId(""),
    symbol=Symbol(""),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """An order as one line; None where no topic has said it."""

    account: str
    client_order_id: str
    intent_id: str
    strategy: str
    exchange: str
    symbol: str | None
    mode: str | None
    endpoint: str | None
    side: str | None
    order_type: str | None
    time_in_force: str | None
    quantity: Decimal | None
    price: Decimal | None
    status: str
    filled_quantity: Decimal
    exchange_order_id: str | None
    place_latency_ms: Decimal | None
    error_class: str | None
    reasons: tuple[Refusal, ...]
    created_ns: int
    updated_ns: int


def row_of(account: str, key: str, card: OrderCard) -> OrderRow | None:
    """
    Put the parts of an order together.

    Returns: None while what is known may be about no order at all.
    """
    told, seen = card.told, card.seen
    if card.asked is None and seen is None and (told is None or not told.is_named):
        return None
    said = card.asked.said if card.asked else _NOTHING_SAID
    decided = card.asked.decided if card.asked else _NOTHING_DECIDED
    order = _either(told, seen)
    error_class = told.error_class if told else None
    if error_class is None and decided.reasons:
        error_class = decided.reasons[0].code
    first_ns = min((one.first_ns for one in (told, seen) if one), default=0)
    return OrderRow(
        account=account,
        client_order_id=key,
        intent_id=said.intent_id or order.intent_id,
        strategy=said.strategy or order.strategy,
        exchange=account.partition(":")[0],
        symbol=said.symbol or order.symbol or None,
        mode=decided.mode or order.mode,
        endpoint=decided.endpoint,
        side=said.side or order.side,
        order_type=said.order_type,
        time_in_force=said.time_in_force,
        # An order that nobody asked for may still have no quantity in any event so far.
        quantity=said.quantity if card.asked else order.quantity or None,
        price=said.price if card.asked else order.price,
        status=_status(card).value,
        filled_quantity=order.filled,
        exchange_order_id=order.exchange_order_id or None,
        place_latency_ms=_latency_ms(card),
        error_class=error_class,
        reasons=(told.reasons if told else ()) or decided.reasons,
        created_ns=said.appended_ns or first_ns,
        updated_ns=max(decided.decided_ns, order.changed_ns, first_ns),
    )


def _either(told: Told | None, seen: Told | None) -> Order:
    """Put together what both ways say of an order; neither is before the other."""
    if told is None or seen is None:
        one = told or seen
        return _NO_ORDER if one is None else one.order
    here, there = told.order, seen.order
    return replace(
        here,
        state=max((here.state, there.state), key=_FURTHER.index),
        side=here.side or there.side,
        quantity=here.quantity or there.quantity,
        mode=here.mode or there.mode,
        filled=max(here.filled, there.filled),
        exchange_order_id=here.exchange_order_id or there.exchange_order_id,
        changed_ns=max(here.changed_ns, there.changed_ns),
    )


def _status(card: OrderCard) -> OrderState:
    state = _either(card.told, card.seen).state
    if state is not OrderState.PENDING:
        return state
    is_refused = card.asked is not None and card.asked.decided.outcome == REFUSED
    return OrderState.REJECTED if is_refused else OrderState.PENDING


def _latency_ms(card: OrderCard) -> Decimal | None:
    if card.asked is None or card.told is None or card.told.acked_ns is None:
        return None
    return Decimal(card.told.acked_ns - card.asked.said.appended_ns) / _NS_PER_MS
