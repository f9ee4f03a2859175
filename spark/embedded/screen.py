"""
What a person sees of a stack: a port with two forms, a live one and plain lines.

The supervisor tells facts in this order: opened, then phases, then running and once
a second a view, then stopping and closed. A screen decides what of it to show, and
prints no address that was not answered just now: it is only given such.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from spark.embedded.child import ChildStatus
from spark.embedded.view import StackView
from spark.errors import SparkError


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The first lines: what this is and what it cannot do."""

    version: str
    name: str
    mode: str
    endpoint: str
    home: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The last lines."""

    seconds: float
    mode: str
    orders: int
    acked: int
    place_ack_ms_p50: float | None
    feed_rows: int
    feed_to_db_ms_p50: float | None
    restarts: int
    stop_s: float
    is_data_kept: bool
    home: str


class Screen(Protocol):
    """Every method returns at once and raises nothing that a caller should handle."""

    def opened(self, opening: Opening) -> None:
        """Begin."""

    def isolation_known(self, reason: str) -> None:
        """Say whether each role has its own uid; `reason` says why not, empty if so."""

    def phase_started(self, name: str) -> None:
        """Begin a phase; several may run at once."""

    def phase_moved(self, name: str, detail: str) -> None:
        """Say how far a phase is."""

    def phase_done(self, name: str, detail: str, seconds: float) -> None:
        """End a phase well."""

    def phase_failed(self, name: str, error: str, seconds: float) -> None:
        """End a phase badly."""

    def last_lines(self, title: str, lines: Sequence[str]) -> None:
        """Show what a part printed last before it failed."""

    def running(self, facts: Sequence[tuple[str, str]]) -> None:
        """Show addresses, each of which answered just now, and what to do next."""

    def child_changed(self, status: ChildStatus) -> None:
        """Note a change after the start: an end, a restart, a halt."""

    def ticked(self, view: StackView) -> None:
        """Show the numbers of this second."""

    def noted(self, text: str) -> None:
        """Say one line."""

    def stopping(self, names: Sequence[str]) -> None:
        """Name what is being ended now."""

    def closed(self, summary: Summary | None) -> None:
        """Show the end; None when it never ran."""


@dataclass(slots=True)
class Phase:
    """A phase that runs; its detail is shown when it is done."""

    screen: Screen
    name: str
    detail: str = field(default="")

    def moved(self, detail: str) -> None:
        """Say how far it is."""
        self.screen.phase_moved(self.name, detail)


@contextmanager
def phase(screen: Screen, name: str) -> Iterator[Phase]:
    """Show the body as a phase, with how long it took and how it ended."""
    began = monotonic()
    screen.phase_started(name)
    running = Phase(screen, name)
    try:
        yield running
    except SparkError as error:
        screen.phase_failed(name, str(error), monotonic() - began)
        raise
    screen.phase_done(name, running.detail, monotonic() - began)
