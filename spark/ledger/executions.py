"""
Which part of an order a fill tells for the first time. Pure.

A fill covers a stretch of its order: from what was filled before it to what was filled
after. An execution may be told twice, out of order, or once more as an average over
several; what counts is only the stretch that no earlier record covered (R4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final

from spark.events import OrderFilled

_ZERO: Final = Decimal(0)
_WIDE: Final = Context(prec=200)
#: Places after the point that a price is kept with where it follows from others.
_QUANTUM: Final = Decimal("1e-18")


@dataclass(frozen=True, slots=True)
class Execution:
    """A stretch of an order that traded; its end is `cumulative`."""

    cumulative: Decimal
    quantity: Decimal
    price: Decimal
    #: Empty where the venue gave none.
    trade_id: str

    @property
    def start(self) -> Decimal:
        """Give what was filled before it."""
        return _WIDE.subtract(self.cumulative, self.quantity)


def uncovered(known: Sequence[Execution], fill: OrderFilled) -> tuple[Execution, ...]:
    """
    Cut out of a fill what earlier ones left open.

    Args:
        known: what was cut out of the earlier fills of the same order.

    Returns: stretches that cover nothing twice; empty where the fill is a repetition. Their
        price makes the worth of the whole fill come out, if that is possible at all.

    """
    if fill.trade_id and any(one.trade_id == fill.trade_id for one in known):
        return ()
    start, end = max(_ZERO, _less(fill.cumulative, fill.quantity)), fill.cumulative
    gaps: list[tuple[Decimal, Decimal]] = []
    worth = _WIDE.multiply(_less(end, start), fill.price)
    at = start
    for one in sorted(known, key=lambda one: one.cumulative):
        low, high = max(start, one.start), min(end, one.cumulative)
        if low >= high:
            continue
        worth = _less(worth, _WIDE.multiply(_less(high, low), one.price))
        if at < low:
            gaps.append((at, low))
        at = max(at, high)
    if at < end:
        gaps.append((at, end))
    price = fill.price if gaps == [(start, end)] else _price(worth, gaps, fill)
    return tuple(Execution(high, _less(high, low), price, fill.trade_id) for low, high in gaps)


def _price(worth: Decimal, gaps: Sequence[tuple[Decimal, Decimal]], fill: OrderFilled) -> Decimal:
    quantity = _ZERO
    for low, high in gaps:
        quantity = _WIDE.add(quantity, _less(high, low))
    if worth <= 0 or quantity <= 0:
        # The records contradict each other; the fill's own price is the best word left.
        return fill.price
    return _WIDE.divide(worth, quantity).quantize(_QUANTUM, context=_WIDE)


def _less(one: Decimal, other: Decimal) -> Decimal:
    return _WIDE.subtract(one, other)
