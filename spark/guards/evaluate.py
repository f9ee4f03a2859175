"""
Ask every guard; the one place where an order becomes Approved.
"""

from spark.events import PlaceOrder
from spark.guards import POLICY
from spark.guards.limits import Limits
from spark.guards.verdict import Approved, Refused, Verdict
from spark.ledger.snapshot import Snapshot


def evaluate(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Verdict:
    """Run the whole policy without a short cut: the audit sees every reason (spec A2)."""
    reasons = tuple(
        refusal for guard in POLICY if (refusal := guard(order, snap, limits)) is not None
    )
    return Refused(reasons) if reasons else Approved(order)
