"""
Approve only for a gateway that is there, and around what is unsettled (R11).
"""

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.ledger.snapshot import Snapshot
from spark.names import Reason


def gateway_ready(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse unless the gateway of the latest fence has said that it is ready."""
    del order, limits
    ready, fenced = snap.gateway_ready_epoch, snap.gateway_fenced_epoch
    if ready is not None and ready == fenced:
        return None
    return Refusal(code=Reason.GATEWAY_NOT_READY, found=str(ready), limit=str(fenced))


def no_unknown_outcome(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse new risk on a symbol with an unsettled unknown; other symbols go on."""
    del limits
    if order.symbol not in snap.unknown_symbols:
        return None
    return Refusal(code=Reason.UNKNOWN_OUTCOME_OPEN, found=order.symbol)
