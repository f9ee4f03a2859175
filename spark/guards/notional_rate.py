"""
No more money a second than the cap (spec B3, R7).
"""

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.guards.verdict import over
from spark.ledger.prices import Worth
from spark.ledger.rates import ACCOUNT_SCOPE
from spark.ledger.snapshot import Snapshot
from spark.names import Reason


def notional_rate(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """
    Refuse the order that would take the second's worth past the cap.

    Units: TRY a second, over all strategies, counted on the broker's append time.
    """
    del order
    if not isinstance(snap.worth, Worth):
        return None
    found = snap.rates.lira_in_second(ACCOUNT_SCOPE, snap.appended_ns) + snap.worth.lira
    most = limits.notional_try_per_s_max
    return over(Reason.NOTIONAL_RATE_EXCEEDED, found, most, unit="TRY/s")
