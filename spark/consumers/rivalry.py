"""
Whether somebody else writes the same tables: races for the offset rows that were lost. Pure.

Who writes alone loses one at the most, to what a predecessor still had under way when it
ended. Who loses again soon is not alone, and leaves: the rows are the other one's (R19).
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

#: Races lost within so long after which one leaves.
LOST_MAX: Final = 5
LOST_NS: Final = 60_000_000_000


@dataclass(slots=True)
class Rivalry:
    """The races that one writer lost."""

    _lost_ns: deque[int] = field(default_factory=deque)

    def is_over_after(self, lost_ns: int) -> bool:
        """
        Note a race that was lost, and say whether to leave.

        Args:
            lost_ns: when, by the monotonic clock.

        """
        self._lost_ns.append(lost_ns)
        while self._lost_ns[0] < lost_ns - LOST_NS:
            self._lost_ns.popleft()
        return len(self._lost_ns) >= LOST_MAX
