"""
A histogram that counts many rows of one age at a time.

The client library observes one value a call, which for rows of one socket read
costs more than writing them.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import inf

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class RowHistogram(Collector):
    """One labelled histogram on a registry."""

    def __init__(
        self,
        name: str,
        meaning: str,
        label: str,
        *,
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name = name
        self._meaning = meaning
        self._label = label
        self._bounds = tuple(bounds)
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        registry.register(self)

    def observe(self, label: str, value: float, rows: int) -> None:
        """Count `rows` rows of one value."""
        counts = self._counts.get(label)
        if counts is None:
            counts = self._counts[label] = [0] * (len(self._bounds) + 1)
            self._sums[label] = 0.0
        counts[bisect_left(self._bounds, value)] += rows
        self._sums[label] += value * rows

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """Name the metric without its values."""
        yield HistogramMetricFamily(self._name, self._meaning, labels=[self._label])

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Give the values of now."""
        family = HistogramMetricFamily(self._name, self._meaning, labels=[self._label])
        for label, counts in self._counts.items():
            texts = [_bound_text(bound) for bound in (*self._bounds, inf)]
            buckets = list(zip(texts, map(float, accumulate(counts)), strict=True))
            family.add_metric([label], buckets=buckets, sum_value=self._sums[label])
        yield family


def _bound_text(bound: float) -> str:
    return "+Inf" if bound == inf else repr(float(bound))
