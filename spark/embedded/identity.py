"""
Which process a pid means: a number alone is given to another process sooner or later.

A process is its pid, the boot in which it started and when it started after that
boot. Everything that kills by a pid read from a file compares all three first.
"""

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
#: Fields of /proc/<pid>/stat after the command name, which may hold blanks itself.
_STATE: Final = 0
_START_TIME: Final = 19
_ENDED: Final = frozenset({"Z", "X"})


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process of one boot."""

    pid: int
    #: Boot and start time; opaque.
    birth: str

    def is_alive(self) -> bool:
        """Say whether exactly this process still runs; a zombie does not."""
        return _birth(self.pid) == self.birth


def identify(pid: int) -> ProcessIdentity | None:
    """
    Find out which process has a pid now.

    Returns: None when there is none, or only a zombie.
    """
    birth = _birth(pid)
    return None if birth is None else ProcessIdentity(pid, birth)


def own_identity() -> ProcessIdentity:
    """Identify this process."""
    found = identify(os.getpid())
    assert found is not None, "this process runs"
    return found


def descendants(process: ProcessIdentity) -> list[ProcessIdentity]:
    """List what a process started, directly and indirectly."""
    if not process.is_alive():
        return []
    with contextlib.suppress(psutil.Error):
        below = psutil.Process(process.pid).children(recursive=True)
        return [found for child in below if (found := identify(child.pid)) is not None]
    return []


def _birth(pid: int) -> str | None:
    return _birth_from_proc(pid) if sys.platform == "linux" else _birth_from_psutil(pid)


def _birth_from_proc(pid: int) -> str | None:
    # psutil's start time is computed from the boot time, which moves with the clock.
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[_STATE] in _ENDED else f"{boot}:{fields[_START_TIME]}"


def _birth_from_psutil(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return f"{process.create_time():.3f}"
    except psutil.Error:
        return None
