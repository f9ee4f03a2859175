"""
No more orders a minute than the cap, at the exchange's own ledger (spec B3, R7).
"""

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.guards.verdict import over
from spark.ledger.rates import ACCOUNT_SCOPE
from spark.ledger.snapshot import Snapshot
from spark.names import Reason


def order_rate(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """
    Refuse the order that would be one too many within a minute.

    Units: orders a minute, over all strategies, counted on the broker's append time.
    """
    del order
    found = snap.rates.orders_in_minute(ACCOUNT_SCOPE, snap.appended_ns) + 1
    return over(Reason.ORDER_RATE_EXCEEDED, found, limits.orders_per_minute_max, unit="a minute")
