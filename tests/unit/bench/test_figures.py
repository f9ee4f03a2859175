"""Figures out of samples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.bench.figures import Quantiles, Stall, median_of, outside_stalls, quantiles


def test_percentiles_count_weights() -> None:
    """A sample of a thousand rows counts a thousand times."""
    found = quantiles([(1.0, 900), (2.0, 60), (3.0, 35), (9.0, 5)])

    assert found == Quantiles(p50=1.0, p95=2.0, p99=3.0, max=9.0)


def test_nothing_has_no_percentiles() -> None:
    """Without a sample there is no figure, and no zero either."""
    assert quantiles([]) is None


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(1, 50)), min_size=1, max_size=60))
def test_percentiles_are_those_of_single_samples(samples: list[tuple[float, int]]) -> None:
    """Weights are a shorter way to write the same list."""
    single = [(value, 1) for value, weight in samples for _ in range(weight)]

    found = quantiles(samples)

    assert found == quantiles(single)
    assert found is not None
    assert found.p50 <= found.p95 <= found.p99 <= found.max


@pytest.mark.parametrize(
    ("sample", "is_kept"),
    [
        ((10, 19, 1), True),
        ((10, 20, 1), False),
        ((22, 24, 1), False),
        ((10, 99, 1), False),
        ((30, 31, 1), False),
        ((31, 40, 1), True),
    ],
)
def test_a_sample_that_touches_a_stall_is_left_out(
    sample: tuple[int, int, int], is_kept: bool
) -> None:
    """Stall-free figures hold only what was measured while the machine ran."""
    stalls = [Stall(200, 300), Stall(20, 30)]

    assert outside_stalls([sample], stalls) == ([sample] if is_kept else [])


def test_medians_are_taken_over_runs() -> None:
    """One bad run does not move the median; the worst value is shown all the same."""
    runs = [Quantiles(1, 2, 3, 4), Quantiles(2, 3, 4, 100), Quantiles(9, 9, 9, 9)]

    assert median_of(runs) == Quantiles(2, 3, 4, 100)
