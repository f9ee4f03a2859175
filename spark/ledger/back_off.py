"""
Staying away as long as an exchange asks, and doing less at a time afterwards (A4). Pure.

`Retry-After` to the letter: until it is over not a byte goes, cancels included, because
each of them would prolong the ban (trap 14). An exchange that names no time gets a pause
that doubles with each refusal in a row. Several of them in a minute lower the concurrency
to 1, until a minute has passed without one.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

_UNNAMED_NS_MIN: Final = 1_000_000_000
_UNNAMED_NS_MAX: Final = 60_000_000_000
#: `RATE_LIMIT_BURST_MAX` of the sentinel, 0.05/s, is three in a minute.
_BURST_MIN: Final = 3
_BURST_NS: Final = 60_000_000_000


@dataclass(slots=True)
class BackOff:
    """What one address, or one account, was told; times of a clock that never steps."""

    #: Before that nothing goes.
    until_ns: int = 0
    _in_a_row: int = 0
    _limited: deque[int] = field(default_factory=deque)

    def limited(self, retry_after_ns: int, now_ns: int) -> None:
        """
        Take a refusal for too many requests.

        Args:
            retry_after_ns: what the exchange asks for; 0 where it names nothing.

        """
        self._in_a_row += 1
        self._limited.append(now_ns)
        while len(self._limited) > _BURST_MIN:
            self._limited.popleft()
        pause_ns = retry_after_ns
        if pause_ns <= 0:
            doublings = min(self._in_a_row - 1, 16)
            pause_ns = min(_UNNAMED_NS_MIN << doublings, _UNNAMED_NS_MAX)
        # A shorter word that comes later does not take back the longer one.
        self.until_ns = max(self.until_ns, now_ns + pause_ns)

    def answered(self) -> None:
        """Take an answer that was no such refusal."""
        self._in_a_row = 0

    def wait_ns(self, now_ns: int) -> int:
        """Say how long nothing may go; 0 for now it may."""
        return max(0, self.until_ns - now_ns)

    def is_burst(self, now_ns: int) -> bool:
        """Tell whether the last minute saw so many refusals that one at a time is enough."""
        recent = [at_ns for at_ns in self._limited if at_ns > now_ns - _BURST_NS]
        return len(recent) >= _BURST_MIN
