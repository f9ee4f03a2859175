"""
What automatic protection judges by, and what it finds. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from spark.events import ClockMeasured, DifferenceFound
from spark.ledger.control_state import Control
from spark.ledger.health import Health, Sums, sums
from spark.names import AccountId


class Rule(StrEnum):
    """The reactions, in their order."""

    NONCE = "nonce"
    RATE_LIMIT = "rate_limit"
    PLACE_ACK = "place_ack"
    NONCE_LASTS = "nonce_lasts"
    ERROR_BUDGET = "error_budget"
    LATE_FILL = "late_fill"
    OVERFILL = "overfill"
    DISAGREEMENT = "disagreement"
    KEY_REFUSED = "key_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What people set."""

    #: Part of requests refused for their time or nonce.
    nonce_part_max: Decimal
    #: Rate-limit answers a second.
    limited_per_s_max: Decimal
    #: Part of an hour's requests that may fail (H1).
    error_part_max: Decimal = Decimal("0.005")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A reaction that is due."""

    rule: Rule
    account: AccountId
    reason: str
    evidence: dict[str, str]
    #: Kill everything and put the account on paper; else a demotion alone.
    is_kill: bool = False
    orders_per_minute_max: int | None = None
    concurrency_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that a rule may look at."""

    account: AccountId
    health: Health
    control: Control
    thresholds: Thresholds
    #: The venue's clock as last measured.
    clock: ClockMeasured | None
    now_ns: int
    #: What log and exchange differ in, as the account feed holds it open.
    differences: Sequence[DifferenceFound] = ()
    #: Where a rule's own last resume moved the beginning of its window to.
    since_ns: dict[Rule, int] = field(default_factory=dict)

    def window(self, rule: Rule, length_ns: int) -> Sums:
        """Add up a rule's window, as far as it is after its last resume."""
        after_ns = max(self.now_ns - length_ns, self.since_ns.get(rule, 0))
        return sums(self.health, after_ns=after_ns, now_ns=self.now_ns)
