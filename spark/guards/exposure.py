"""
No symbol with more at risk than its cap, over all strategies (spec B5).
"""

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.ledger.exposure import ACCOUNT_SCOPE, worst_case
from spark.ledger.prices import Worth
from spark.ledger.snapshot import Snapshot
from spark.names import Reason


def exposure(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """
    Refuse an order that could take the symbol's exposure past its cap.

    Position, open, in flight and unknown orders count, each at its worst case.

    Units: US dollars.
    """
    if not isinstance(snap.worth, Worth):
        return None
    total = snap.exposure.total(snap.book, ACCOUNT_SCOPE, order.symbol)
    found = worst_case(total, order.side, snap.worth.usd, price_usd=snap.worth.reference_usd)
    if found <= limits.exposure_usd_max:
        return None
    return Refusal(
        code=Reason.EXPOSURE_EXCEEDED,
        found=f"{found} USD",
        limit=f"{limits.exposure_usd_max} USD",
    )
