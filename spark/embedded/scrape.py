"""
Numbers out of /metrics pages: pure, and only of the names that are asked for.

Percentiles come from the same buckets that Prometheus reads, by the same rule, so
that the screen and a dashboard show the same number.
"""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_SAMPLE: Final = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of a page."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram: how many observations were at most each bound, bounds rising to infinity."""

    bounds: tuple[float, ...] = ()
    counts: tuple[float, ...] = ()

    @property
    def count(self) -> int:
        """How many observations there are."""
        return int(self.counts[-1]) if self.counts else 0

    def since(self, earlier: "Distribution") -> "Distribution":
        """Give what came after an earlier reading; all of it where a process began anew."""
        if earlier.bounds != self.bounds or earlier.count > self.count:
            return self
        pairs = zip(self.counts, earlier.counts, strict=True)
        return Distribution(self.bounds, tuple(max(0.0, now - then) for now, then in pairs))

    def quantile(self, share: float) -> float | None:
        """
        Estimate a quantile as Prometheus does, linearly within its bucket.

        Returns: None without observations; the highest bound for what lies above it.
        """
        if self.count == 0:
            return None
        wanted = share * self.counts[-1]
        below, floor = 0.0, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=True):
            if count >= wanted and count > below:
                if math.isinf(bound):
                    return floor
                return floor + (bound - floor) * (wanted - below) / (count - below)
            below, floor = count, bound if not math.isinf(bound) else floor
        return floor


def parse(page: str, names: Collection[str]) -> list[Sample]:
    """Read the samples with these names; whatever else stands there is left alone."""
    found = []
    for line in page.splitlines():
        match = None if line.startswith("#") else _SAMPLE.match(line)
        if match is None or match["name"] not in names:
            continue
        labels = dict(_LABEL.findall(match["labels"] or ""))
        value, bound = _number(match["value"]), _number(labels.get("le", "0"))
        # A role that serves nonsense must not end whoever reads it.
        if value is not None and math.isfinite(value) and bound is not None:
            found.append(Sample(match["name"], labels, value))
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isnan(value) else value


def distribution(samples: Iterable[Sample], name: str) -> Distribution:
    """Add up a histogram over all its labels and processes."""
    buckets: dict[float, float] = {}
    for sample in samples:
        if sample.name == f"{name}_bucket" and "le" in sample.labels:
            bound = float(sample.labels["le"])
            buckets[bound] = buckets.get(bound, 0.0) + sample.value
    bounds = tuple(sorted(buckets))
    return Distribution(bounds, tuple(buckets[bound] for bound in bounds))


def total(samples: Iterable[Sample], name: str) -> float | None:
    """
    Add up a counter or gauge over all its labels and processes.

    Returns: None when no process has it.
    """
    values = [sample.value for sample in samples if sample.name == name]
    return sum(values) if values else None


def by_label(samples: Iterable[Sample], name: str, label: str) -> dict[str, float]:
    """Add up a counter or gauge for each value of one label."""
    found: dict[str, float] = {}
    for sample in samples:
        if sample.name == name and label in sample.labels:
            key = sample.labels[label]
            found[key] = found.get(key, 0.0) + sample.value
    return found
