"""
When a transform's state is kept on disk, and what its place in the log is then.

Kept when the partition is idle, every so often where it never is, and after so many outputs
that folding them again would make a restart slow. Called between a batch's acknowledgement
and the next read, so that state and log agree.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

from spark.bus.port import Bus, Outgoing, Partition, Record
from spark.events import Stamp
from spark.signing import short_digest
from spark.topics import BY_NAME
from spark.worker.cache import Kept, Mark, StateCache, Unkept
from spark.worker.contract import Transform
from spark.worker.tenure import Tenure

_S = TypeVar("_S")
#: Outputs since the last time, when idle or late and in any case.
_IDLE_OUTPUTS_MIN: Final = 500
_BUSY_OUTPUTS_MAX: Final = 20_000


class Keeper(Generic[_S]):
    """Keeps the state of one partition of one transform."""

    def __init__(
        self,
        transform: Transform[_S],
        directory: Path | None,
        *,
        partition: int,
        topic_ids: Mapping[str, str],
    ) -> None:
        self._output = Partition(transform.output, partition)
        #: The side partitions that are this lane's alone, and the last record folded of each.
        self._sides = {
            Partition(name, partition) for name in transform.sides if BY_NAME[name].partitions > 1
        }
        self._side_records: dict[Partition, Record] = {}
        self._side_marks: dict[Partition, Mark] = {}
        # All of them: whoever starts without the file compares them all, too.
        self._topic_ids = dict(topic_ids)
        self._cache: StateCache[_S] | None = None
        if directory is not None:
            path = directory / f"{transform.role}.{partition}.state"
            self._cache = StateCache(path, transform.state_type)
        self._unkept = Unkept()
        #: Right behind our own last output: what stands beyond it is not ours to name.
        self._mark: Mark | None = None
        #: Stamp of the last output.
        self.last: Stamp | None = None

    async def load(self, bus: Bus, fence: int) -> Kept[_S] | None:
        """
        Find the kept state.

        Args:
            fence: below it the output is folded now.

        Raises:
            PositionError: it belongs to another log.

        """
        kept = None if self._cache is None else await self._cache.load(bus, self._topic_ids)
        self._unkept = Unkept.below(fence, self._output, kept)
        for mark in () if kept is None else kept.marks:
            partition = Partition(mark.topic, mark.partition)
            if partition in self._sides:
                self._side_marks[partition] = mark
        return kept

    def folded(self, record: Record) -> None:
        """Note a side record that the state has taken in, at the start or later."""
        if record.partition in self._sides:
            self._side_records[record.partition] = record

    def wrote(self, outputs: Sequence[Outgoing], offsets: Sequence[int]) -> None:
        """Note outputs that are acknowledged."""
        if outputs:
            self._unkept.records += len(outputs)
            self._mark = Mark(
                *self._output, next_offset=offsets[-1] + 1, digest=short_digest(outputs[-1].value)
            )

    def keep(self, state: _S, tenure: Tenure, *, is_idle: bool, now_ns: int) -> None:
        """Keep the state if it is time; `now_ns` is monotonic."""
        is_due = self._unkept.is_due(
            _IDLE_OUTPUTS_MIN, _BUSY_OUTPUTS_MAX, is_idle=is_idle, now_ns=now_ns
        )
        if self._cache is None or self._mark is None or not is_due:
            return
        assert self.last is not None  # stamped before it was written
        self._unkept.kept(now_ns)
        for side, record in self._side_records.items():
            digest = short_digest(record.value or b"")
            self._side_marks[side] = Mark(*side, next_offset=record.offset + 1, digest=digest)
        self._side_records.clear()
        self._cache.save(
            Kept(
                state=state,
                marks=(self._mark, *self._side_marks.values()),
                topic_ids=self._topic_ids,
                epoch=tenure.epoch,
                seq=self.last.seq,
                last=self.last,
            )
        )
