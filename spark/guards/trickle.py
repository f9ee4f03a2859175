"""
Trickle trades listed symbols in tiny orders (spec B1, B4).

Paper and shadow approve like live: what is done with the order differs behind them, and
the mode is part of the approval.
"""

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.guards.verdict import over
from spark.ledger.prices import Worth
from spark.ledger.snapshot import Snapshot
from spark.names import Reason, TradingMode


def trickle_symbol(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse a symbol that is not on the list, in mode trickle."""
    if snap.mode is not TradingMode.TRICKLE or order.symbol in limits.trickle_symbols:
        return None
    return Refusal(
        code=Reason.TRICKLE_SYMBOL_FORBIDDEN,
        found=order.symbol,
        limit=",".join(sorted(limits.trickle_symbols)),
    )


def trickle_notional(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse an order worth more than a trickle, in mode trickle."""
    del order
    if snap.mode is not TradingMode.TRICKLE or not isinstance(snap.worth, Worth):
        return None
    most = limits.trickle_order_try_max
    return over(Reason.TRICKLE_NOTIONAL_EXCEEDED, snap.worth.lira, most, unit="TRY")
