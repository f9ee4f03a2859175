"""
The circuit breaker of an account's exchange (spec A4). Pure.

Closed, it counts how places and cancels end; too many without a usable answer open it, and so
does one refusal of our key: whatever went next would be refused as well.
Open, no place goes until it has cooled. Half open, one place goes as a probe, and its
answer decides. Cancels and questions go in every state: getting out is never cut off.

    closed ──failures, key_refused──► open ──cooled──► half_open ──probe_answered──► closed
                                       ▲                   │
                                       └────────probe_failed, key_refused
    a person's word holds it open or closed, until it is left to itself again

Times are wall time, because what the log says of it outlives the process.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from spark.names import BreakerState, ClientOrderId

#: Failures in a row that open it.
_IN_A_ROW_MAX: Final = 5
#: Or so large a part of so many that ended within the window.
_PART_PCT_MAX: Final = 50
_ENDED_MIN: Final = 10
_WINDOW_NS: Final = 30_000_000_000
#: How long it stays open before a probe.
COOL_NS: Final = 10_000_000_000
_ENDED_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of state, with its reason, to be said on the log."""

    state: BreakerState
    #: As in `BreakerChanged`.
    cause: str
    evidence: dict[str, str]


@dataclass(slots=True, kw_only=True)
class Breaker:
    """One account's."""

    state: BreakerState = BreakerState.CLOSED
    #: When it came into its state.
    since_ns: int = 0
    #: What persons want; None leaves it to itself. HALF_OPEN asks for a probe now.
    word: BreakerState | None = None
    #: The place that goes as a probe.
    probe: ClientOrderId | None = None
    #: When requests ended, and whether badly; oldest first.
    _ended: deque[tuple[int, bool]] = field(default_factory=deque)
    _in_a_row: int = 0

    def told(self, word: BreakerState | None, now_ns: int) -> Change | None:
        """Hear what persons want now; the same word again changes nothing."""
        if word is self.word:
            return None
        self.word = word
        if word is None or word is self.state:
            return None
        return self._become(word, "person", now_ns)

    def look(self, now_ns: int) -> Change | None:
        """See whether it has cooled."""
        if self.state is not BreakerState.OPEN or self.word is BreakerState.OPEN:
            return None
        # A wall clock that was set back must not keep it open for longer than it cools.
        self.since_ns = min(self.since_ns, now_ns)
        if now_ns - self.since_ns < COOL_NS:
            return None
        return self._become(BreakerState.HALF_OPEN, "cooled", now_ns)

    def cool_wait_ns(self, now_ns: int) -> int:
        """Say how long until `look` changes something; 0 where time changes nothing."""
        if self.state is not BreakerState.OPEN or self.word is BreakerState.OPEN:
            return 0
        return max(1, self.since_ns + COOL_NS - now_ns)

    def holds(self, place: ClientOrderId) -> bool:
        """Tell whether this place may not go; the probe may."""
        if self.state is BreakerState.HALF_OPEN:
            return self.probe not in {None, place}
        return self.state is BreakerState.OPEN

    def claims(self, place: ClientOrderId) -> None:
        """Take note of a place that goes: of those while half open, the first is the probe."""
        if self.state is BreakerState.HALF_OPEN and self.probe is None:
            self.probe = place

    def unsent(self, place: ClientOrderId) -> None:
        """Take note that a place ended without a byte, for a reason of ours."""
        if self.probe == place:
            self.probe = None

    def ended(self, *, is_bad: bool, now_ns: int, place: ClientOrderId | None) -> Change | None:
        """
        Take how a request that was sent, or could not be, ended.

        Args:
            is_bad: no usable answer; a refusal is one.
            place: None for a cancel.

        """
        self._count(now_ns, is_bad=is_bad)
        if self.word is BreakerState.CLOSED:
            return None
        if self.state is BreakerState.HALF_OPEN and place is not None and place == self.probe:
            self.probe = None
            if is_bad:
                return self._become(BreakerState.OPEN, "probe_failed", now_ns)
            return self._become(BreakerState.CLOSED, "probe_answered", now_ns)
        if self.state is BreakerState.CLOSED and is_bad and self._is_too_much():
            return self._become(BreakerState.OPEN, "failures", now_ns)
        return None

    def key_refused(self, word: str, now_ns: int) -> Change | None:
        """
        Take that the exchange refused a request for its key, and open at once.

        Args:
            word: the exchange's, as evidence.

        """
        self._count(now_ns, is_bad=False)
        if self.word is BreakerState.CLOSED or self.state is BreakerState.OPEN:
            return None
        return self._become(BreakerState.OPEN, "key_refused", now_ns, said=word)

    def _count(self, now_ns: int, *, is_bad: bool) -> None:
        self._in_a_row = self._in_a_row + 1 if is_bad else 0
        self._ended.append((now_ns, is_bad))
        while len(self._ended) > _ENDED_MAX or self._ended[0][0] < now_ns - _WINDOW_NS:
            self._ended.popleft()

    def _is_too_much(self) -> bool:
        bad = sum(is_bad for _, is_bad in self._ended)
        is_part = len(self._ended) >= _ENDED_MIN and bad * 100 > _PART_PCT_MAX * len(self._ended)
        return is_part or self._in_a_row >= _IN_A_ROW_MAX

    def _become(self, state: BreakerState, cause: str, now_ns: int, **more: str) -> Change:
        evidence = {
            "bad": str(sum(is_bad for _, is_bad in self._ended)),
            "ended": str(len(self._ended)),
            "in_a_row": str(self._in_a_row),
            "window_s": str(_WINDOW_NS // 1_000_000_000),
            **more,
        }
        self.state, self.since_ns, self.probe = state, now_ns, None
        if state is BreakerState.CLOSED:
            self._ended.clear()
            self._in_a_row = 0
        return Change(state=state, cause=cause, evidence=evidence)
