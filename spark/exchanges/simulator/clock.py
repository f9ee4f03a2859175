"""
The venue's own clock, which a judge may set apart from everyone else's.
"""

from spark.clock import Clock


class VenueClock:
    """Another clock, plus an offset."""

    def __init__(self, base: Clock) -> None:
        self._base = base
        self.offset_ns = 0

    def wall_ns(self) -> int:
        """Read the venue's UTC."""
        return self._base.wall_ns() + self.offset_ns

    def monotonic_ns(self) -> int:
        """Read the machine's monotonic clock; no offset applies."""
        return self._base.monotonic_ns()
