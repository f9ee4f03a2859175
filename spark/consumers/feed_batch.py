"""
What one transaction of the feed writer holds, gathered record by record. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from spark.bus.port import Partition, Record
from spark.consumers.feed_rows import GAPS_COPY, READERS, Reject
from spark.errors import GapError
from spark.signing import short_digest
from spark.worker.fence import Reigns

#: Rows after which a transaction is closed: beyond, COPY gets no cheaper, only later.
BATCH_ROWS_MAX: Final = 5_000

_DAY_NS: Final = 86_400 * 1_000_000_000
#: 2009-01-01 UTC; nothing that Spark records is older.
_OLDEST_NS: Final = 14_245 * _DAY_NS


class Move(NamedTuple):
    """How far a partition's offset goes in one transaction."""

    old: int
    new: int
    #: Digest of the last record before `new` (R18).
    digest: str


@dataclass(slots=True)
class Batch:
    """One transaction."""

    rows: int = 0
    gaps: int = 0
    #: COPY's name -> lines.
    lines: dict[str, list[bytes]] = field(default_factory=dict)
    #: Kind -> receive time -> rows.
    received: dict[str, dict[int, int]] = field(default_factory=dict)
    moves: dict[Partition, Move] = field(default_factory=dict)
    rejects: list[tuple[Record, Reject]] = field(default_factory=list)

    def add(self, record: Record, now_ns: int, *, is_void: bool) -> None:
        """
        Take one more record, which must be the next of its partition; a void one has no rows.

        Raises:
            GapError: a record is missing before it; halt (R19).

        """
        move = self.moves[record.partition]
        if record.offset != move.new:
            raise GapError(f"{record.partition}: at {move.new} comes offset {record.offset}")
        self.moves[record.partition] = Move(move.old, move.new + 1, "")
        if is_void:
            return
        reader = READERS[record.partition.topic]
        # One day of grace for a clock that is set back later.
        found = reader.read(record, oldest_ns=_OLDEST_NS, newest_ns=now_ns + _DAY_NS)
        self.rejects += [(record, reject) for reject in found.rejects]
        if found.text:
            self.lines.setdefault(found.copy, []).append(found.text)
            if found.copy == GAPS_COPY:
                self.gaps += 1
                return
            ages = self.received.setdefault(reader.kind.name, {})
            for received_ns, count in found.received.items():
                ages[received_ns] = ages.get(received_ns, 0) + count
                self.rows += count

    def days(self) -> set[int]:
        """Name the days, counted from 1970, that its rows need partitions of."""
        return {at_ns // _DAY_NS for ages in self.received.values() for at_ns in ages}


class Cutter:
    """
    Cuts the records of a wake-up into transactions.

    Args:
        positions: next offset of each partition; nothing is read before it.
        now_ns: rows from after this day are rejected.
        reigns: which records count, as known from those before.

    """

    def __init__(
        self, positions: Mapping[Partition, int], now_ns: int, reigns: Reigns | None = None
    ) -> None:
        self._at = dict(positions)
        self._now_ns = now_ns
        self._reigns = reigns or Reigns()
        self._begin()

    def add(self, record: Record) -> Batch | None:
        """
        Take the next record.

        Returns: the transaction that it fills.

        Raises:
            GapError: as `Batch.add`.

        """
        self._batch.add(record, self._now_ns, is_void=self._reigns.is_void(record))
        self._last[record.partition] = record
        return self.end() if self._batch.rows >= BATCH_ROWS_MAX else None

    def end(self) -> Batch | None:
        """Give what was taken since the last transaction; None where that is nothing."""
        batch, last = self._batch, self._last
        if not last:
            return None
        batch.moves = {
            partition: Move(move.old, move.new, short_digest(last[partition].value or b""))
            for partition, move in batch.moves.items()
            if partition in last
        }
        self._at |= {partition: move.new for partition, move in batch.moves.items()}
        self._begin()
        return batch

    def _begin(self) -> None:
        moves = {partition: Move(offset, offset, "") for partition, offset in self._at.items()}
        self._batch = Batch(moves=moves)
        self._last: dict[Partition, Record] = {}
