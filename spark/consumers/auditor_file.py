"""
The append-only file of anchors and receipts, one to a line, flushed before it counts.

A line that a crash cut off is taken away at the next opening; nothing else is ever
changed. After a failed write the file is opened anew: what a failed fsync left in the
kernel proves nothing.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from spark.audit_anchor import LINE_BYTES_MAX, Anchor, read_note
from spark.codec import encode
from spark.crash_points import Point, reach
from spark.errors import MalformedError, SettingError

_MODE: Final = 0o640
_BLOCK_BYTES: Final = 1024 * 1024
_BREAK: Final = b"\n"


class AnchorFile:
    """One file, one writer; every method blocks on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    def open(self) -> Anchor | None:
        """
        Open it for appending.

        Returns: the last anchor in it, None in an empty one.

        Raises:
            OSError: it cannot be made, read or mended.
            SettingError: it holds something else.

        """
        self.close()
        self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(self.path, flags, _MODE)
        try:
            end = _drop_partial_line(fd)
            last = _last_anchor(fd, end, self.path)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return last

    def append(self, notes: Sequence[object]) -> None:
        """
        Append lines and flush them; opens the file first where it is not open.

        Raises:
            OSError: nothing is sure; `open` says what stands.

        """
        if self._fd < 0:
            self.open()
        body = b"".join(encode(note) + _BREAK for note in notes)
        try:
            while body:
                body = body[os.write(self._fd, body) :]
            reach(Point.ANCHOR_WRITTEN)
            os.fsync(self._fd)
        except OSError:
            self.close()
            raise

    def after(self, size: int) -> Iterator[Anchor]:
        """
        Read the anchors whose checkpoint stands behind `size` links, in their order.

        Raises:
            OSError: it cannot be read.

        """
        for line in lines_of(self.path):
            note = read_note(line)
            if isinstance(note, Anchor) and note.size > size:
                yield note

    def close(self) -> None:
        """Let go of it; idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def lines_of(path: Path) -> Iterator[bytes]:
    """
    Read a file of anchors and receipts line by line.

    Raises:
        OSError: it cannot be read.

    """
    with path.open("rb") as file:
        while line := file.readline(LINE_BYTES_MAX):
            if line.endswith(_BREAK):
                yield line.removesuffix(_BREAK)


def _drop_partial_line(fd: int) -> int:
    end = os.fstat(fd).st_size
    at = end
    while at:
        start = max(0, at - _BLOCK_BYTES)
        found = os.pread(fd, at - start, start).rfind(_BREAK)
        if found >= 0:
            at = start + found + 1
            break
        at = start
    if at != end:
        os.ftruncate(fd, at)
        os.fsync(fd)
    return at


def _last_anchor(fd: int, end: int, path: Path) -> Anchor | None:
    """Look for it from the end on: behind it stand a few receipts at the most."""
    wanted = _BLOCK_BYTES
    while end:
        start = max(0, end - wanted)
        lines = os.pread(fd, end - start, start).split(_BREAK)
        # The first one may be the end of a longer line.
        for line in reversed(lines if start == 0 else lines[1:]):
            note = _note(line, path) if line else None
            if isinstance(note, Anchor):
                return note
        if start == 0:
            return None
        wanted *= 4
    return None


def _note(line: bytes, path: Path) -> object:
    try:
        return read_note(line)
    except MalformedError as error:
        raise SettingError(f"{path}: {error}") from None
