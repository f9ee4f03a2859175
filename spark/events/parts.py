"""
What records of every kind are made of.
"""

from dataclasses import dataclass
from typing import Literal, TypeVar, dataclass_transform

from spark.names import Reason

_T = TypeVar("_T")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def event(cls: type[_T]) -> type[_T]:
    """
    Make a frozen, strict, closed record type whose fields encode in sorted order.

    orjson writes dataclass fields in the order of `__dataclass_fields__` and has
    no option to sort them, so the order is set here, once, for each class.
    """
    made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
    made.__dataclass_fields__ = dict(sorted(made.__dataclass_fields__.items()))  # type: ignore[attr-defined]
    made.__pydantic_config__ = {"extra": "forbid", "strict": True}  # type: ignore[attr-defined]
    return made


@event
class Stamp:
    """Where an output stands and what it came from; the log's validity is read off it (F2, F3)."""

    #: Offset of the writer's fence on this output partition.
    epoch: int
    #: Offset of the intent it descends from: dense, and the same on every hop.
    seq: int
    #: Offset of the input record on the input partition.
    src_offset: int
    #: The input's own epoch; -1 for intents, which have none.
    src_epoch: int
    #: First 16 hex digits of the SHA-256 of the input's value: a resume checks it (R18).
    src_digest: str


@event
class Refusal:
    """One reason, with what was found and what the limit is, each as text."""

    code: Reason
    found: str | None = None
    limit: str | None = None


@event
class PartitionFenced:
    """
    An instance took this output partition; the record's own offset is its epoch.

    Everything that a later-fenced instance finds from an earlier epoch after
    this record is void (R3), except evidence (R4).
    """

    type: Literal["partition_fenced"] = "partition_fenced"
    v: Literal[1] = 1
    role: str
    instance: str
    #: `topic` -> the broker's id of each topic that the role reads or writes (R18).
    topic_ids: dict[str, str]
    #: What its outputs follow from beside the log (R15): start limits, mode, endpoint, digests.
    settings: dict[str, str]
    fenced_ns: int


@event
class DeadLettered:
    """An input that could not be used; the bytes themselves stay on their topic."""

    type: Literal["dead_lettered"] = "dead_lettered"
    v: Literal[1] = 1
    role: str
    topic: str
    partition: int
    offset: int
    reason: Reason
    detail: str
    bytes_len: int
    sha256: str
    at_ns: int
