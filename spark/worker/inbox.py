"""
Turns raw input records into `Given`s: order, validity, tags, all bad input a fault.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from spark.bus.port import Headers, Partition, Record
from spark.codec import decode, type_name
from spark.errors import GapError, MalformedError, TagError, UnknownVersionError
from spark.events import Event, PartitionFenced, Stamp
from spark.names import Reason
from spark.worker.contract import Fault, Given
from spark.worker.fence import NO_EPOCH, Lineage, Verdict

_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Accepted:
    """A valid place in the log and its number in the chain of hops."""

    given: Given
    seq: int
    epoch: int


class WriterProof(Protocol):
    """Says who wrote a record (signing.TagChecker); a replay takes the decision's word for it."""

    def writer_of(self, topic: str, type_name: str, body: bytes, *, headers: Headers) -> str:
        """Give the writer's principal; raises TagError where nobody is proved."""


class Inbox:
    """
    One input partition.

    Args:
        partition: which.
        lineage: None for a topic of many writers (intents), whose records all
            count; else the validity as far as it was read before.
        checker: verifies the writers' tags.
        bytes_max: a larger record is malformed whatever it holds.

    """

    def __init__(
        self,
        partition: Partition,
        *,
        position: int,
        lineage: Lineage | None,
        checker: WriterProof,
        bytes_max: int,
    ) -> None:
        self.partition = partition
        self.position = position
        self.lineage = lineage
        self._checker = checker
        self._bytes_max = bytes_max
        #: Records dropped as void since they were last counted into the metric.
        self.void = 0

    def accept(self, record: Record) -> Accepted | None:
        """
        Take the next record.

        Returns: None for a fence or a void record.

        Raises:
            GapError: an offset or a `seq` is missing; halt.

        """
        if record.offset != self.position:
            raise GapError(f"{self.partition}: at {self.position} comes offset {record.offset}")
        self.position = record.offset + 1
        event, fault = self._read(record)
        if self.lineage is None:
            return Accepted(self._given(record, event, fault), record.offset, NO_EPOCH)
        if isinstance(event, PartitionFenced):
            self.lineage.fence(record.offset)
            return None
        stamp: Stamp | None = getattr(event, "stamp", None)
        if stamp is None or self.lineage.judge(stamp) is Verdict.VOID:
            # An unreadable record has no place in the chain; if it was a real
            # one, the next `seq` is a gap and halts.
            self.void += 1
            return None
        return Accepted(self._given(record, event, fault), stamp.seq, stamp.epoch)

    def _read(self, record: Record) -> tuple[Event | None, Fault | None]:
        body = record.value
        if body is None or len(body) > self._bytes_max:
            size = "no value" if body is None else f"{len(body)} bytes"
            return None, Fault(reason=Reason.MALFORMED, detail=size)
        try:
            return decode(body), None
        except UnknownVersionError as error:
            return None, Fault(reason=Reason.UNKNOWN_SCHEMA_VERSION, detail=str(error))
        except MalformedError as error:
            return None, Fault(reason=Reason.MALFORMED, detail=str(error))

    def _given(self, record: Record, event: Event | None, fault: Fault | None) -> Given:
        body = record.value or b""
        writer = ""
        if event is not None:
            try:
                writer = self._checker.writer_of(
                    self.partition.topic, type_name(type(event)), body, headers=record.headers
                )
            except TagError as error:
                text = str(error)
                reason = Reason.TAG_MISSING if text.startswith("0 ") else Reason.TAG_INVALID
                event, fault = None, Fault(reason=reason, detail=text)
        return Given(
            partition=self.partition.number,
            offset=record.offset,
            appended_ns=record.timestamp_ms * _NS_PER_MS,
            body=body,
            headers=record.headers,
            event=event,
            fault=fault,
            writer=writer,
        )
