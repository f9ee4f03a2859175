"""
Dead letters: what could not be used, with its reason, and never too many.

The cap mutes one writer's letters, not the stage: a flood of rubbish must not
become a flood of our own (R20). Each is still refused, counted and served past.
"""

from hashlib import sha256
from typing import Final

from spark.bus.port import Outgoing, Partition
from spark.codec import encode
from spark.events import DeadLettered
from spark.worker.contract import Fault

_LETTERS_PER_MINUTE_MAX: Final = 600
_MINUTE_NS: Final = 60_000_000_000


class Quarantine:
    """One role's dead letters."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._partition = Partition(f"dlq.{role}", 0)
        self._minute = 0
        self._written = 0

    def letter(
        self, origin: Partition, offset: int, body: bytes, *, fault: Fault, now_ns: int
    ) -> Outgoing | None:
        """Make the dead letter of an input; None when the cap of this minute is reached."""
        minute = now_ns // _MINUTE_NS
        if minute != self._minute:
            self._minute, self._written = minute, 0
        if self._written >= _LETTERS_PER_MINUTE_MAX:
            return None
        self._written += 1
        letter = DeadLettered(
            role=self._role,
            topic=origin.topic,
            partition=origin.number,
            offset=offset,
            reason=fault.reason,
            detail=fault.detail,
            bytes_len=len(body),
            sha256=sha256(body).hexdigest(),
            at_ns=now_ns,
        )
        return Outgoing(self._partition, None, encode(letter))
