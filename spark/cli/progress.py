"""A bar for long work: on stderr, on a terminal only, and none where it would be in the way."""

import sys
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

#: Work that is done sooner shows no bar.
_AFTER_S: Final = 0.5


class Bar:
    """Shows how much of a known amount is done; `move` may be called as often as one likes."""

    def __init__(self, title: str, unit: str) -> None:
        self._title = title
        self._unit = unit
        self._began = monotonic()
        self._shown: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown is not None:
            self._shown[0].stop()

    def move(self, done: int, total: int) -> None:
        """Say how far it is."""
        if self._shown is None and sys.stderr.isatty() and monotonic() - self._began > _AFTER_S:
            self._shown = self._show()
        if self._shown is not None:
            progress, task = self._shown
            progress.update(task, completed=done, total=total)

    def _show(self) -> "tuple[Progress, TaskID]":
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(self._unit),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        progress.start()
        return progress, progress.add_task(self._title, total=None)
