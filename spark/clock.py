"""
Time as a port: effects ask a Clock, transforms are handed a reading.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Two readings: wall time for the wire, monotonic for durations. Neither blocks."""

    def wall_ns(self) -> int:
        """Read UTC, in ns since 1970; it may step."""

    def monotonic_ns(self) -> int:
        """Read a clock that never steps, in ns from an arbitrary start."""


class SystemClock:
    """The machine's clocks."""

    def wall_ns(self) -> int:
        """Read UTC."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Read the monotonic clock."""
        return time.monotonic_ns()


class ManualClock:
    """A clock that only a test moves; shipped, because users test strategies too."""

    def __init__(self, wall_ns: int, monotonic_ns: int = 0) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns

    def wall_ns(self) -> int:
        """Read the wall clock as set."""
        return self._wall_ns

    def monotonic_ns(self) -> int:
        """Read the monotonic clock as advanced."""
        return self._monotonic_ns

    def advance(self, by_ns: int) -> None:
        """Let both clocks pass `by_ns`."""
        self._wall_ns += by_ns
        self._monotonic_ns += by_ns

    def step_wall(self, by_ns: int) -> None:
        """Step the wall clock alone, as a bad time server would."""
        self._wall_ns += by_ns
