"""
How far behind the audit is, from the auditor's own pulses (spec B9, A5), and when it was witnessed.

Everything appended before `audited_until_ns` is chained. The auditor says in each pulse
which offset it would audit next; what it has not got to yet, the guardrail knows from its
own decisions.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from spark.events import ProcessPulsed, Receipt
from spark.names import Role

#: Intents closer together than this share an entry.
_SPACING_NS: Final = 20_000_000
_DUE_MAX: Final = 10_000


@dataclass(slots=True)
class Due:
    """A run of intents, close together, that are not all audited."""

    last_offset: int
    #: Append time of the first one.
    since_ns: int


@dataclass(slots=True)
class Trail:
    """What is known of the audit of one partition of intents."""

    #: Append time of the auditor's last pulse, and the intent that it audits next.
    pulsed_ns: int | None = None
    audited_next: int = 0
    due: deque[Due] = field(default_factory=deque)
    #: When a witness last saw the trail, by its clock, and never after we heard of it.
    witnessed_ns: int | None = None

    def decided(self, offset: int, appended_ns: int) -> None:
        """Note an intent that was decided; offsets come in order."""
        if offset < self.audited_next:
            return
        if self.due and (
            appended_ns - self.due[-1].since_ns < _SPACING_NS or len(self.due) >= _DUE_MAX
        ):
            self.due[-1].last_offset = offset
        else:
            self.due.append(Due(offset, appended_ns))

    def pulsed(self, pulse: ProcessPulsed, partition: str, appended_ns: int) -> None:
        """
        Take in a pulse of the auditor; others are passed over.

        Args:
            partition: `orders.intents/<number>`.

        """
        if pulse.role != Role.AUDITOR:
            return
        self.pulsed_ns = appended_ns
        self.audited_next = max(self.audited_next, pulse.positions.get(partition, 0))
        while self.due and self.due[0].last_offset < self.audited_next:
            self.due.popleft()

    def witnessed(self, receipt: Receipt, appended_ns: int) -> None:
        """Take in a receipt whose signature was proved; one that is said again says nothing."""
        seen_ns = min(receipt.at_ns, appended_ns)
        if self.witnessed_ns is None or seen_ns > self.witnessed_ns:
            self.witnessed_ns = seen_ns

    def receipt_age_ns(self, now_ns: int) -> int | None:
        """Give the age of the last receipt; None without any."""
        return None if self.witnessed_ns is None else max(0, now_ns - self.witnessed_ns)

    def lag_ns(self, now_ns: int) -> int | None:
        """Give the age of the oldest intent that is not audited; None without any pulse."""
        if self.pulsed_ns is None:
            return None
        until_ns = self.pulsed_ns
        if self.due:
            until_ns = min(until_ns, self.due[0].since_ns)
        return max(0, now_ns - until_ns)
