"""A histogram that counts rows."""

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from spark.metrics import BOUNDS, Metrics
from spark.row_histogram import RowHistogram


def test_it_shows_what_the_client_librarys_own_shows() -> None:
    """Counting n rows at once gives the page that observing n values one by one gives."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    rows = RowHistogram("age_seconds", "Age", "kind", bounds=BOUNDS, registry=ours)
    single = Histogram("age_seconds", "Age", ["kind"], buckets=BOUNDS, registry=theirs)
    for value, count in [(0.0004, 3), (0.015, 2), (0.3, 1), (99.0, 4)]:
        rows.observe("quotes", value, count)
        for _ in range(count):
            single.labels("quotes").observe(value)

    assert samples(ours) == samples(theirs)


def test_feed_to_db_has_the_published_threshold() -> None:
    """G1: the bounds hold 0.3 s, the published promise for Feed→DB."""
    metrics = Metrics("feed_writer")
    metrics.feed_to_db.observe("quotes", 0.3, 5)

    found = metrics.registry.get_sample_value(
        "spark_feed_to_db_seconds_bucket", {"kind": "quotes", "le": "0.3"}
    )
    assert found is not None
    assert int(found) == 5


def samples(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    text = generate_latest(registry).decode()
    return {
        (sample.name, str(sorted(sample.labels.items()))): round(sample.value, 9)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
