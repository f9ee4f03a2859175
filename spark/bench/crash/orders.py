"""
How a drill tells a process where to die: a small file in the process's own run directory.

The drill writes it whole or not at all; the process looks for it at each of its points,
counts its arrivals at the one that is named, and at the last removes the file, leaves a
note beside it, and does what was asked. Nothing of it is read by a process that trades:
only the drill's entry module (child.py) looks.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import orjson

from spark.crash_points import Point
from spark.embedded.ownership import write_owned

_ORDER: Final = "crash.json"
_NOTE: Final = "crashed.json"
_CLOCK: Final = "clock.json"
_AFTER_MAX: Final = 1_000_000


class How(StrEnum):
    """What a process does at its point."""

    #: Ends as by kill -9.
    KILL = "kill"
    #: Stops as by SIGSTOP; whoever ordered it lets it go on.
    STOP = "stop"
    #: Sends the first bytes of a request on what connections it has, and ends.
    HALF = "half"


@dataclass(frozen=True, slots=True)
class CrashOrder:
    """Where, at which arrival, and how."""

    point: Point
    after: int = 1
    how: How = How.KILL


@dataclass(frozen=True, slots=True)
class CrashNote:
    """What a process left when it did as it was told."""

    point: Point
    pid: int
    at_ns: int


def place_order(directory: Path, order: CrashOrder, uid: int | None) -> None:
    """Leave an order for a process; what an earlier one left is taken away."""
    (directory / _NOTE).unlink(missing_ok=True)
    body = {"point": order.point, "after": order.after, "how": order.how}
    write_owned(directory / _ORDER, orjson.dumps(body).decode(), uid)


def withdraw_order(directory: Path) -> None:
    """Take an order back that was not carried out."""
    (directory / _ORDER).unlink(missing_ok=True)


def read_note(directory: Path) -> CrashNote | None:
    """Read what the process left; None while it has not done it."""
    try:
        found = orjson.loads((directory / _NOTE).read_bytes())
        return CrashNote(Point(found["point"]), found["pid"], found["at_ns"])
    except (OSError, orjson.JSONDecodeError, KeyError, ValueError):
        return None


def step_clock(directory: Path, by_ms: int, uid: int | None) -> None:
    """Have a process's wall clock run apart by so much from now on; 0 sets it right again."""
    if by_ms:
        write_owned(directory / _CLOCK, orjson.dumps({"ms": by_ms}).decode(), uid)
    else:
        (directory / _CLOCK).unlink(missing_ok=True)


class Orders:
    """The process's side of it."""

    def __init__(self, directory: Path) -> None:
        self._order = directory / _ORDER
        self._note = directory / _NOTE
        self._clock = directory / _CLOCK
        #: Which file was counted against, and how many arrivals it still waits for.
        self._known = (0, 0)
        self._left = 0
        self._wanted: CrashOrder | None = None

    def due(self, point: Point) -> CrashOrder | None:
        """
        Count an arrival.

        Returns: the order, if this is the arrival that it waits for.

        """
        try:
            state = self._order.stat()
        except OSError:
            return None
        if (state.st_ino, state.st_mtime_ns) != self._known:
            self._known = (state.st_ino, state.st_mtime_ns)
            self._wanted = self._read()
            self._left = 0 if self._wanted is None else self._wanted.after
        if self._wanted is None or self._wanted.point is not point:
            return None
        self._left -= 1
        return self._wanted if self._left <= 0 else None

    def note(self, order: CrashOrder, at_ns: int) -> None:
        """Say that it is being done; the order is no more."""
        self._order.unlink(missing_ok=True)
        note = {"point": order.point, "pid": os.getpid(), "at_ns": at_ns}
        with suppress(OSError):
            write_owned(self._note, orjson.dumps(note).decode(), None)

    def clock_ms(self) -> int:
        """Give by how much the wall clock is to run apart."""
        try:
            if not self._clock.exists():
                return 0
            return int(orjson.loads(self._clock.read_bytes())["ms"])
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return 0

    def _read(self) -> CrashOrder | None:
        try:
            found = orjson.loads(self._order.read_bytes())
            after = min(max(1, int(found["after"])), _AFTER_MAX)
            return CrashOrder(Point(found["point"]), after, How(found["how"]))
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return None
