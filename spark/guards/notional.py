"""
No single order worth more than its cap (spec B5).
"""

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.ledger.prices import Worth
from spark.ledger.snapshot import Snapshot
from spark.names import Reason


def notional(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """
    Refuse an order worth more than its cap.

    Units: US dollars, at the order's worst price (ledger/prices.py).
    """
    del order
    if not isinstance(snap.worth, Worth) or snap.worth.usd <= limits.order_notional_usd_max:
        return None
    return Refusal(
        code=Reason.NOTIONAL_EXCEEDED,
        found=f"{snap.worth.usd} USD",
        limit=f"{limits.order_notional_usd_max} USD",
    )
