"""One second of a stack."""

from prometheus_client import generate_latest

from spark.embedded.child import ChildState, ChildStatus
from spark.embedded.view import NAMES, Viewer
from spark.metrics import Metrics


def _page(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def _child(state: ChildState) -> ChildStatus:
    return ChildStatus(name="gateway", state=state, pid=1, restarts=0, ready_after_s=0.5, detail="")


def test_the_names_that_are_read_are_the_names_that_are_served() -> None:
    """
    A renamed metric must not turn the screen silently empty.
    """
    metrics = Metrics("gateway")
    metrics.place_ack.labels("live").observe(0.01)
    metrics.feed_to_db.observe("quotes", 0.01, rows=1)
    metrics.lag.labels("orders.signed/0").set(2)
    metrics.risk_block.labels("notional_exceeded").inc()
    metrics.decisions.labels("approved").inc()
    metrics.rows_written.labels("quotes").inc(5)
    metrics.audit_lines.labels("orders.events").inc(7)
    page = _page(metrics)
    assert {name for name in NAMES if f"\n{name}" in page} == NAMES
    feed = Metrics("feed_writer")
    feed.rows_written.labels("quotes").inc(3)
    pages = {"guardrail": page, "feed_writer": _page(feed)}
    view = Viewer().view(pages, [_child(ChildState.READY)], orders=(), uptime_s=1.0)
    assert view.place_ack.in_window == 1
    assert view.feed_to_db.in_window == 1
    assert view.lag_records == {"guardrail": 2, "feed_writer": 0}
    assert view.blocks == {"notional_exceeded": 1}
    assert view.decisions == {"approved": 1}
    assert (view.rows_written, view.records_audited) == (3, 7)
    assert view.is_killed is False
    assert view.ready == 1


def test_the_window_is_the_last_minute() -> None:
    """
    What is older than a minute moves the total alone.
    """
    metrics, viewer = Metrics("gateway"), Viewer()
    metrics.place_ack.labels("live").observe(0.9)
    views = [
        viewer.view({"gateway": _page(metrics)}, [], orders=(), uptime_s=float(second))
        for second in range(100)
    ]
    view = views[-1]
    assert (view.place_ack.in_window, view.place_ack.total) == (0, 1)
    assert view.place_ack.p50_ms is None
    metrics.place_ack.labels("live").observe(0.01)
    view = viewer.view({"gateway": _page(metrics)}, [], orders=(), uptime_s=100.0)
    assert (view.place_ack.in_window, view.place_ack.total) == (1, 2)


def test_without_a_process_nothing_is_claimed() -> None:
    """
    A kill switch that nobody reports is unknown, not off.
    """
    view = Viewer().view({}, [_child(ChildState.STARTING)], orders=(), uptime_s=1.0)
    assert view.is_killed is None
    assert view.ready == 0
    assert view.place_ack.p50_ms is None
