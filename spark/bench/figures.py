"""
Figures out of samples: percentiles by weight, stalls taken out, medians of runs. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of one measurement, in its own unit."""

    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Stall:
    """A time in which the machine ran nobody: wall clock, ns."""

    start_ns: int
    end_ns: int


def quantiles(samples: Iterable[tuple[float, int]]) -> Quantiles | None:
    """
    Order samples and read off percentiles.

    Args:
        samples: value and how many times it counts.

    Returns: None where there is no sample.
    """
    ordered = sorted(samples)
    total = sum(weight for _, weight in ordered)
    if total == 0:
        return None
    found: list[float] = []
    seen, wanted = 0, [0.50, 0.95, 0.99]
    for value, weight in ordered:
        seen += weight
        while wanted and seen >= wanted[0] * total:
            found.append(value)
            wanted.pop(0)
    p50, p95, p99 = found
    return Quantiles(p50, p95, p99, ordered[-1][0])


def outside_stalls(
    samples: Iterable[tuple[int, int, int]], stalls: Sequence[Stall]
) -> list[tuple[int, int, int]]:
    """
    Keep the samples whose time from start to end touches no stall.

    Args:
        samples: start, end, and how many times it counts.

    """
    kept = []
    ordered = sorted(stalls, key=lambda stall: stall.start_ns)
    at = 0
    for start_ns, end_ns, weight in sorted(samples):
        while at < len(ordered) and ordered[at].end_ns < start_ns:
            at += 1
        if at == len(ordered) or ordered[at].start_ns > end_ns:
            kept.append((start_ns, end_ns, weight))
    return kept


def median_of(runs: Sequence[Quantiles]) -> Quantiles:
    """Take the median of each percentile over runs; of the maximum, the largest."""
    return Quantiles(
        p50=median(run.p50 for run in runs),
        p95=median(run.p95 for run in runs),
        p99=median(run.p99 for run in runs),
        max=max(run.max for run in runs),
    )
