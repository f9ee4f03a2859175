"""
How an account stands with its exchange, as the account feed says (spec A9). Pure.

Its opinions count only in the epoch of the last fence before them; foreign orders are
evidence and count always.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from spark.events import (
    AccountDoubted,
    AccountReconciled,
    DifferenceClosed,
    DifferenceFound,
    Event,
    ForeignOrderSeen,
    PartitionFenced,
)
from spark.names import DifferenceRule, Side, VenueOrderState

_ZERO: Final = Decimal(0)
_ALIVE: Final = frozenset({VenueOrderState.OPEN, VenueOrderState.PARTIALLY_FILLED})
#: Foreign orders that are over and traded nothing tell no more; of those alive none is dropped.
_FOREIGN_OVER_MAX: Final = 10_000


@dataclass(slots=True)
class Foreign:
    """An order of somebody else on the account; each field only ever grows or ends."""

    symbol: str
    side: Side
    quantity: Decimal
    filled: Decimal
    is_alive: bool


@dataclass(slots=True)
class Standing:
    """What holds for one account."""

    epoch: int | None = None
    #: Append time of the last comparison, while nothing has cast doubt on it since.
    reconciled_ns: int | None = None
    #: Why it is doubtful; empty while it is not.
    doubt: str = "never reconciled"
    #: By difference: what halts new risk, in words.
    halting: dict[str, str] = field(default_factory=dict)
    #: By the exchange's order id.
    foreign: dict[str, Foreign] = field(default_factory=dict)

    def foreign_of(self, symbol: str) -> tuple[Decimal, Decimal, Decimal]:
        """
        Sum the foreign orders of a symbol.

        Returns: what may still be bought, what may still be sold, and bought less sold, each
            in the base asset.

        """
        buys = sells = position = _ZERO
        for order in self.foreign.values():
            if order.symbol != symbol:
                continue
            left = max(_ZERO, order.quantity - order.filled) if order.is_alive else _ZERO
            if order.side is Side.BUY:
                buys, position = buys + left, position + order.filled
            else:
                sells, position = sells + left, position - order.filled
        return buys, sells, position


def fold_account(standing: Standing, event: Event, offset: int, *, appended_ns: int) -> None:
    """Take in one record of `account.events`; evidence about our own orders is for others."""
    if isinstance(event, PartitionFenced):
        standing.epoch, standing.reconciled_ns = offset, None
        standing.doubt = "the account feed starts"
        return
    if isinstance(event, ForeignOrderSeen):
        _foreign(standing, event)
        return
    if getattr(event, "epoch", None) != standing.epoch:
        return
    match event:
        case AccountDoubted():
            standing.reconciled_ns, standing.doubt = None, event.cause
        case AccountReconciled():
            standing.reconciled_ns, standing.doubt = appended_ns, ""
        case DifferenceFound(rule=DifferenceRule.HALTED):
            about = f"{event.kind} {event.subject}: {event.ours} here, {event.theirs} there"
            standing.halting[event.difference] = about
        case DifferenceClosed():
            standing.halting.pop(event.difference, None)
        case _:
            return


def _foreign(standing: Standing, seen: ForeignOrderSeen) -> None:
    known = standing.foreign.get(seen.exchange_order_id)
    is_alive = seen.state in _ALIVE
    if known is None:
        known = standing.foreign[seen.exchange_order_id] = Foreign(
            seen.symbol, seen.side, seen.quantity, seen.filled, is_alive
        )
    known.filled = max(known.filled, seen.filled)
    known.is_alive = known.is_alive and is_alive
    if len(standing.foreign) > _FOREIGN_OVER_MAX:
        for key in [k for k, one in standing.foreign.items() if not (one.is_alive or one.filled)]:
            del standing.foreign[key]
