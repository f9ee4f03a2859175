"""
The two kinds of handler, told apart by type.

A Transform is pure: the loop keeps its state, stamps its one output for each
input and resumes from the output's own tail. An Effect touches the world and is
idempotent by id. guardrail and signer are Transforms; gateway and feed_writer
are Effects; the auditor folds many topics into one and has its own loop.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from spark.bus.port import Headers
from spark.events import Event, Stamp
from spark.names import Reason

_S = TypeVar("_S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why an input cannot be used; the handler turns it into its output all the same (R6)."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One valid place in the input log, readable or not."""

    partition: int
    offset: int
    appended_ns: int
    body: bytes
    headers: Headers
    #: None exactly when there is a fault.
    event: Event | None
    fault: Fault | None
    #: Principal whose tag verified; empty where the topic carries none.
    writer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What one wake-up knows beside the records: handed in, so that a step reads no clock."""

    now_ns: int
    #: `topic/partition` -> next offset of each side input, as folded.
    seen: dict[str, int]
    #: Kills in force outside the log; those on it come as records of the sides.
    halts: tuple[str, ...]


class Transform(Protocol[_S]):
    """
    A pure handler from one input topic to one output topic, the same partition.

    None of its methods blocks, raises for bad input, or keeps anything outside `state`.
    """

    @property
    def role(self) -> str:
        """Name the process."""

    @property
    def source(self) -> str:
        """Name the input topic."""

    @property
    def output(self) -> str:
        """Name the output topic; the role is its one writer."""

    @property
    def sides(self) -> Sequence[str]:
        """
        Name the topics that are folded into the state beside the input.

        A topic with as many partitions as the input is read partition by
        partition; one with a single partition goes to every partition's state.
        """

    @property
    def settings(self) -> Mapping[str, str]:
        """Say what the outputs follow from beside the log; the fence tells it (R15)."""

    @property
    def state_type(self) -> type[_S]:
        """Name the state's type: a dataclass of plain values, because it is kept as JSON."""

    def initial(self, partition: int) -> _S:
        """Give the state before any record."""

    def fold(self, state: _S, place: "Place", event: Event) -> None:
        """Let a valid record of the output, or of a side, change the state; idempotent."""

    def step(self, state: _S, given: Given, tick: Tick, stamp: Stamp) -> Event:
        """Decide the one output for an input; the loop folds it afterwards."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a folded record stands."""

    topic: str
    partition: int
    offset: int
    appended_ns: int


@dataclass(slots=True)
class Lane(Generic[_S]):
    """One partition's state inside a running transform."""

    partition: int
    state: _S
