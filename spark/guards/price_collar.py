"""
No limit price far from the market, on either side (spec B9).
"""

from decimal import Decimal
from typing import Final

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.ledger.prices import Worth
from spark.ledger.snapshot import Snapshot
from spark.names import Reason

_HUNDRED: Final = Decimal(100)


def price_collar(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse a limit price further from the reference than the collar; a market order has none."""
    if order.price is None or not isinstance(snap.worth, Worth):
        return None
    reference = snap.worth.reference
    if abs(order.price - reference) * _HUNDRED <= limits.price_collar_pct_max * reference:
        return None
    return Refusal(
        code=Reason.PRICE_COLLAR_EXCEEDED,
        found=f"{order.price} against {reference}",
        limit=f"{limits.price_collar_pct_max} %",
    )
