"""
No symbol with more at risk than its cap, over all strategies (spec B5).
"""

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.guards.verdict import over
from spark.ledger.exposure import worst_case
from spark.ledger.prices import Worth
from spark.ledger.rates import ACCOUNT_SCOPE
from spark.ledger.snapshot import Snapshot
from spark.names import Reason


def exposure(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """
    Refuse an order that could take the symbol's exposure past its cap.

    Position, open, in flight and unknown orders count, each at its worst case; orders that
    others placed on the account count too.

    Units: US dollars.
    """
    if not isinstance(snap.worth, Worth):
        return None
    total = snap.exposure.total(snap.book, ACCOUNT_SCOPE, order.symbol)
    found = worst_case(
        total,
        order.side,
        snap.worth.usd,
        price_usd=snap.worth.reference_usd,
        foreign=snap.standing.foreign_of(order.symbol),
    )
    return over(Reason.EXPOSURE_EXCEEDED, found, limits.exposure_usd_max, unit="USD")
