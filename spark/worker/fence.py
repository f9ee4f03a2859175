"""
Which records of a stamped partition count: a function of the log alone (design §3).

A record is valid if its epoch is that of the last fence before it and its `seq`
is the previous valid one plus 1. Another epoch, or a lower `seq`: void, dropped
by every reader alike (R3). A higher `seq`: something was lost; halt.

Topics without stamps, of which nothing is folded in order, carry the epoch alone, in a
header: there a record counts if no higher epoch stood on the partition before it.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from spark.bus.port import Partition, Record
from spark.codec import decode
from spark.errors import GapError, MalformedError
from spark.events import PartitionFenced, Stamp

NO_EPOCH = -1
NO_SEQ = -1
#: On each record of a held topic: its writer's epoch, in decimal digits.
EPOCH_HEADER: Final = "epoch"
_FENCE_MARK: Final = b'"partition_fenced"'
#: An epoch is an offset: 64 bits.
_DIGITS_MAX: Final = 19


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


class Reigns:
    """The epochs of partitions whose records carry them; hand over each record in order."""

    def __init__(self) -> None:
        self._epochs: dict[Partition, int] = {}

    def is_void(self, record: Record) -> bool:
        """Tell whether a record is to be passed over: a fence, or one of an epoch that is over."""
        known = self._epochs.get(record.partition, NO_EPOCH)
        found = next((value for name, value in record.headers if name == EPOCH_HEADER), None)
        if found is None:
            if _is_fence(record):
                self._epochs[record.partition] = record.offset
                return True
            # Before the first fence nothing carried an epoch.
            return known != NO_EPOCH
        epoch = int(found) if found.isdigit() and len(found) <= _DIGITS_MAX else NO_EPOCH
        if epoch < max(known, 0) or epoch >= record.offset:
            return True
        self._epochs[record.partition] = epoch
        return False


def _is_fence(record: Record) -> bool:
    body = record.value or b""
    if _FENCE_MARK not in body:
        return False
    try:
        return isinstance(decode(body), PartitionFenced)
    except MalformedError:
        return False


def is_opinion_valid(opinion_epoch: int, fenced_epoch: int) -> bool:
    """Judge an unstamped opinion of the gateway: written in the epoch in force (R4)."""
    return opinion_epoch == fenced_epoch


def fence_offset(event: object, offset: int) -> int | None:
    """Give the epoch that a record begins, or None when it is no fence."""
    return offset if isinstance(event, PartitionFenced) else None
