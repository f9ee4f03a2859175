"""
When a transform's state is kept on disk, and what its place in the log is then.

Kept when the partition is idle, or after so many outputs that folding them again
would make a restart slow. Called between a batch's acknowledgement and the next
read, so that state and log agree.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

from spark.bus.port import Bus, Outgoing, Partition, Record
from spark.events import Stamp
from spark.signing import short_digest
from spark.topics import BY_NAME
from spark.worker.cache import Kept, Mark, StateCache
from spark.worker.contract import Transform
from spark.worker.tenure import Tenure

_S = TypeVar("_S")
#: Outputs since the last time, when idle and in any case.
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
        self._sides = {
            Partition(name, partition): b""
            for name in transform.sides
            if BY_NAME[name].partitions > 1
        }
        self._side_offsets = dict.fromkeys(self._sides, 0)
        self._topic_ids = {
            name: topic_ids[name]
            for name in (transform.output, *(side.topic for side in self._sides))
        }
        self._cache: StateCache[_S] | None = None
        if directory is not None:
            path = directory / f"{transform.role}.{partition}.state"
            self._cache = StateCache(path, transform.state_type)
        self._outputs = 0
        #: Right behind our own last output: what stands beyond it is not ours to name.
        self._mark: Mark | None = None
        #: Stamp of the last output.
        self.last: Stamp | None = None

    async def load(self, bus: Bus) -> Kept[_S] | None:
        """
        Find the kept state.

        Raises:
            PositionError: it belongs to another log.

        """
        return None if self._cache is None else await self._cache.load(bus, self._topic_ids)

    def folded(self, record: Record) -> None:
        """Note a side record that the state has taken in."""
        if record.partition in self._sides:
            self._sides[record.partition] = record.value or b""
            self._side_offsets[record.partition] = record.offset + 1

    def wrote(self, outputs: Sequence[Outgoing], offsets: Sequence[int]) -> None:
        """Note outputs that are acknowledged."""
        if outputs:
            self._outputs += len(outputs)
            self._mark = Mark(
                *self._output, next_offset=offsets[-1] + 1, digest=short_digest(outputs[-1].value)
            )

    def keep(self, state: _S, tenure: Tenure, *, is_idle: bool) -> None:
        """Keep the state if it is time."""
        due = _IDLE_OUTPUTS_MIN if is_idle else _BUSY_OUTPUTS_MAX
        if self._cache is None or self._mark is None or self._outputs < due:
            return
        assert self.last is not None  # stamped before it was written
        self._outputs = 0
        # A side of which nothing came since the start has no record to name; it
        # is folded again from its beginning, which changes nothing.
        sides = tuple(
            Mark(*side, next_offset=self._side_offsets[side], digest=short_digest(value))
            for side, value in self._sides.items()
            if self._side_offsets[side]
        )
        self._cache.save(
            Kept(
                state=state,
                marks=(self._mark, *sides),
                topic_ids=self._topic_ids,
                epoch=tenure.epoch,
                seq=self.last.seq,
                last=self.last,
            )
        )
