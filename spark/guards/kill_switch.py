"""
Nothing new while any kill is in force (spec B2).
"""

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.ledger.control_state import named
from spark.ledger.snapshot import Snapshot
from spark.names import Reason


def kill_switch(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse every new order while halted, naming the kills."""
    del order, limits
    if not snap.halts:
        return None
    return Refusal(code=Reason.KILL_SWITCH_ACTIVE, found=named(snap.halts))
