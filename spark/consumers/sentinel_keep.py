"""
The sentinel's kept state: how far each topic is folded, and the file that says so.

Only a cache, as every kept state: what it holds of the log can be folded again.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from spark.bus.port import Bus, Outgoing, Partition, Record
from spark.consumers.sentinel_state import SentinelState
from spark.signing import short_digest
from spark.worker.cache import Kept, Mark, StateCache
from spark.worker.tenure import Tenure

#: Samples between two times of keeping the state: what came since is folded by the next start.
UNKEPT_MAX: Final = 10


class SentinelKeeper:
    """
    Keeps the state, together with where it stands.

    Args:
        path: the file; None keeps nothing.
        topic_ids: of every topic that the state was folded from (R18).

    """

    def __init__(self, path: Path | None, topic_ids: Mapping[str, str]) -> None:
        self._cache = None if path is None else StateCache(path, SentinelState)
        self._topic_ids = dict(topic_ids)
        #: The last record folded of each partition, and what is known of the others.
        self._last: dict[Partition, Record] = {}
        self._marks: dict[Partition, Mark] = {}
        # The first sample keeps what the start folded: or one that ends again and again would
        # fold more each time.
        self._unkept = UNKEPT_MAX

    async def load(self, bus: Bus) -> tuple[SentinelState, dict[Partition, int]]:
        """
        Find the kept state and the offsets at which it goes on; an empty one where there is none.

        Raises:
            PositionError: it belongs to another log.

        """
        kept = None if self._cache is None else await self._cache.load(bus, self._topic_ids)
        if kept is None:
            return SentinelState(), {}
        self._marks = {Partition(mark.topic, mark.partition): mark for mark in kept.marks}
        return kept.state, {p: mark.next_offset for p, mark in self._marks.items()}

    def folded(self, record: Record) -> None:
        """Note a record that the state has taken in."""
        self._last[record.partition] = record

    def wrote(self, record: Outgoing, next_offset: int) -> None:
        """Note the last record that we wrote; the state has taken in all before it."""
        digest = short_digest(record.value)
        self._marks[record.partition] = Mark(
            *record.partition, next_offset=next_offset, digest=digest
        )

    def is_due(self) -> bool:
        """Count one more sample; says whether it is time to keep the state."""
        self._unkept += 1
        return self._unkept >= UNKEPT_MAX

    def keep(self, state: SentinelState, tenure: Tenure) -> None:
        """Keep the state; called where it agrees with what was noted."""
        if self._cache is None:
            return
        self._unkept = 0
        for partition, record in self._last.items():
            digest = short_digest(record.value or b"")
            self._marks[partition] = Mark(*partition, next_offset=record.offset + 1, digest=digest)
        self._last.clear()
        self._cache.save(
            Kept(
                state=state,
                marks=tuple(self._marks.values()),
                topic_ids=self._topic_ids,
                epoch=tenure.epoch,
                seq=-1,
                last=None,
            )
        )
