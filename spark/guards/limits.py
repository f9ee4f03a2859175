"""
The limits that guards compare with; one frozen value, its digest part of each decision.
"""

from dataclasses import asdict, dataclass
from decimal import Decimal
from hashlib import sha256

from spark.codec import encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits in force; amounts in the unit that the name ends with."""

    version: int
    intent_life_ns_max: int
    approval_life_ns_max: int
    #: How far an intent's own time may be ahead of its append.
    future_ns_max: int
    instrument_age_ns_max: int
    order_notional_usd_max: Decimal

    def digest(self, policy: tuple[str, ...]) -> str:
        """Digest the limits together with the names of the guards, in order."""
        return sha256(encode({"guards": policy, "limits": asdict(self)})).hexdigest()[:16]
