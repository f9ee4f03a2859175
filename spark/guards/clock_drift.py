"""
Our clock, the exchange's and the broker's must agree (spec B8, R7).
"""

from typing import Final

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.ledger.snapshot import Snapshot
from spark.names import Reason

_NS_PER_MS: Final = 1_000_000


def clock_drift(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse when the exchange's clock was not looked at lately, or is too far from ours."""
    del order
    clock = snap.clock
    # Old is as good as never, in what is said too (R15: ledger/prices.py says why).
    if clock is None or abs(snap.now_ns - clock.measured_ns) > limits.clock_age_ns_max:
        return Refusal(
            code=Reason.CLOCK_UNKNOWN,
            found="not measured lately",
            limit=f"{limits.clock_age_ns_max // _NS_PER_MS} ms",
        )
    return _too_far(abs(clock.offset_ns) + clock.uncertainty_ns, "exchange", limits)


def append_drift(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse when the broker's append time, which caps are counted on, is ahead of our clock."""
    del order
    return _too_far(snap.appended_ns - snap.now_ns, "broker", limits)


def _too_far(drift_ns: int, whose: str, limits: Limits) -> Refusal | None:
    if drift_ns <= limits.clock_drift_ns_max:
        return None
    return Refusal(
        code=Reason.CLOCK_DRIFT_EXCEEDED,
        found=f"{whose}: {drift_ns // _NS_PER_MS} ms",
        limit=f"{limits.clock_drift_ns_max // _NS_PER_MS} ms",
    )
