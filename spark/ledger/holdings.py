"""
A position over its trades, one after another: quantity, average price, realised profit. Pure.

For the table of positions, one row for an account, mode, symbol and exchange over all
strategies; whoever needs books and strategies apart folds ledger/positions.py.
"""

from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final

from spark.names import Side

_ZERO: Final = Decimal(0)
_WIDE: Final = Context(prec=200)
#: An average price is kept to this; everything else is exact.
_QUANTUM: Final = Decimal("1e-18")


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held; a negative quantity was sold before it was bought."""

    quantity: Decimal = _ZERO
    #: What one unit of the open quantity traded at; None exactly when there is none.
    average_price: Decimal | None = None
    #: In the quote asset, before commissions.
    realised_pnl: Decimal = _ZERO


def trade(
    holding: Holding, side: Side, *, quantity: Decimal, price: Decimal
) -> tuple[Holding, Decimal | None]:
    """
    Let one trade change a holding.

    Returns: the holding after it, and the profit that it realised; None where it only opens.
    """
    signed = quantity if side is Side.BUY else quantity.copy_negate()
    after = _WIDE.add(holding.quantity, signed)
    average = holding.average_price
    if average is None or (holding.quantity > 0) == (signed > 0):
        held = _ZERO if average is None else _WIDE.multiply(average, holding.quantity)
        worth = _WIDE.add(held, _WIDE.multiply(price, signed))
        mean = _WIDE.divide(worth, after).quantize(_QUANTUM, context=_WIDE)
        return Holding(after, mean, holding.realised_pnl), None
    closed = min(holding.quantity.copy_abs(), quantity)
    gain = _WIDE.subtract(price, average)
    gain = gain if holding.quantity > 0 else gain.copy_negate()
    pnl = _WIDE.multiply(gain, closed)
    if not after:
        average = None
    elif (after > 0) != (holding.quantity > 0):
        # It closed everything and opened the other way.
        average = price
    return Holding(after, average, _WIDE.add(holding.realised_pnl, pnl)), pnl
