"""
No single order worth more than its cap (spec B5).
"""

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.guards.verdict import over
from spark.ledger.prices import Worth
from spark.ledger.snapshot import Snapshot
from spark.names import Reason


def notional(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """
    Refuse an order worth more than its cap.

    Units: US dollars, at the order's worst price (ledger/prices.py).
    """
    del order
    if not isinstance(snap.worth, Worth):
        return None
    most = limits.order_notional_usd_max
    return over(Reason.NOTIONAL_EXCEEDED, snap.worth.usd, most, unit="USD")
