"""
The screen for a file, a pipe or a log: one line for each event, no escape codes.
"""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

from spark.embedded import screen_text as words
from spark.embedded.child import ChildState, ChildStatus
from spark.embedded.screen import Opening, Summary
from spark.embedded.view import StackView

#: A phase's progress, and the numbers, at most so often.
_PROGRESS_S: Final = 5.0
_STATUS_S: Final = 10.0

Write = Callable[[str], None]


class PlainScreen:
    """Writes lines; `write` takes one without its end."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._moved_at: dict[str, float] = {}
        self._status_at = 0.0

    def opened(self, opening: Opening) -> None:
        """Begin."""
        self._write(words.title(opening))
        self._write(f"home {opening.home}")

    def isolation_known(self, reason: str) -> None:
        """Say whether roles are separated."""
        self._write(words.isolation(reason))

    def phase_started(self, name: str) -> None:
        """Note when, so that its progress is not told at once."""
        self._moved_at[name] = monotonic()

    def phase_moved(self, name: str, detail: str) -> None:
        """Say how far it is, now and then."""
        now = monotonic()
        if now - self._moved_at.get(name, 0.0) >= _PROGRESS_S:
            self._moved_at[name] = now
            self._write(f"{name}: {detail}")

    def phase_done(self, name: str, detail: str, seconds: float) -> None:
        """End a phase well."""
        self._write(f"{name}: done in {words.seconds(seconds)}{f' · {detail}' if detail else ''}")

    def phase_failed(self, name: str, error: str, seconds: float) -> None:
        """End a phase badly."""
        self._write(f"{name}: failed after {words.seconds(seconds)}: {error}")

    def last_lines(self, title: str, lines: Sequence[str]) -> None:
        """Show what a part printed last."""
        self._write(f"last lines of {title}:")
        for line in lines:
            self._write(f"  {line}")

    def running(self, facts: Sequence[tuple[str, str]]) -> None:
        """Show addresses."""
        for name, value in facts:
            self._write(f"{name}: {value}")

    def child_changed(self, status: ChildStatus) -> None:
        """Note an end or a return."""
        if words.is_news(status):
            self._write(words.news(status))
        if status.state is ChildState.HALTED:
            self.last_lines(status.name, status.last_lines)

    def ticked(self, view: StackView) -> None:
        """Show the numbers, now and then."""
        now = monotonic()
        if now - self._status_at >= _STATUS_S:
            self._status_at = now
            self._write(words.status_line(view))
            for order in view.orders[:1]:
                self._write(f"last order: {words.order_line(order)}")

    def noted(self, text: str) -> None:
        """Say one line."""
        self._write(text)

    def stopping(self, names: Sequence[str]) -> None:
        """Name what is being ended."""
        self._write(f"stopping {', '.join(names)}")

    def closed(self, summary: Summary | None) -> None:
        """Show the end."""
        for line in [] if summary is None else words.closing(summary):
            self._write(line)
