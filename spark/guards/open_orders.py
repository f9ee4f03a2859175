"""
No more open orders than the cap (spec B9).
"""

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.guards.verdict import over
from spark.ledger.rates import ACCOUNT_SCOPE
from spark.ledger.snapshot import Snapshot
from spark.names import Reason


def open_orders(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse one order too many that may still trade: in flight, open or unknown."""
    del order
    found = snap.exposure.open_orders(snap.book, ACCOUNT_SCOPE) + 1
    return over(Reason.OPEN_ORDERS_EXCEEDED, found, limits.open_orders_max)
