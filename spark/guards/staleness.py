"""
No order without a price that is fresh and confirmed (spec B9, S8).
"""

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.ledger.snapshot import Snapshot


def price_known(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """
    Refuse an order whose worth no price can tell; ledger/prices.py says why.

    The guards on amounts pass over such an order: this one has refused it.
    """
    del order, limits
    return snap.worth if isinstance(snap.worth, Refusal) else None
