"""
Nothing trades when it cannot be audited (spec A5, B9).
"""

from typing import Final

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.ledger.snapshot import Snapshot
from spark.names import Reason

_NS_PER_MS: Final = 1_000_000


def audit_lag(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse when the auditor is further behind than its limit, or not heard of."""
    del order
    lag_ns = snap.audit_lag_ns
    if lag_ns is not None and lag_ns <= limits.audit_lag_ns_max:
        return None
    return Refusal(
        code=Reason.AUDIT_LAG_EXCEEDED,
        found="no auditor" if lag_ns is None else f"{lag_ns // _NS_PER_MS} ms",
        limit=f"{limits.audit_lag_ns_max // _NS_PER_MS} ms",
    )
