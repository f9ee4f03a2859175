"""
One id, one order (spec A7).
"""

from spark.events import Intent, Refusal
from spark.guards.limits import Limits
from spark.ledger.snapshot import Snapshot, result_key
from spark.names import Reason


def duplicate_id(order: Intent, snap: Snapshot, limits: Limits) -> Refusal | None:
    """
    Refuse an intent id that was seen before, pointing at its first result.

    The same id with other content is an error of its own.
    """
    del limits
    first = snap.first_results.get(result_key(order.strategy, order.intent_id))
    if first is None:
        return None
    is_same = first.digest == snap.intent_digest
    code = Reason.DUPLICATE_INTENT if is_same else Reason.INTENT_ID_REUSED
    return Refusal(code=code, found=f"first seen at {first.seq}")
