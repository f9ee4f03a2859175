"""
The kill latch: files that stop new orders, with Kafka up or down (design §5).

Any entry in the latch directory is a kill, whatever is in it. A directory that
is missing, a link, somebody else's or unreadable is a kill too. What a process
has once seen it keeps for its life: removing a file resumes nothing.
"""

import os
import stat
from itertools import islice
from pathlib import Path
from typing import Final

_ENVIRONMENT: Final = "environment"
_ENTRIES_MAX: Final = 64


class KillLatch:
    """What this process knows of kills outside the log."""

    def __init__(self, directory: Path, *, is_killed_by_environment: bool) -> None:
        self._directory = directory
        self._seen: dict[str, None] = {}
        if is_killed_by_environment:
            self._seen[_ENVIRONMENT] = None

    def in_force(self) -> tuple[str, ...]:
        """
        Look now.

        Returns: the kills in force, in the order in which they were seen; empty
            means that orders may go.
        """
        for found in self._look():
            self._seen.setdefault(found, None)
        return tuple(self._seen)

    def _look(self) -> list[str]:
        try:
            state = os.lstat(self._directory)
            if not stat.S_ISDIR(state.st_mode):
                return ["latch:not a directory"]
            if state.st_uid not in {0, os.geteuid()}:
                return ["latch:foreign owner"]
            with os.scandir(self._directory) as entries:
                return [_kill(entry.name) for entry in islice(entries, _ENTRIES_MAX)]
        except OSError as error:
            return [f"latch:{error.strerror}"]


def _kill(name: str) -> str:
    # A kill is written into decisions, and no record holds a name that is not UTF-8.
    return "latch:" + os.fsencode(name).decode("utf-8", "replace")
