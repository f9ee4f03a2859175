"""
The kill latch: files that stop new orders, with Kafka up or down (design §5).

Any entry in the latch directory is a kill, whatever is in it; touched again it is
another one. A directory that is missing, a link, somebody else's, unreadable or too
full is a kill for as long as it is so. What a process has seen it keeps, also in a
file of its own over restarts (latch_copy.py): removing a file resumes nothing, only a
resume that names the kill does (S10).
"""

import os
import stat
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Final

from spark.worker.latch_copy import KILLS_MAX, LatchCopy

ENVIRONMENT: Final = "environment"
#: How kills from the directory begin.
PREFIX: Final = "latch:"
_ENTRIES_MAX: Final = 64
_TOUCHED_MAX: Final = 1_000


class KillLatch:
    """
    What this process knows of kills outside the log.

    Args:
        directory: whose entries are kills.
        is_killed_by_environment: a kill that lasts as long as the variable, whatever is resumed.
        copy: keeps what was seen over restarts; None keeps it for this process's life alone.
        now_ns: names doubts, which have no time of their own.

    """

    def __init__(
        self,
        directory: Path,
        *,
        is_killed_by_environment: bool,
        copy: LatchCopy | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._directory = directory
        self._environment = (ENVIRONMENT,) if is_killed_by_environment else ()
        self._copy = copy
        self._now_ns = now_ns
        #: When the entries of the latest looks were touched.
        self._touched_ns: dict[str, int] = {}
        self._is_cleared: Callable[[str], bool] = lambda _: False
        self._seen: dict[str, None] = {} if copy is None else dict.fromkeys(copy.read())

    def in_force(self) -> tuple[str, ...]:
        """
        Look now; what is new stands in the process's own copy before this returns.

        Returns: the kills in force, in the order in which they were seen; empty
            means that orders may go.
        """
        entries, doubts = self._look()
        if self._copy is not None:
            doubts += self._copy.doubts()
        before = len(self._seen)
        for name in entries:
            if name not in self._seen and not self._is_cleared(name):
                self._see(name)
        for doubt in doubts:
            self._doubt(doubt)
        if len(self._seen) != before:
            self._keep()
        return (*self._environment, *self._seen)

    def clear(self, is_cleared: Callable[[str], bool]) -> None:
        """
        Let go of what a verified resume names; call it again after each word of people.

        Args:
            is_cleared: tells whether a resume in force names a kill outside the log.

        """
        self._is_cleared = is_cleared
        over = [name for name in self._seen if is_cleared(name)]
        for name in over:
            del self._seen[name]
        if over:
            self._keep()

    def _doubt(self, doubt: str) -> None:
        # One name for as long as it lasts; a resume that names it while it lasts
        # brings the next name, so that it kills on.
        if any(name.startswith(f"{PREFIX}{doubt}@") for name in self._seen):
            return
        moment = self._now_ns()
        while self._is_cleared(name := f"{PREFIX}{doubt}@{moment}"):
            moment += 1
        self._see(name)

    def _see(self, name: str) -> None:
        # What finds no room is seen when a resume makes some; until then others kill.
        if len(self._seen) < KILLS_MAX:
            self._seen[name] = None

    def _keep(self) -> None:
        if self._copy is not None:
            self._copy.write(tuple(self._seen))

    def _look(self) -> tuple[list[str], list[str]]:
        """List the entries by their names as kills, and what is wrong with the directory."""
        try:
            state = os.lstat(self._directory)
            if not stat.S_ISDIR(state.st_mode):
                return [], ["not a directory"]
            if state.st_uid not in {0, os.geteuid()}:
                return [], ["foreign owner"]
            with os.scandir(self._directory) as entries:
                found = list(islice(entries, _ENTRIES_MAX + 1))
        except OSError as error:
            return [], [str(error.strerror)]
        doubts = ["too many entries"] if len(found) > _ENTRIES_MAX else []
        if len(self._touched_ns) > _TOUCHED_MAX:
            self._touched_ns.clear()
        return [self._kill(entry) for entry in found[:_ENTRIES_MAX]], doubts

    def _kill(self, entry: "os.DirEntry[str]") -> str:
        # A kill is written into decisions, and no record holds a name that is not UTF-8.
        name = os.fsencode(entry.name).decode("utf-8", "replace")
        try:
            touched_ns = entry.stat(follow_symlinks=False).st_mtime_ns
        except OSError:
            # Gone since it was listed: it was there, so it kills. One that was there at the
            # last look is that kill, or each resume that removes its file could bring another.
            touched_ns = self._touched_ns.get(name, self._now_ns())
        self._touched_ns[name] = touched_ns
        return f"{PREFIX}{name}@{touched_ns}"
