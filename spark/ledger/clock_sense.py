"""
What many looks at an exchange's clock say together: offset, doubt and drift (B8). Pure.

Of each round the look with the shortest round trip counts, because the reply's time lies
somewhere inside that trip; of the last few rounds the one in the middle is believed, so
that a slow line or one wrong answer moves nothing. A look that contradicts what is
believed asks for the next one at once: a true step is believed after three of them.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

_BELIEVED_MAX: Final = 5
_DRIFT_LOOKS_MAX: Final = 60
_DRIFT_LOOKS_MIN: Final = 5
_DRIFT_SPAN_NS_MIN: Final = 10_000_000_000
_PPB: Final = 1_000_000_000
#: What two looks may differ by beyond their round trips: both clocks count on.
_SLACK_NS: Final = 1_000_000
#: A wall clock that moved by more than this against the monotonic one was set (C1).
STEP_NS_MIN: Final = 250_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look: how far the exchange's clock was ahead of ours, and when that was."""

    offset_ns: int
    #: Half the round trip.
    uncertainty_ns: int
    #: By the monotonic clock.
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensed:
    """What is believed."""

    offset_ns: int
    uncertainty_ns: int
    #: By how much the exchange's clock is faster than ours, in 10⁻⁹; None until it is known.
    drift_ppb: int | None
    #: The last look contradicts it: look again soon.
    is_doubted: bool


@dataclass(slots=True)
class ClockSense:
    """One exchange's clock as this machine sees it."""

    _looks: deque[Look] = field(default_factory=deque)

    def take(self, round_: Iterable[Look]) -> Sensed:
        """Take one round of looks, at least one."""
        best = min(round_, key=lambda look: look.uncertainty_ns)
        self._looks.append(best)
        while len(self._looks) > _DRIFT_LOOKS_MAX:
            self._looks.popleft()
        believed = self._middle()
        apart_ns = abs(best.offset_ns - believed.offset_ns)
        return Sensed(
            offset_ns=believed.offset_ns,
            uncertainty_ns=believed.uncertainty_ns,
            drift_ppb=self._drift_ppb(),
            is_doubted=apart_ns > best.uncertainty_ns + believed.uncertainty_ns + _SLACK_NS,
        )

    def forget(self) -> None:
        """Begin anew: our own clock was set, and no earlier look says anything any more."""
        self._looks.clear()

    def _middle(self) -> Look:
        last = list(self._looks)[-_BELIEVED_MAX:]
        return sorted(last, key=lambda look: look.offset_ns)[len(last) // 2]

    def _drift_ppb(self) -> int | None:
        looks = list(self._looks)
        span_ns = looks[-1].at_ns - looks[0].at_ns
        if len(looks) < _DRIFT_LOOKS_MIN or span_ns < _DRIFT_SPAN_NS_MIN:
            return None
        # The median of all slopes between two looks: a few wild ones do not tilt it.
        slopes = sorted(
            (later.offset_ns - earlier.offset_ns) * _PPB // (later.at_ns - earlier.at_ns)
            for number, later in enumerate(looks)
            for earlier in looks[:number]
            if later.at_ns - earlier.at_ns >= span_ns // 2
        )
        return slopes[len(slopes) // 2] if slopes else None


class Steps:
    """Finds that our wall clock was set, by the monotonic clock beside it."""

    def __init__(self, wall_ns: int, monotonic_ns: int) -> None:
        self._apart_ns = wall_ns - monotonic_ns

    def look(self, wall_ns: int, monotonic_ns: int) -> int:
        """Give by how much it was set since the last look; 0 for what an honest clock does."""
        before_ns, self._apart_ns = self._apart_ns, wall_ns - monotonic_ns
        moved_ns = self._apart_ns - before_ns
        return moved_ns if abs(moved_ns) > STEP_NS_MIN else 0
