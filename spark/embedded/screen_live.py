"""
The screen for a terminal: phases that tick off, then a table that stays in place.
"""

from collections.abc import Sequence
from time import monotonic
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from spark.embedded import screen_text as words
from spark.embedded.child import ChildState, ChildStatus
from spark.embedded.screen import Opening, Summary
from spark.embedded.view import Latency, StackView

_NAME_WIDTH: Final = 18
_DETAIL_WIDTH: Final = 58
_FRAMES: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAME_S: Final = 0.1
_PER_SECOND: Final = 4
_ORDERS_SHOWN: Final = 8
_NEWS_SHOWN: Final = 4
_ORDERS_HEAD: Final = (
    f"\n{'ORDERS':<9} {'':<34} {'STATE':<16} {'P→ACK':>7}  HOPS, ms after the intent"
)
_STYLE: Final = {
    ChildState.READY: "green",
    ChildState.HALTED: "bold red",
    ChildState.PAUSING: "red",
    ChildState.STOPPED: "dim",
}


class LiveScreen:
    """Draws on a console that is a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phases: dict[str, tuple[float, str]] = {}
        self._news: list[str] = []
        self._live: Live | None = None
        self._is_running = False
        self._title = ""
        self._isolation = ""

    def opened(self, opening: Opening) -> None:
        """Begin."""
        self._title = words.title(opening)
        self._console.print(Text(self._title, style="bold"))
        self._console.print()
        self._live = Live(
            console=self._console, refresh_per_second=_PER_SECOND, get_renderable=self._progress
        )
        self._live.start()

    def isolation_known(self, reason: str) -> None:
        """Say whether roles are separated."""
        self._isolation = words.isolation(reason)
        self._console.print(Text(words.isolation(reason), style="yellow" if reason else "green"))

    def phase_started(self, name: str) -> None:
        """Begin a phase."""
        self._phases[name] = (monotonic(), "")

    def phase_moved(self, name: str, detail: str) -> None:
        """Say how far a phase is."""
        self._phases[name] = (self._phases[name][0], detail)

    def phase_done(self, name: str, detail: str, seconds: float) -> None:
        """Tick a phase off."""
        self._phases.pop(name, None)
        self._console.print(_phase_line("✓", "green", name, detail=detail, seconds=seconds))

    def phase_failed(self, name: str, error: str, seconds: float) -> None:
        """Cross a phase out."""
        self._phases.pop(name, None)
        self._console.print(_phase_line("✗", "bold red", name, detail=error, seconds=seconds))

    def last_lines(self, title: str, lines: Sequence[str]) -> None:
        """Show what a part printed last."""
        self._console.print(Text(f"      last lines of {title}:"))
        for line in lines:
            self._console.print(Text(f"        {line}", style="dim"))

    def running(self, facts: Sequence[tuple[str, str]]) -> None:
        """Show addresses, and from here on the table."""
        self._console.print()
        for name, value in facts:
            self._console.print(Text(f"  {name:<{_NAME_WIDTH}} {value}"))
        self._console.print()
        self._end_live()
        self._is_running = True
        self._live = Live(
            console=self._console, auto_refresh=False, vertical_overflow="crop", transient=True
        )
        self._live.start()

    def child_changed(self, status: ChildStatus) -> None:
        """Note an end or a return below the table."""
        if words.is_news(status):
            self._news = [*self._news, words.news(status)][-_NEWS_SHOWN:]
        if status.state is ChildState.HALTED:
            # Above the table, where it stays: a person has to look.
            self._console.print(Text(words.news(status), style="bold red"))
            self.last_lines(status.name, status.last_lines)

    def ticked(self, view: StackView) -> None:
        """Redraw the table."""
        if self._live is not None and self._is_running:
            self._live.update(self._table(view), refresh=True)

    def noted(self, text: str) -> None:
        """Say one line."""
        self._console.print(Text(text))

    def stopping(self, names: Sequence[str]) -> None:
        """Name what is being ended."""
        self._end_live()
        self._console.print(Text(f"stopping {', '.join(names)}"))

    def closed(self, summary: Summary | None) -> None:
        """Show the end."""
        self._end_live()
        for line in [] if summary is None else words.closing(summary):
            self._console.print(Text(line))

    def _end_live(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _progress(self) -> RenderableType:
        now = monotonic()
        frame = _FRAMES[int(now / _FRAME_S) % len(_FRAMES)]
        lines = [
            _phase_line(frame, "cyan", name, detail=detail, seconds=now - began)
            for name, (began, detail) in self._phases.items()
        ]
        return Group(*lines)

    def _table(self, view: StackView) -> RenderableType:
        # Both belong on every screen, however far the first lines have scrolled away.
        parts: list[RenderableType] = [
            Text(self._title, style="bold"),
            Text(f"{self._isolation}\n", style="dim"),
            _latencies(view),
            Text(),
            _children(view),
            Text(),
        ]
        parts.append(
            Text(
                f"GUARDS  kill {words.kill(view)} · decisions {words.counted(view.decisions)} · "
                f"refusals {words.counted(view.blocks)}"
            )
        )
        parts.append(
            Text(f"LOG     {view.records_audited:,} records audited · {view.rows_written:,} rows")
        )
        if view.orders:
            parts.append(Text(_ORDERS_HEAD, style="bold"))
            parts += [
                Text(words.order_line(order), no_wrap=True, overflow="ellipsis")
                for order in view.orders[:_ORDERS_SHOWN]
            ]
        parts += [Text(line, style="yellow") for line in self._news]
        parts.append(
            Text(f"\nup {words.seconds(view.uptime_s)} · Ctrl-C stops everything", style="dim")
        )
        return Group(*parts)


def _phase_line(mark: str, style: str, name: str, *, detail: str, seconds: float) -> Text:
    line = Text("  ")
    line.append(mark, style=style)
    line.append(f" {name:<{_NAME_WIDTH - 2}} {detail:<{_DETAIL_WIDTH}} ")
    line.append(f"{seconds:>6.1f} s", style="dim")
    return line


def _latencies(view: StackView) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("HOP", min_width=12)
    for name in ("P50", "P95", "P99", "N/1m", "N"):
        table.add_column(name, justify="right", min_width=9)
    for name, latency in (("Place→ACK", view.place_ack), ("Feed→DB", view.feed_to_db)):
        table.add_row(name, *_quantiles(latency), f"{latency.in_window:,}", f"{latency.total:,}")
    return table


def _quantiles(latency: Latency) -> list[str]:
    return [
        words.quantile(latency, value) for value in (latency.p50_ms, latency.p95_ms, latency.p99_ms)
    ]


def _children(view: StackView) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("PROCESS", min_width=14)
    table.add_column("PID", justify="right", min_width=7)
    table.add_column("LAG", justify="right", min_width=6)
    table.add_column("STATE", no_wrap=True)
    for child in view.children:
        lag = view.lag_records.get(child.name)
        table.add_row(
            child.name,
            "" if child.pid is None else str(child.pid),
            "" if lag is None else f"{lag:,}",
            Text(words.child_line(child), style=_STYLE.get(child.state, "yellow")),
        )
    return table
