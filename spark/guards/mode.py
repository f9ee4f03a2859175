"""
Only a mode that sends may approve what will be sent (spec B1).
"""

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.ledger.snapshot import Snapshot
from spark.names import Reason, TradingMode


def mode(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse unless the mode is live; the stricter modes have no path of their own yet."""
    del order, limits
    if snap.mode is TradingMode.LIVE:
        return None
    return Refusal(code=Reason.MODE_FORBIDS, found=snap.mode, limit=TradingMode.LIVE)
