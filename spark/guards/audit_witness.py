"""
In mode live a witness outside this host has lately seen the audit trail (S14).

Only what stands outside the reach of whoever owns this host tells a trail from one that was
written anew. At a simulated exchange without a witness the limit is endless.
"""

from typing import Final

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import ENDLESS_NS, Limits
from spark.ledger.snapshot import Snapshot
from spark.names import Reason, TradingMode

_NS_PER_S: Final = 1_000_000_000


def audit_witnessed(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse a live order without a receipt that is young enough."""
    del order
    age_ns = ENDLESS_NS if snap.receipt_age_ns is None else snap.receipt_age_ns
    if snap.mode is not TradingMode.LIVE or age_ns <= limits.receipt_age_ns_max:
        return None
    return Refusal(
        code=Reason.AUDIT_NOT_WITNESSED,
        # Not how old: after a start nobody knows of one that counts no more (R15).
        found="no receipt so young",
        limit=f"{limits.receipt_age_ns_max // _NS_PER_S} s",
    )
