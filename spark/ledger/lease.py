"""
For how long the gateway may place without hearing from the guardrail (S9). Pure.

The guardrail's pulse, proved by its tag, is a lease of a few seconds on one account. Its
age is taken twice, by the wall clock since it was written and by the monotonic clock since
it was read: who was stopped finds it over, and who reads an old log takes nothing for fresh.
What was approved before a gap stays unsent when the pulses are back.
"""

from dataclasses import dataclass
from typing import Final

from spark.events import ProcessPulsed, Refusal
from spark.names import Reason, Role

_NEVER: Final = -1
_NS_PER_MS: Final = 1_000_000


@dataclass(slots=True)
class Lease:
    """
    One account's.

    Args:
        lane: the partition of decisions whose holder is listened to, `<topic>/<number>`.
        life_ns: how long one pulse is good for.

    """

    lane: str
    life_ns: int
    #: Of the newest guardrail heard, and the number of its newest pulse: its own time.
    _epoch: int = _NEVER
    _number: int = _NEVER
    #: Append time of that pulse, fresh or not.
    _appended_ns: int = _NEVER
    #: When the newest fresh one was written, by the wall clock, and read, by the monotonic.
    _written_ns: int = _NEVER
    _read_ns: int = _NEVER
    #: Since when, on the broker's clock, pulses came without a gap.
    _since_ns: int = _NEVER

    def hear(
        self, pulse: ProcessPulsed, appended_ns: int, *, wall_ns: int, monotonic_ns: int
    ) -> bool:
        """
        Take a pulse whose writer is proved to be the guardrail.

        Args:
            appended_ns: the broker's time of it.
            wall_ns: now.
            monotonic_ns: now.

        Returns: False for one that says nothing: of another lane, of a guardrail that was
            fenced, or one that was heard before.

        """
        epoch = pulse.epochs.get(self.lane, _NEVER)
        if pulse.role != Role.GUARDRAIL or epoch < max(self._epoch, 0):
            return False
        if epoch == self._epoch and pulse.at_ns <= self._number:
            return False
        # The writer's own time is under its tag, the broker's is not.
        written_ns = min(appended_ns, pulse.at_ns)
        was_over = self.is_over(wall_ns, monotonic_ns)
        had_stopped = self._appended_ns < 0 or appended_ns - self._appended_ns > self.life_ns
        self._epoch, self._number, self._appended_ns = epoch, pulse.at_ns, appended_ns
        if wall_ns - written_ns > self.life_ns:
            return True
        if was_over:
            # Either it fell silent and speaks again, or it was us who did not listen.
            is_its_gap = had_stopped or self._read_ns < 0
            self._since_ns = appended_ns if is_its_gap else wall_ns
        self._written_ns, self._read_ns = written_ns, monotonic_ns
        return True

    def age_ns(self, wall_ns: int, monotonic_ns: int) -> int | None:
        """Give the age of the newest pulse, the greater of the two; None before the first."""
        if self._read_ns < 0:
            return None
        return max(wall_ns - self._written_ns, monotonic_ns - self._read_ns, 0)

    def is_over(self, wall_ns: int, monotonic_ns: int) -> bool:
        """Tell whether nothing may be placed now."""
        age_ns = self.age_ns(wall_ns, monotonic_ns)
        return age_ns is None or age_ns > self.life_ns

    def refusal(self, sealed_ns: int, *, wall_ns: int, monotonic_ns: int) -> Refusal | None:
        """
        Say why a place must not be sent now.

        Args:
            sealed_ns: the broker's time of the signed request.
            wall_ns: now.
            monotonic_ns: now.

        """
        limit = f"{self.life_ns // _NS_PER_MS} ms"
        age_ns = self.age_ns(wall_ns, monotonic_ns)
        if age_ns is None:
            return Refusal(code=Reason.LEASE_OVER, found="no pulse of the guardrail", limit=limit)
        if age_ns > self.life_ns:
            return Refusal(code=Reason.LEASE_OVER, found=f"{age_ns // _NS_PER_MS} ms", limit=limit)
        if sealed_ns < self._since_ns:
            return Refusal(code=Reason.LEASE_OVER, found="older than the last gap", limit=limit)
        return None
