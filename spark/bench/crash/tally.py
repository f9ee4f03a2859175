"""
What a drill counted: hurts, what became of them and of orders, how long restarts took. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from spark.bench.crash.fates import Fate
from spark.names import Role

#: Counts of the jury's verdict; all should be nothing.
COUNTS: Final = (
    "lost", "duplicated", "unapproved", "limit_breaches", "unsettled", "audit_gaps",
    "exposure_differing", "tables_differing",
)  # fmt: skip


@dataclass(slots=True)
class Row:
    """One fault at one place."""

    times: int = 0
    kills: int = 0
    missed: int = 0
    fates: Counter[Fate] = field(default_factory=Counter)
    restart_ms: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """Sums over all rounds and stacks."""

    seed: int
    rounds: int = 0
    intents: int = 0
    orders: int = 0
    fills: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    #: By fault and place.
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    #: By process; of those that ended together with all others, under that name.
    restart_ms: dict[str, list[float]] = field(default_factory=dict)
    #: Hurts that this machine cannot do, with the reason.
    skipped: dict[str, str] = field(default_factory=dict)
    #: Hurts that were meant to be and did not happen, the last reason of each.
    missed: dict[str, str] = field(default_factory=dict)
    #: In words: what kept a stack from serving again, what the jury named.
    failures: list[str] = field(default_factory=list)
    protections: Counter[str] = field(default_factory=Counter)
    resolved_by_persons: int = 0
    blows: int = 0

    @property
    def is_clean(self) -> bool:
        """Tell whether there is nothing to explain."""
        return not self.failures and not any(self.counts.values())

    def row(self, fault: str, place: str) -> Row:
        """Give the row of a fault and a place."""
        return self.rows.setdefault((fault, place), Row())

    def stage_restarts(self) -> list[float]:
        """List the restarts of processes that ended alone, or two at once, milliseconds."""
        stages = {role.value for role in Role}
        return [one for name, found in self.restart_ms.items() if name in stages for one in found]

    def result(self) -> dict[str, object]:
        """Give the object that `--json` prints."""
        return {
            "rounds": self.rounds,
            "kills": dict(sorted(self.kills.items())) | {"total": self.kills.total()},
            "intents": self.intents,
            **{name: self.counts[name] for name in COUNTS},
            "restart_ms": figures(self.stage_restarts()),
            "restart_ms_by_role": {
                name: figures(found) for name, found in sorted(self.restart_ms.items())
            },
            "orders": self.orders,
            "fills": self.fills,
            "hurts": sum(row.times for row in self.rows.values()),
            "missed": dict(sorted(self.missed.items())),
            "skipped": dict(sorted(self.skipped.items())),
            "protections": dict(sorted(self.protections.items())),
            "resolved_by_persons": self.resolved_by_persons,
            "exchange_faults": self.blows,
            "failures": self.failures,
            "seed": self.seed,
        }


def figures(values: Sequence[float]) -> dict[str, float]:
    """Give the middle and the 99th of a hundred; nothing of nothing."""
    if not values:
        return {}
    ordered = sorted(values)
    last = len(ordered) - 1
    return {
        name: round(ordered[min(last, int(part * len(ordered)))])
        for name, part in (("p50", 0.5), ("p99", 0.99))
    }


def merged(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Add counts up."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return total
