"""
A state kept on disk, so that a restart need not fold the whole log.

Only a cache: it says up to which offsets it was folded, with the topics' ids and
the digest of the record before each (R18). A file that is damaged, or of another
shape than today's state, is ignored; one that belongs to another log halts,
because then the log is not what it was. Deleting it changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Generic, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from spark.bus.port import Bus, Partition
from spark.errors import PositionError
from spark.events import Stamp
from spark.log import logger
from spark.signing import short_digest
from spark.worker.tenure import read_between

_S = TypeVar("_S")
_DIGEST_BYTES: Final = 32


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
                raise PositionError(f"{topic} is not the topic that it was: created again?")
        partitions = {mark: Partition(mark.topic, mark.partition) for mark in kept.marks}
        ends = await bus.ends(list(partitions.values()))
        for mark, partition in partitions.items():
            if mark.next_offset > ends[partition]:
                raise PositionError(f"{partition} was cut to {ends[partition]}")
            if mark.next_offset:
                before = mark.next_offset - 1
                record = (await read_between(bus, partition, start=before, end=before + 1))[0]
                if short_digest(record.value or b"") != mark.digest:
                    raise PositionError(f"{partition}: offset {before} is not the record it was")
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
        try:
            return self._adapter.validate_json(body)
        except ValidationError:
            logger().warning("state_cache_ignored", why="does not decode")
            return None
