"""
Named places where a process has done one thing and not yet the next.

A drill that wants to see a process die exactly there starts it with an entry module of
its own (spark/bench/crash/child.py), which arms these points. No setting, no variable
and no argument of `spark run` does: in a process that trades, `reach` meets an object
that does nothing (runbook/decisions/0018-crash-points.md).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from spark.names import Role


class Point(StrEnum):
    """One place; its name says what is done, and the next thing is not."""

    #: The output partition is fenced, its past is not folded.
    FENCED = "fenced"
    #: Inputs are read, no step was taken.
    CONSUMED = "consumed"
    #: Outputs are decided, none is appended.
    STEPPED = "stepped"
    #: Outputs stand on the log; nothing else knows of it.
    PRODUCED = "produced"
    #: A state's new file is written and not yet in the place of the old one.
    SNAPSHOT_WRITTEN = "snapshot_written"
    #: A latch copy's new file is flushed and not yet in the place of the old one.
    LATCH_WRITTEN = "latch_written"
    #: Signed requests are in their queues.
    REQUESTS_TAKEN = "requests_taken"
    #: Claims are decided, none is appended.
    CLAIMS_DECIDED = "claims_decided"
    #: Claims stand on the log, no byte has left.
    CLAIMS_WRITTEN = "claims_written"
    #: The last check passed with the connection in hand; the first byte is next.
    AT_THE_DOOR = "at_the_door"
    #: The exchange has replied; no event says so.
    REPLIED = "replied"
    #: Events of answers stand on the log; nothing is kept of them.
    ANSWERS_WRITTEN = "answers_written"
    #: A key's use is on the log, its signature is not handed over.
    KEY_USE_WRITTEN = "key_use_written"
    #: What the exchange told is folded and not appended.
    NEWS_FOLDED = "news_folded"
    #: What the exchange told stands on the log.
    NEWS_WRITTEN = "news_written"
    #: Some lines of a COPY are with the server, its end is not.
    IN_COPY = "in_copy"
    #: All COPYs are sent; whether the offsets moved is not known here.
    ROWS_COPIED = "rows_copied"
    #: Offset rows have moved inside a transaction that holds no other row yet.
    OFFSETS_MOVED = "offsets_moved"
    #: All rows are in the transaction, which is not committed.
    ROWS_WRITTEN = "rows_written"
    #: The transaction is committed; the process does not know it.
    ROWS_COMMITTED = "rows_committed"
    #: A protection is decided and not said.
    PROTECTION_DECIDED = "protection_decided"
    #: Pages of the audit stand on the log, no checkpoint signs them.
    PAGES_WRITTEN = "pages_written"
    #: A checkpoint of the audit stands on the log, and nowhere else.
    CHECKPOINT_WRITTEN = "checkpoint_written"
    #: An anchor's line is with the file system, not flushed.
    ANCHOR_WRITTEN = "anchor_written"


_FENCING: Final = (
    Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY, Role.ACCOUNT_FEED, Role.AUDITOR, Role.SENTINEL,
)  # fmt: skip
_STAGES: Final = (Role.GUARDRAIL, Role.SIGNER)
#: Who comes by each point.
REACHED_BY: Final[dict[Point, tuple[Role, ...]]] = {
    Point.FENCED: _FENCING,
    Point.CONSUMED: _STAGES,
    Point.STEPPED: _STAGES,
    Point.PRODUCED: _STAGES,
    Point.SNAPSHOT_WRITTEN: (*_STAGES, Role.GATEWAY, Role.AUDITOR),
    Point.LATCH_WRITTEN: (*_STAGES, Role.GATEWAY),
    Point.REQUESTS_TAKEN: (Role.GATEWAY,),
    Point.CLAIMS_DECIDED: (Role.GATEWAY,),
    Point.CLAIMS_WRITTEN: (Role.GATEWAY,),
    Point.AT_THE_DOOR: (Role.GATEWAY,),
    Point.REPLIED: (Role.GATEWAY,),
    Point.ANSWERS_WRITTEN: (Role.GATEWAY,),
    Point.KEY_USE_WRITTEN: (Role.SIGNER,),
    Point.NEWS_FOLDED: (Role.ACCOUNT_FEED,),
    Point.NEWS_WRITTEN: (Role.ACCOUNT_FEED,),
    Point.IN_COPY: (Role.FEED_WRITER,),
    Point.ROWS_COPIED: (Role.FEED_WRITER,),
    Point.OFFSETS_MOVED: (Role.PROJECTOR,),
    Point.ROWS_WRITTEN: (Role.PROJECTOR,),
    Point.ROWS_COMMITTED: (Role.FEED_WRITER, Role.PROJECTOR),
    Point.PROTECTION_DECIDED: (Role.SENTINEL,),
    Point.PAGES_WRITTEN: (Role.AUDITOR,),
    Point.CHECKPOINT_WRITTEN: (Role.AUDITOR,),
    Point.ANCHOR_WRITTEN: (Role.AUDITOR,),
}


class Points(Protocol):
    """What is done at a point."""

    def reach(self, point: Point) -> None:
        """Take note; may not return."""


class Unarmed:
    """Nothing is done."""

    def reach(self, point: Point) -> None:
        """Go on."""


@dataclass(slots=True)
class _Process:
    points: Points


_process: Final = _Process(Unarmed())


def reach(point: Point) -> None:
    """Say that this process is at a point."""
    _process.points.reach(point)


def arm(points: Points) -> None:
    """Have something done at points from now on; for a drill's entry module alone."""
    _process.points = points
