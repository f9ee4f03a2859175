"""
Nothing old, and nothing that claims to come from the future (spec A11).

Age is counted from the broker's append time, which a strategy does not choose;
the time inside the intent id only has to agree with it (R7, R16).
"""

from typing import Final

from spark.events import Intent, Refusal
from spark.guards.limits import Limits
from spark.ids import created_ms
from spark.ledger.snapshot import Snapshot
from spark.names import Reason

_NS_PER_MS: Final = 1_000_000


def expires_ns(intent: Intent, appended_ns: int, limits: Limits) -> int:
    """Give the end of an intent's life: what it asks for, capped, from its append on."""
    return appended_ns + min(intent.ttl_ns, limits.intent_life_ns_max)


def intent_time(order: Intent, snap: Snapshot, limits: Limits) -> Refusal | None:
    """
    Refuse an id whose time does not agree with the append.

    Ids are remembered for longer than this window, so that a repetition is
    either remembered or refused here.
    """
    made_ms = created_ms(order.intent_id)
    if made_ms is None:
        return Refusal(code=Reason.MALFORMED, found="intent_id")
    ahead_ns = made_ms * _NS_PER_MS - snap.appended_ns
    if ahead_ns > limits.future_ns_max:
        return Refusal(
            code=Reason.INTENT_FROM_THE_FUTURE,
            found=f"{ahead_ns // _NS_PER_MS} ms",
            limit=f"{limits.future_ns_max // _NS_PER_MS} ms",
        )
    if -ahead_ns > limits.intent_life_ns_max:
        return Refusal(
            code=Reason.INTENT_EXPIRED,
            found=f"{-ahead_ns // _NS_PER_MS} ms",
            limit=f"{limits.intent_life_ns_max // _NS_PER_MS} ms",
        )
    return None


def expiry(order: Intent, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse an intent whose life is over by our clock."""
    left_ns = expires_ns(order, snap.appended_ns, limits) - snap.now_ns
    if left_ns > 0:
        return None
    age_ms = (snap.now_ns - snap.appended_ns) // _NS_PER_MS
    life_ms = min(order.ttl_ns, limits.intent_life_ns_max) // _NS_PER_MS
    return Refusal(code=Reason.INTENT_EXPIRED, found=f"{age_ms} ms", limit=f"{life_ms} ms")
