"""Numbers out of /metrics pages."""

import math

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from spark.embedded.scrape import Distribution, by_label, distribution, parse, total

_NAME = "spark_place_ack_duration_seconds"
_WANTED = {f"{_NAME}_bucket", "lag", "blocks_total"}


def _page(*values: float, mode: str = "live") -> str:
    registry = CollectorRegistry()
    histogram = Histogram(_NAME, "x", ["mode"], buckets=(0.01, 0.02, 0.04), registry=registry)
    for value in values:
        histogram.labels(mode).observe(value)
    return generate_latest(registry).decode()


def test_only_what_is_asked_for_is_read() -> None:
    """
    Comments, other names and broken lines are left alone.
    """
    page = (
        '# HELP lag x\nlag{partition="a/0"} 3\nlag{partition="a/1"} 4.0\nother 1\nlag NaNx\n{{{\n'
    )
    samples = parse(page, {"lag"})
    assert [sample.value for sample in samples] == [3.0, 4.0]
    assert total(samples, "lag") == 7.0
    assert by_label(samples, "lag", "partition") == {"a/0": 3.0, "a/1": 4.0}
    assert total(samples, "missing") is None


@pytest.mark.parametrize(
    "line",
    [
        "lag nan",
        "lag +Inf",
        "lag 1e999",
        'lag{le="x"} 1',
        'lag{le="nan"} 1',
        'lag{le=""} 1',
        "lag",
        "lag one",
    ],
)
def test_what_is_no_number_is_left_alone(line: str) -> None:
    """
    A hostile process cannot end the supervisor that reads its page.
    """
    assert parse(line, {"lag"}) == []


def test_a_label_may_hold_what_separates_labels() -> None:
    """
    A quote, a comma or a brace within a label's value ends nothing.
    """
    (sample,) = parse('lag{a="x\\",}",b="y"} 1', {"lag"})
    assert sample.labels == {"a": 'x\\",}', "b": "y"}


def test_histograms_of_several_processes_and_labels_add_up() -> None:
    """
    One latency is shown for the whole stack.
    """
    samples = parse(_page(0.005, 0.015), _WANTED) + parse(_page(0.03, mode="paper"), _WANTED)
    found = distribution(samples, _NAME)
    assert found.bounds == (0.01, 0.02, 0.04, math.inf)
    assert found.counts == (1.0, 2.0, 3.0, 3.0)


@pytest.mark.parametrize(
    ("share", "seconds"),
    [(0.5, 0.02), (0.25, 0.01), (0.75, 0.03), (1.0, 0.04)],
    ids=["median", "lowest", "within a bucket", "highest"],
)
def test_a_quantile_is_linear_within_its_bucket(share: float, seconds: float) -> None:
    """
    The same rule as Prometheus, so that two screens never disagree.
    """
    found = Distribution((0.01, 0.02, 0.04, math.inf), (1.0, 2.0, 4.0, 4.0))
    assert found.quantile(share) == pytest.approx(seconds)


def test_what_lies_above_all_bounds_is_shown_as_the_highest_bound() -> None:
    """
    A bucket without an upper end has no middle.
    """
    assert Distribution((0.01, math.inf), (0.0, 5.0)).quantile(0.5) == 0.01


def test_nothing_observed_has_no_quantile() -> None:
    """
    Missing data is no zero.
    """
    assert Distribution().quantile(0.5) is None
    assert Distribution((0.01, math.inf), (0.0, 0.0)).quantile(0.5) is None


def test_a_window_is_the_difference_of_two_readings() -> None:
    """
    Quantiles of the last minute do not remember the cold start.
    """
    bounds = (0.01, 0.02, math.inf)
    then, now = Distribution(bounds, (0.0, 9.0, 9.0)), Distribution(bounds, (4.0, 13.0, 13.0))
    assert now.since(then).counts == (4.0, 4.0, 4.0)


def test_a_restarted_process_counts_from_its_new_start() -> None:
    """
    Counters that fell back are not subtracted.
    """
    bounds = (0.01, math.inf)
    now = Distribution(bounds, (1.0, 1.0))
    assert now.since(Distribution(bounds, (5.0, 5.0))) == now
