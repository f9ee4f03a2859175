"""
A state kept on disk, so that a restart need not fold the whole log.

Only a cache: it says up to which offsets it was folded, with the topics' ids and
the digest of the record before each (R18). A file that is damaged, or of another
shape than today's state, is ignored; one that belongs to another log halts,
because then the log is not what it was. Deleting it changes nothing.
"""

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from spark.bus.port import Bus, Partition, Record
from spark.crash_points import Point, reach
from spark.errors import PositionError
from spark.events import Stamp
from spark.log import logger
from spark.signing import short_digest
from spark.worker.incarnations import REMEDY
from spark.worker.spans import read_through

_S = TypeVar("_S")
_DIGEST_BYTES: Final = 32
#: Since the last time, under load. Writing some megabytes takes 30 ms, in which nobody is served.
_LATE_NS: Final = 20_000_000_000


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one partition was folded."""

    topic: str
    partition: int
    next_offset: int
    #: Short digest of the record before it; empty at offset 0.
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept(Generic[_S]):
    """A state with its place in the log."""

    state: _S
    #: The output partition first, then the side partitions.
    marks: tuple[Mark, ...]
    topic_ids: dict[str, str]
    #: Validity of the output at its mark, and its last valid record's stamp.
    epoch: int
    seq: int
    last: Stamp | None

    def position(self, partition: Partition) -> int:
        """Give the next offset to fold of a partition; 0 where the state holds none of it."""
        for mark in self.marks:
            if (mark.topic, mark.partition) == partition:
                return mark.next_offset
        return 0


@dataclass(slots=True)
class Unkept:
    """
    How many records of an output came since its state was kept, and whether to keep it now.

    It begins with what a start folds: or one that ends again and again would fold more each time.
    """

    records: int = 0
    _kept_ns: int = -_LATE_NS

    @classmethod
    def below(cls, fence: int, output: Partition, kept: Kept[Any] | None) -> "Unkept":
        """Count what a start folds below its fence."""
        return cls(fence - (0 if kept is None else kept.position(output)))

    def is_due(self, when_idle: int, in_any_case: int, *, is_idle: bool, now_ns: int) -> bool:
        """
        Say whether there is enough of them.

        Args:
            when_idle: how many, where the owner is idle or kept nothing for long.
            in_any_case: how many, where it is neither.
            now_ns: monotonic.

        """
        may_wait = not is_idle and now_ns - self._kept_ns < _LATE_NS
        return self.records >= (in_any_case if may_wait else when_idle)

    def kept(self, now_ns: int) -> None:
        """Begin anew: all of it is kept."""
        self.records, self._kept_ns = 0, now_ns


class StateCache(Generic[_S]):
    """
    The file of one role and partition.

    Args:
        path: in the role's own directory.
        kind: the state's type; its shape is part of the file.

    """

    def __init__(self, path: Path, kind: type[_S]) -> None:
        self._path = path
        self._adapter: TypeAdapter[Kept[_S]] = TypeAdapter(Kept[kind])  # type: ignore[valid-type]
        shape = orjson.dumps(self._adapter.json_schema(), option=orjson.OPT_SORT_KEYS)
        self._shape = sha256(shape).digest()

    def save(self, kept: Kept[_S]) -> None:
        """Replace the file; a reader finds the old one or the new one, whole."""
        body = self._adapter.dump_json(kept)
        part = self._path.with_suffix(".part")
        try:
            part.write_bytes(self._shape + sha256(body).digest() + body)
            reach(Point.SNAPSHOT_WRITTEN)
            part.replace(self._path)
        except OSError as error:
            # A full disk makes the next start slow, and stops nothing now.
            logger().warning("state_cache_not_kept", why=error.strerror)

    async def load(self, bus: Bus, topic_ids: Mapping[str, str]) -> Kept[_S] | None:
        """
        Read the file and check its place against the log.

        Returns: None where there is none that can be used.

        Raises:
            PositionError: it was folded from another log than this one.

        """
        kept = self._read()
        if kept is None:
            return None
        for topic, topic_id in kept.topic_ids.items():
            if topic_ids.get(topic) != topic_id:
                raise PositionError(
                    f"{topic} is not the topic that it was: created again? {REMEDY}"
                )
        marks = {Partition(one.topic, one.partition): one for one in kept.marks if one.next_offset}
        for partition, end in (await bus.ends(list(marks))).items():
            if marks[partition].next_offset > end:
                raise PositionError(f"{partition} was cut to {end}; {REMEDY}")

        def check(record: Record) -> None:
            if short_digest(record.value or b"") != marks[record.partition].digest:
                raise PositionError(
                    f"{record.partition}: offset {record.offset} is not the record it was; {REMEDY}"
                )

        # By one reader: each of its own would be a login.
        before = {p: (one.next_offset - 1, one.next_offset) for p, one in marks.items()}
        await read_through(bus, before, check)
        return kept

    def _read(self) -> Kept[_S] | None:
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            logger().warning("state_cache_ignored", why=error.strerror)
            return None
        shape, digest = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES : 2 * _DIGEST_BYTES]
        body = raw[2 * _DIGEST_BYTES :]
        if shape != self._shape or sha256(body).digest() != digest:
            logger().warning("state_cache_ignored", why="damaged or of another shape")
            return None
        # Nothing of what is made here is rubbish: the collector would walk it again and again.
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            return self._adapter.validate_json(body)
        except ValidationError:
            logger().warning("state_cache_ignored", why="does not decode")
            return None
        finally:
            if was_enabled:
                gc.enable()
