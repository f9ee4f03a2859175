"""
Nothing new on an account that was not compared with its exchange (spec A9, B9).

On paper nothing is sent, so there is nothing to compare.
"""

from typing import Final

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.ledger.snapshot import Snapshot
from spark.names import Book, Reason

_NS_PER_MS: Final = 1_000_000


def account_reconciled(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse before the first comparison, after a doubt, and when the last one is too old."""
    del order
    if snap.book is Book.PAPER:
        return None
    standing, most_ns = snap.standing, limits.reconciled_age_ns_max
    if standing.reconciled_ns is None:
        return Refusal(code=Reason.ACCOUNT_NOT_RECONCILED, found=standing.doubt)
    age_ns = snap.appended_ns - standing.reconciled_ns
    if age_ns <= most_ns:
        return None
    return Refusal(
        code=Reason.ACCOUNT_NOT_RECONCILED,
        found=f"{age_ns // _NS_PER_MS} ms ago",
        limit=f"{most_ns // _NS_PER_MS} ms",
    )


def no_difference(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse while log and exchange differ in what is held."""
    del order, limits
    if snap.book is Book.PAPER or not snap.standing.halting:
        return None
    found = "; ".join(list(snap.standing.halting.values())[:3])
    return Refusal(code=Reason.POSITION_DIFFERENCE, found=found)
