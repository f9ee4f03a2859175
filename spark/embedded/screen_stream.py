"""Chooses a screen, and writes to a stream whose reader may go away."""

from collections.abc import Iterable
from enum import StrEnum
from typing import TextIO

from spark.embedded.screen import Screen
from spark.embedded.screen_plain import PlainScreen


class Progress(StrEnum):
    """How much is shown, and how."""

    AUTO = "auto"
    PLAIN = "plain"
    NONE = "none"


class PatientStream:
    """
    Writes until that fails, then keeps silent: a stack does not die with its terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_gone = False
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        """Write, replacing what the encoding does not have."""
        if not self._is_gone:
            encoding = self.encoding or "ascii"
            try:
                self._stream.write(text.encode(encoding, "replace").decode(encoding))
            except (OSError, ValueError):
                self._is_gone = True
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Push it out."""
        if not self._is_gone:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._is_gone = True

    def isatty(self) -> bool:
        """Say whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Give the descriptor, for the terminal's size."""
        return self._stream.fileno()


def choose_screen(stream: TextIO, progress: Progress) -> Screen:
    """Take the live screen for a terminal that can move its cursor, lines for all else."""
    patient = PatientStream(stream)

    def write_line(line: str) -> None:
        patient.write(f"{line}\n")
        patient.flush()

    if progress is Progress.NONE:
        return PlainScreen(lambda _: None)
    if progress is Progress.PLAIN or not stream.isatty():
        return PlainScreen(write_line)
    from rich.console import Console  # noqa: PLC0415  (only a terminal needs it)

    from spark.embedded.screen_live import LiveScreen  # noqa: PLC0415

    console = Console(file=patient, highlight=False)  # type: ignore[arg-type]
    return PlainScreen(write_line) if console.is_dumb_terminal else LiveScreen(console)
