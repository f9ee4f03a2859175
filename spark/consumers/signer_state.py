"""
What the signer remembers of one partition, folded record by record. Pure.

From its own output: what was signed, and with which stamp. From evidence: what an exchange
calls an order, and which orders are over.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from spark import topics
from spark.events import (
    ClockMeasured,
    Event,
    OrderAcked,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderResolved,
    RequestNotSent,
    RequestSealed,
)
from spark.ledger.ceilings import OrderRate
from spark.ledger.control import Control
from spark.names import Action, ClientOrderId, Reason, TradingMode
from spark.worker.contract import Place

#: How long a closed order's id stays known; longer than any approval lives.
_MEMORY_NS: Final = 120_000_000_000


@dataclass(slots=True)
class SignerState:
    """What was signed on one account, and what its exchange says."""

    #: Orders signed and not forgotten, with the number of cancels signed for each.
    cancels: dict[ClientOrderId, int] = field(default_factory=dict)
    #: The mode that each of them was signed in: its cancels are signed with the same key.
    modes: dict[ClientOrderId, TradingMode] = field(default_factory=dict)
    #: What the exchange calls them, for one that cancels by its own id only.
    exchange_ids: dict[ClientOrderId, str] = field(default_factory=dict)
    #: Ids whose order is over, with when, to forget them by.
    over: deque[tuple[int, ClientOrderId]] = field(default_factory=deque)
    #: By venue.
    clocks: dict[str, ClockMeasured] = field(default_factory=dict)
    #: The highest stamp that the trade key signed (R12).
    stamped_ns: int = 0
    rate: OrderRate = field(default_factory=OrderRate)
    #: What people and protections have said.
    control: Control = field(default_factory=Control)


def fold_signer(state: SignerState, place: Place, event: Event) -> None:
    """Take in a request of our own, an order's name or end, or an exchange's clock."""
    match event:
        case ClockMeasured():
            state.clocks[event.venue] = event
        case RequestSealed():
            _sealed(state, event)
        case OrderAcked() if event.client_order_id in state.cancels:
            state.exchange_ids.setdefault(event.client_order_id, event.exchange_order_id)
        case RequestNotSent() if not _ends_its_order(event):
            return
        case (
            OrderCancelled() | OrderExpired() | OrderRejected() | RequestNotSent()
            | OrderResolved()
        ):  # fmt: skip
            _over(state, place, event.client_order_id)
        case OrderFilled() if event.cumulative >= event.order_quantity:
            _over(state, place, event.client_order_id)
        case _:
            return


def _sealed(state: SignerState, event: RequestSealed) -> None:
    state.stamped_ns = max(state.stamped_ns, event.stamped_ns)
    if event.action is Action.PLACE:
        state.cancels.setdefault(event.client_order_id, 0)
        state.modes.setdefault(event.client_order_id, event.mode)
        state.rate.count(event.signed_ns)
    elif event.client_order_id in state.cancels:
        state.cancels[event.client_order_id] += 1


def _ends_its_order(event: RequestNotSent) -> bool:
    """Tell whether the order that the id names ended: not with a cancel, nor with a duplicate."""
    codes = {refusal.code for refusal in event.reasons}
    return event.action is Action.PLACE and Reason.DUPLICATE_CLAIM not in codes


def _over(state: SignerState, place: Place, order: ClientOrderId) -> None:
    state.over.append((place.appended_ns, order))
    if place.topic != topics.EVENTS:
        # Only one topic's time forgets: between two there is no order.
        return
    while state.over and state.over[0][0] < place.appended_ns - _MEMORY_NS:
        _, key = state.over.popleft()
        state.cancels.pop(key, None)
        state.modes.pop(key, None)
        state.exchange_ids.pop(key, None)
