"""
What comes out of the guards: approved and refused are different types.
"""

from dataclasses import dataclass
from decimal import Decimal

from spark.events import PlaceOrder, Refusal
from spark.names import Reason


@dataclass(frozen=True, slots=True)
class Approved:
    """Every guard let it pass; built in evaluate.py alone."""

    order: PlaceOrder


@dataclass(frozen=True, slots=True)
class Refused:
    """At least one guard did not; all reasons, in the order of the policy."""

    reasons: tuple[Refusal, ...]


Verdict = Approved | Refused


def over(
    code: Reason, found: Decimal | int, most: Decimal | int | None, *, unit: str = ""
) -> Refusal | None:
    """Refuse what is above its cap; None caps nothing."""
    if most is None or found <= most:
        return None
    return Refusal(code=code, found=f"{found} {unit}".rstrip(), limit=f"{most} {unit}".rstrip())
