"""
What comes out of the guards: approved and refused are different types.
"""

from dataclasses import dataclass

from spark.events import PlaceOrder, Refusal


@dataclass(frozen=True, slots=True)
class Approved:
    """Every guard let it pass; built in evaluate.py alone."""

    order: PlaceOrder


@dataclass(frozen=True, slots=True)
class Refused:
    """At least one guard did not; all reasons, in the order of the policy."""

    reasons: tuple[Refusal, ...]


Verdict = Approved | Refused
