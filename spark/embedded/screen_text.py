"""Words and numbers that both screens share: pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from spark.embedded.child import ChildState, ChildStatus
from spark.embedded.screen import Opening, Summary
from spark.embedded.view import Latency, OrderLine, StackView
from spark.names import TradingMode

#: Below this many observations a quantile says nothing.
SAMPLES_MIN: Final = 20
#: Of what a child said before its end, in a line of news.
_SAID_CHARS_MAX: Final = 160
_DASH: Final = "—"
_S_PER_MIN: Final = 60
#: What becomes of orders in the modes that send nothing.
_FATE: Final[dict[str, str]] = {
    TradingMode.PAPER: "orders are filled on paper from the live book, nothing is sent",
    TradingMode.SHADOW: "orders are guarded, signed and measured, nothing is sent",
}
#: Where Place→ACK ends, by mode; at the exchange's acknowledgement unless said otherwise.
_ENDS: Final[dict[str, str]] = {
    TradingMode.PAPER: "acknowledged on paper",
    TradingMode.SHADOW: "sealed, not sent",
}
_NS_PER_S: Final = 1_000_000_000


def title(opening: Opening) -> str:
    """Say what this is, and what it cannot do."""
    fate = _FATE.get(opening.mode, "nothing here can reach a real exchange")
    return (
        f"Spark {opening.version}   stack {opening.name}   mode {opening.mode.upper()} "
        f"on endpoint {opening.endpoint} ({fate})"
    )


def isolation(reason: str) -> str:
    """Say whether roles are separated by uid."""
    return f"NO ISOLATION: {reason}" if reason else "isolation: each role has its own uid"


def seconds(value: float) -> str:
    """Write a duration."""
    if value < _S_PER_MIN:
        return f"{value:.1f} s"
    return f"{int(value // _S_PER_MIN)} min {value % _S_PER_MIN:.0f} s"


def ms(value: float | None) -> str:
    """Write milliseconds, with a decimal where it says something."""
    if value is None:
        return _DASH
    return f"{value:.1f} ms" if value < 10 else f"{value:,.0f} ms"  # noqa: PLR2004


def quantile(latency: Latency, value: float | None) -> str:
    """Write a quantile, or how few observations there are."""
    if latency.in_window < SAMPLES_MIN:
        return f"{_DASH} (n={latency.in_window})"
    return ms(value)


def kill(view: StackView) -> str:
    """Say whether new orders are stopped."""
    return {None: "unknown", True: "ON: new orders are stopped", False: "off"}[view.is_killed]


def counted(found: Mapping[str, int]) -> str:
    """Write counts by name."""
    return " ".join(f"{name} {count}" for name, count in found.items()) or "none"


def child_line(status: ChildStatus) -> str:
    """Say how a child is."""
    words = [status.state.value]
    if status.restarts:
        words.append(f"restarts {status.restarts}")
    if status.detail:
        words.append(status.detail)
    return ", ".join(words)


def is_news(status: ChildStatus) -> bool:
    """Say whether a change is worth a line of its own: an end, or being back after one."""
    if status.state in {ChildState.PAUSING, ChildState.HALTED}:
        return True
    return status.state is ChildState.READY and status.restarts > 0


def news(status: ChildStatus) -> str:
    """Write a change of a child."""
    if status.state is ChildState.READY and status.ready_after_s is not None:
        return f"{status.name} works again, {seconds(status.ready_after_s)} after its start"
    if status.state is ChildState.HALTED:
        return f"{status.name} {status.detail} and is left alone: a person has to look"
    said = f": {status.last_lines[-1][:_SAID_CHARS_MAX]}" if status.last_lines else ""
    return f"{status.name} {status.detail}; starting it again{said}"


def order_line(order: OrderLine) -> str:
    """Tell an order's story in one line."""
    at = datetime.fromtimestamp(order.at_ns / _NS_PER_S, UTC).strftime("%H:%M:%S")
    hops = " ".join(f"{name}+{value:.0f}" for name, value in order.hops)
    return f"{at}  {order.text:<34} {order.state:<16} {ms(order.place_ack_ms):>7}  {hops}"


def status_line(view: StackView) -> str:
    """Write one second in one line."""
    parts = [
        f"up {seconds(view.uptime_s)}",
        f"{view.ready}/{len(view.children)} ready",
        (
            f"Place→ACK p50 {quantile(view.place_ack, view.place_ack.p50_ms)} "
            f"p95 {quantile(view.place_ack, view.place_ack.p95_ms)} n={view.place_ack.total}"
        ),
        (
            f"Feed→DB p50 {quantile(view.feed_to_db, view.feed_to_db.p50_ms)} "
            f"p95 {quantile(view.feed_to_db, view.feed_to_db.p95_ms)} rows={view.rows_written}"
        ),
        f"kill {kill(view)}",
    ]
    return " · ".join(parts)


def place_end(mode: str) -> str:
    """Say how far an order goes in a mode."""
    return _ENDS.get(mode, "acknowledged by the exchange")


def closing(summary: Summary) -> list[str]:
    """Write the last lines."""
    kept = f"data kept in {summary.home}" if summary.is_data_kept else "its data were removed"
    return [
        (
            f"ran {seconds(summary.seconds)} in mode {summary.mode.upper()} · "
            f"orders {summary.orders}, {_ENDS.get(summary.mode, 'acknowledged')} {summary.acked}, "
            f"Place→ACK p50 {ms(summary.place_ack_ms_p50)} · rows {summary.feed_rows}, "
            f"Feed→DB p50 {ms(summary.feed_to_db_ms_p50)} · restarts {summary.restarts}"
        ),
        f"stopped in {seconds(summary.stop_s)} · no process left · {kept}",
    ]
