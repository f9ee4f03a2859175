"""
Which records of a stamped partition count: a function of the log alone (design §3).

A record is valid if its epoch is that of the last fence before it and its `seq`
is the previous valid one plus 1. Another epoch, or a lower `seq`: void, dropped
by every reader alike (R3). A higher `seq`: something was lost; halt.
"""

from dataclasses import dataclass
from enum import Enum

from spark.errors import GapError
from spark.events import PartitionFenced, Stamp

NO_EPOCH = -1
NO_SEQ = -1


class Verdict(Enum):
    """What a record is to its readers."""

    VALID = "valid"
    VOID = "void"
    FENCE = "fence"


@dataclass(slots=True)
class Lineage:
    """The validity of one partition so far; feed it every record in offset order."""

    partition: str
    epoch: int = NO_EPOCH
    seq: int = NO_SEQ

    def fence(self, offset: int) -> Verdict:
        """Note a fence: from here on its own offset is the epoch."""
        self.epoch = offset
        return Verdict.FENCE

    def judge(self, stamp: Stamp) -> Verdict:
        """
        Judge a stamped record.

        Raises:
            GapError: the records between the last valid one and this are missing.

        """
        if stamp.epoch != self.epoch or stamp.seq <= self.seq:
            return Verdict.VOID
        if stamp.seq != self.seq + 1:
            raise GapError(
                f"{self.partition}: after seq {self.seq} comes {stamp.seq} in epoch {self.epoch}"
            )
        self.seq = stamp.seq
        return Verdict.VALID


def is_opinion_valid(opinion_epoch: int, fenced_epoch: int) -> bool:
    """Judge an unstamped opinion of the gateway: written in the epoch in force (R4)."""
    return opinion_epoch == fenced_epoch


def fence_offset(event: object, offset: int) -> int | None:
    """Give the epoch that a record begins, or None when it is no fence."""
    return offset if isinstance(event, PartitionFenced) else None
