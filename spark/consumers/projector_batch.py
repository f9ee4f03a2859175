"""
What one transaction of the projector takes from the log: read, judged and counted. Pure.

Whether a record counts follows from the log alone: decisions by epoch and `seq`, opinions by
the epoch in force, evidence always (R3, R4). What no table can be made from is kept apart
with its reason (H5).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from spark import topics
from spark.bus.port import Partition, Record
from spark.codec import decode, encode
from spark.errors import GapError, MalformedError
from spark.events import Event, OrderFilled, PartitionFenced, Stamp
from spark.names import AccountId
from spark.signing import short_digest
from spark.worker.fence import NO_EPOCH, NO_SEQ, Lineage, Verdict, is_opinion_valid

#: The topics that tables are made from.
SOURCES: Final = (topics.INTENTS, topics.DECISIONS, topics.EVENTS, topics.ACCOUNT_EVENTS)
#: Records after which a transaction is closed.
BATCH_RECORDS_MAX: Final = 2_000

_NS_PER_MS: Final = 1_000_000
#: Of a record that is kept apart, so many bytes are kept.
_REJECT_BYTES_MAX: Final = 4096
_BIGINT_MAX: Final = 2**63 - 1
#: A NUL as JSON spells it; behind an odd number of backslashes it is none.
_NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one partition was read."""

    next_offset: int = 0
    #: Digest of the record before it; empty before the first (R18).
    digest: str = ""
    epoch: int = NO_EPOCH
    seq: int = NO_SEQ


@dataclass(frozen=True, slots=True)
class Item:
    """A record that counts."""

    partition: Partition
    offset: int
    appended_ns: int
    event: Event


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that no table can be made from."""

    topic: str
    partition: int
    record_offset: int
    reason: str
    detail: str
    body: bytes
    appended_ns: int


@dataclass(slots=True)
class Batch:
    """One transaction."""

    before: Mapping[Partition, Mark]
    after: dict[Partition, Mark]
    items: list[Item] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    #: Records that do not count, by topic.
    void: dict[str, int] = field(default_factory=dict)
    records: int = 0

    def add(self, record: Record) -> None:
        """
        Take one more record, which must be the next of its partition.

        Raises:
            GapError: a record is missing before it; halt (R19).

        """
        partition = record.partition
        mark = self.after[partition]
        if record.offset != mark.next_offset:
            raise GapError(f"{partition}: at {mark.next_offset} comes offset {record.offset}")
        self.records += 1
        mark = replace(mark, next_offset=record.offset + 1)
        event = self._read(record)
        if event is not None:
            mark = self._judge(record, event, mark)
        self.after[partition] = mark

    def close(self, last: Mapping[Partition, Record]) -> None:
        """Note the digest of the last record of each partition that was read."""
        for partition, record in last.items():
            digest = short_digest(record.value or b"")
            self.after[partition] = replace(self.after[partition], digest=digest)

    def _read(self, record: Record) -> Event | None:
        body = record.value or b""
        try:
            event = decode(body)
            if b"\\u0000" in body:
                # Canonical, but no text of PostgreSQL holds a NUL.
                event = decode(_NUL.sub("\\1\N{REPLACEMENT CHARACTER}".encode(), body))
        except MalformedError as error:
            self._reject(record, "malformed", str(error))
            return None
        if event.type not in topics.BY_NAME[record.partition.topic].events:
            self._reject(record, "unexpected_type", event.type)
            return None
        return event

    def _judge(self, record: Record, event: Event, mark: Mark) -> Mark:
        partition = record.partition
        if isinstance(event, PartitionFenced):
            return replace(mark, epoch=record.offset)
        stamp: Stamp | None = getattr(event, "stamp", None)
        if stamp is not None:
            lineage = Lineage(str(partition), mark.epoch, mark.seq)
            is_valid = lineage.judge(stamp) is Verdict.VALID
            mark = replace(mark, seq=lineage.seq)
        else:
            epoch = getattr(event, "epoch", None)
            is_valid = epoch is None or is_opinion_valid(epoch, mark.epoch)
        if not is_valid:
            self.void[partition.topic] = self.void.get(partition.topic, 0) + 1
        elif fault := _fault(event, partition):
            self._reject(record, *fault)
        else:
            self.items.append(Item(partition, record.offset, _appended_ns(record), event))
        return mark

    def _reject(self, record: Record, reason: str, detail: str) -> None:
        self.rejects.append(
            Reject(
                topic=record.partition.topic,
                partition=record.partition.number,
                record_offset=record.offset,
                reason=reason,
                detail=detail,
                body=(record.value or b"")[:_REJECT_BYTES_MAX],
                appended_ns=_appended_ns(record),
            )
        )


class Cutter:
    """
    Cuts the records of a wake-up into transactions.

    Args:
        marks: of every partition that is projected; nothing is read before them.
        records_max: records of one transaction.

    """

    def __init__(self, marks: Mapping[Partition, Mark], *, records_max: int) -> None:
        self._marks = dict(marks)
        self._records_max = records_max
        self._begin()

    @property
    def marks(self) -> dict[Partition, Mark]:
        """Say how far the transactions that were cut go."""
        return dict(self._marks)

    def add(self, record: Record) -> Batch | None:
        """
        Take the next record.

        Returns: the transaction that it fills.

        Raises:
            GapError: as `Batch.add`.

        """
        self._batch.add(record)
        self._last[record.partition] = record
        return self.end() if self._batch.records >= self._records_max else None

    def end(self) -> Batch | None:
        """Give what was taken since the last transaction; None where that is nothing."""
        batch = self._batch
        if not self._last:
            return None
        batch.close(self._last)
        self._marks = dict(batch.after)
        self._begin()
        return batch

    def _begin(self) -> None:
        self._batch = Batch(before=self._marks, after=dict(self._marks))
        self._last: dict[Partition, Record] = {}


def refused(item: Item, detail: str) -> Reject:
    """Keep a record apart whose rows the database does not take."""
    return Reject(
        topic=item.partition.topic,
        partition=item.partition.number,
        record_offset=item.offset,
        reason="refused_by_database",
        detail=detail,
        body=encode(item.event)[:_REJECT_BYTES_MAX],
        appended_ns=item.appended_ns,
    )


def _fault(event: Event, partition: Partition) -> tuple[str, str] | None:
    """Find why a record that counts can be in no table."""
    if partition.topic in {topics.EVENTS, topics.ACCOUNT_EVENTS}:
        account: AccountId = getattr(event, "account", AccountId(""))
        if topics.partition_of(account) != partition.number:
            return "wrong_partition", account
    if isinstance(event, OrderFilled) and not _is_possible(event):
        return "impossible_fill", f"{event.quantity} @ {event.price}, {event.cumulative} in all"
    return None


def _is_possible(fill: OrderFilled) -> bool:
    amounts = (fill.quantity, fill.price, fill.cumulative)
    return all(amount > 0 for amount in amounts) and 0 <= fill.exchange_ns <= _BIGINT_MAX


def _appended_ns(record: Record) -> int:
    return record.timestamp_ms * _NS_PER_MS
