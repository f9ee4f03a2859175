"""
A process's own copy of the kills that it saw in the latch directory (S10).

Reads   its file at start, and whether that file is still the one it wrote
Writes  the file, mode 0600, flushed to the disk before anything is confirmed
Owns    the file alone; nobody else is meant to open it
Fails   towards a kill: a file that is missing, a link, somebody else's, unreadable
        or of another form is one, until a resume names it
"""

import os
import stat
from pathlib import Path
from typing import Final

import orjson

from spark.crash_points import Point, reach
from spark.log import logger

_FILE: Final = "kills.json"
_BYTES_MAX: Final = 1 << 20
#: What a latch keeps at most; the names are part of decisions and pulses, which have limits.
KILLS_MAX: Final = 100
#: The name of a file, its prefix and its time.
_NAME_CHARS_MAX: Final = 300
_MODE: Final = 0o600
_FORBIDDEN_BITS: Final = stat.S_IRWXG | stat.S_IRWXO


class LatchCopy:
    """
    One process's file.

    Args:
        directory: the process's own, made when the home is (embedded/home.py); the
            empty copy is made with it, so that a missing one means that it was removed.

    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / _FILE
        self._doubt = ""
        #: Device and inode of what was last read or written.
        self._known: tuple[int, int] | None = None

    def read(self) -> tuple[str, ...]:
        """Read what was seen before this process started; doubts are for `doubts` to tell."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            self._doubt = f"own copy: {error.strerror}"
            return ()
        try:
            state = os.fstat(fd)
            self._doubt = _wrong(state)
            if self._doubt:
                return ()
            self._known = (state.st_dev, state.st_ino)
            text = os.read(fd, _BYTES_MAX + 1)
        finally:
            os.close(fd)
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError:
            found = None
        if not _is_copy(found):
            self._doubt = "own copy: rubbish"
            return ()
        assert isinstance(found, list)
        return tuple(found)

    def doubts(self) -> list[str]:
        """Say what is wrong with the file now; it was right while nothing is said."""
        if self._doubt:
            found, self._doubt = self._doubt, ""
            return [found]
        try:
            state = os.lstat(self._path)
        except OSError as error:
            return [f"own copy: {error.strerror}"]
        if (state.st_dev, state.st_ino) != self._known:
            return ["own copy: replaced"]
        wrong = _wrong(state)
        return [wrong] if wrong else []

    def write(self, kills: tuple[str, ...]) -> None:
        """Replace the file, whole or not at all, and flush it to the disk."""
        part = self._path.with_suffix(".part")
        try:
            part.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(part, flags, _MODE), "wb") as file:
                file.write(orjson.dumps(kills))
                file.flush()
                os.fsync(file.fileno())
                state = os.fstat(file.fileno())
            reach(Point.LATCH_WRITTEN)
            part.replace(self._path)
            _flush_directory(self._path.parent)
        except OSError as error:
            # The kill holds in memory; a restart finds the old copy and the latch directory.
            logger().error("kill_not_copied", why=error.strerror)
            return
        self._known = (state.st_dev, state.st_ino)


def make_empty_copy(directory: Path) -> None:
    """
    Make a process's first copy, with nothing in it; one that exists stays.

    Raises:
        OSError: the directory cannot be written.

    """
    fd = os.open(directory / _FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _MODE)
    with os.fdopen(fd, "wb") as file:
        file.write(b"[]")
        file.flush()
        os.fsync(file.fileno())


def _is_copy(found: object) -> bool:
    """Tell whether these are kills as `write` left them: more, or longer, was written by others."""
    return (
        isinstance(found, list)
        and len(found) <= KILLS_MAX
        and all(isinstance(one, str) and len(one) <= _NAME_CHARS_MAX for one in found)
    )


def _wrong(state: os.stat_result) -> str:
    if not stat.S_ISREG(state.st_mode):
        return "own copy: not a plain file"
    if state.st_uid != os.geteuid():
        return "own copy: foreign owner"
    if stat.S_IMODE(state.st_mode) & _FORBIDDEN_BITS:
        return "own copy: others may touch it"
    return ""


def _flush_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
