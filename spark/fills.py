"""
What an order trades, given what is on offer: one logic for every simulated fill. Pure.

The exchange simulator, paper trading and the backtest fill by it. An incoming order
walks the other side from the best price on, each part at the price that stood there.
What rests is filled carefully: only when the market trades through its price, or at
its price after everything that stood there before it has traded.
Source: runbook/decisions/0011-paper-fills.md
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Final, Generic, NamedTuple, TypeVar

from spark.names import Side, TimeInForce

ZERO: Final = Decimal(0)
#: Steps of a fee, in the asset that it is taken from.
FEE_STEP: Final = Decimal("0.00000001")

_M = TypeVar("_M")


class Offer(NamedTuple, Generic[_M]):
    """Something to trade with: a resting order, or all that stands at one price."""

    price: Decimal
    quantity: Decimal
    #: Whose it is; handed back with what was taken of it.
    maker: _M


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An incoming order, already through the venue's own rules."""

    side: Side
    #: None takes any price, and never rests.
    price: Decimal | None
    #: In the base asset; None where `quote_quantity` says how much to spend.
    quantity: Decimal | None
    quote_quantity: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC


class Ending(StrEnum):
    """What becomes of an order after it met the book."""

    FILLED = "filled"
    RESTS = "rests"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Meeting(Generic[_M]):
    """What an incoming order does at once."""

    #: The order's quantity: as asked, or what its quote quantity buys.
    quantity: Decimal
    #: What it takes, in the order in which it happens; the sum is never more than `quantity`.
    parts: tuple[Offer[_M], ...]
    ending: Ending

    @property
    def executed(self) -> Decimal:
        """Sum what is taken."""
        return sum((part.quantity for part in self.parts), ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resting:
    """The part of an order that waits at its price."""

    side: Side
    price: Decimal
    left: Decimal
    #: What stood at this price before it and has not traded yet.
    ahead: Decimal


class Print(NamedTuple):
    """A public trade."""

    price: Decimal
    quantity: Decimal
    #: Whether the resting side was a bid: then a seller came to it.
    is_bid_hit: bool


def meet(wanted: Wanted, offers: Iterable[Offer[_M]], *, step: Decimal = ZERO) -> Meeting[_M]:
    """
    Let an incoming order meet what is on offer.

    Args:
        wanted: the order.
        offers: the other side, best price first, within a price in order of arrival.
        step: steps of quantity, to which a quote quantity is rounded down; 0 for none.

    """
    acceptable = _acceptable(wanted, offers)
    if wanted.quantity is None:
        parts = tuple(_spend(wanted, acceptable, step))
        quantity = sum((part.quantity for part in parts), ZERO)
        return Meeting(quantity, parts, Ending.FILLED if parts else Ending.EXPIRED)
    parts = tuple(_fill(wanted.quantity, acceptable))
    met = Meeting(wanted.quantity, parts, Ending.FILLED)
    if met.executed == wanted.quantity:
        return met
    if wanted.time_in_force is TimeInForce.FOK:
        return Meeting(wanted.quantity, (), Ending.EXPIRED)
    is_over = wanted.price is None or wanted.time_in_force is TimeInForce.IOC
    return replace(met, ending=Ending.EXPIRED if is_over else Ending.RESTS)


def crosses(wanted: Wanted, best: Decimal | None) -> bool:
    """Tell whether an order would trade at once with the other side's best price."""
    return best is not None and _is_acceptable(wanted, best)


def pressed(resting: Resting, offers: Iterable[Offer[_M]]) -> tuple[Resting, tuple[Offer[_M], ...]]:
    """
    Fill what rests when the book has moved through its price.

    Offers at its own price fill nothing: who stood there before it would trade first.

    Args:
        resting: the waiting part.
        offers: the other side, best price first.

    Returns: what is left, and what of the offers was used up. The order trades at its
        own price, never at the offers' better one.

    """
    beyond = _while_through(resting, offers)
    parts = tuple(_fill(resting.left, beyond))
    filled = sum((part.quantity for part in parts), ZERO)
    if not filled:
        return resting, ()
    return replace(resting, left=resting.left - filled, ahead=ZERO), parts


def printed(resting: Resting, trade: Print) -> tuple[Resting, Decimal]:
    """
    Fill what rests from a public trade.

    Returns: what is left, and how much was filled, at the order's own price. Never
        more than the trade, so that a small trade fills no large order.

    """
    if _is_through(resting, trade.price):
        filled = min(resting.left, trade.quantity)
        # Whoever stood before it at its price would have traded first.
        return replace(resting, left=resting.left - filled, ahead=ZERO), filled
    is_ours = trade.is_bid_hit is (resting.side is Side.BUY)
    if trade.price != resting.price or not is_ours:
        return resting, ZERO
    reached = max(ZERO, trade.quantity - resting.ahead)
    filled = min(resting.left, reached)
    ahead = max(ZERO, resting.ahead - trade.quantity)
    return replace(resting, left=resting.left - filled, ahead=ahead), filled


def fee(side: Side, price: Decimal, quantity: Decimal, *, rate: Decimal) -> Decimal:
    """
    Work out a fill's fee, taken from what the order receives: base for a buy, quote for a sell.

    Args:
        side: the order's.
        price: of the fill.
        quantity: of the fill, in the base asset.
        rate: a fraction, 0.001 for 10 basis points.

    """
    received = quantity if side is Side.BUY else price * quantity
    return (received * rate).quantize(FEE_STEP, ROUND_DOWN)


def opposite(side: Side) -> Side:
    """Return the other side."""
    return Side.SELL if side is Side.BUY else Side.BUY


def _fill(quantity: Decimal, offers: Iterable[Offer[_M]]) -> Iterator[Offer[_M]]:
    left = quantity
    if left <= ZERO:
        return
    for offer in offers:
        taken = min(left, offer.quantity)
        if taken > ZERO:
            yield offer._replace(quantity=taken)
        left -= taken
        if left == ZERO:
            return


def _spend(wanted: Wanted, offers: Iterable[Offer[_M]], step: Decimal) -> Iterator[Offer[_M]]:
    left = wanted.quote_quantity
    assert left is not None, "an order names a quantity or a quote quantity"
    for offer in offers:
        affordable = left / offer.price
        if step:
            affordable = (affordable / step).to_integral_value(ROUND_DOWN) * step
        taken = min(affordable, offer.quantity)
        if taken == ZERO:
            return
        yield offer._replace(quantity=taken)
        if taken < offer.quantity:
            # What is left buys no step here; a worse price that it could pay is not asked.
            return
        left -= taken * offer.price


def _acceptable(wanted: Wanted, offers: Iterable[Offer[_M]]) -> Iterator[Offer[_M]]:
    for offer in offers:
        if not _is_acceptable(wanted, offer.price):
            return
        yield offer


def _is_acceptable(wanted: Wanted, price: Decimal) -> bool:
    if wanted.price is None:
        return True
    return price <= wanted.price if wanted.side is Side.BUY else price >= wanted.price


def _while_through(resting: Resting, offers: Iterable[Offer[_M]]) -> Iterator[Offer[_M]]:
    for offer in offers:
        if not _is_through(resting, offer.price):
            return
        yield offer


def _is_through(resting: Resting, price: Decimal) -> bool:
    return price < resting.price if resting.side is Side.BUY else price > resting.price
