"""
One id, one order (spec A7); and no order twice at once under two ids (B9).
"""

from typing import Final

from spark.events import Intent, OrderApproved, PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.ledger.snapshot import Snapshot, result_key
from spark.names import Reason

_NS_PER_MS: Final = 1_000_000


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


def duplicate_order(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse an order that is the same as one just approved, under another id (spec B9)."""
    before_ns = snap.recent.get(order_key(order))
    if before_ns is None or snap.appended_ns - before_ns >= limits.duplicate_window_ns:
        return None
    return Refusal(
        code=Reason.DUPLICATE_ORDER,
        found=f"{(snap.appended_ns - before_ns) // _NS_PER_MS} ms after the same",
        limit=f"{limits.duplicate_window_ns // _NS_PER_MS} ms",
    )


def order_key(order: PlaceOrder | OrderApproved) -> str:
    """Key what makes two orders of a strategy the same."""
    return (
        f"{order.strategy} {order.symbol} {order.side} {order.order_type} "
        f"{order.quantity} {order.price}"
    )
