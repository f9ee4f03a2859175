"""
No more money a second than the cap (spec B3, R7).
"""

from decimal import Decimal
from typing import Final

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.ledger.prices import Worth
from spark.ledger.rates import ACCOUNT_SCOPE
from spark.ledger.snapshot import Snapshot
from spark.names import Reason

_UTRY: Final = Decimal("0.000001")


def notional_rate(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """
    Refuse the order that would take the second's worth past the cap.

    Units: TRY a second, over all strategies, counted on the broker's append time.
    """
    del order
    if not isinstance(snap.worth, Worth):
        return None
    used = snap.rates.worth_in_second(ACCOUNT_SCOPE, snap.appended_ns) * _UTRY
    if used + snap.worth.lira <= limits.notional_try_per_s_max:
        return None
    return Refusal(
        code=Reason.NOTIONAL_RATE_EXCEEDED,
        found=f"{used + snap.worth.lira} TRY/s",
        limit=f"{limits.notional_try_per_s_max} TRY/s",
    )
