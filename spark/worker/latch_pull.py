"""
Pulling the kill latch: one more file in its directory, on the disk before anything else.

The file works with Kafka down, and for processes that do not hear the log (design §5). It
appears whole: a kill is called by its file's time too, and one that were written after
it can be seen would be two.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

#: Readable for everybody: who is stopped may know why.
_MODE: Final = 0o644


def pull_latch(directory: Path, halt: str, text: bytes) -> None:
    """
    Put a file named by the halt into the latch directory; one that is there already stays.

    Raises:
        OSError: it could not be written; only the log can kill now.

    """
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(FileExistsError):
            fd = _appear(held, halt, text)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        os.fsync(held)
    finally:
        os.close(held)


def _appear(held: int, halt: str, text: bytes) -> int:
    """Make the file; its descriptor is the caller's to close."""
    try:
        fd = os.open(".", os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, _MODE, dir_fd=held)
    except OSError:
        # A file system without nameless files: an empty one says as loudly that it kills.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(halt, flags, _MODE, dir_fd=held)
    try:
        with suppress(OSError):  # a full disk: the entry kills, the text only tells why
            os.write(fd, text)
        os.link(f"/proc/self/fd/{fd}", halt, dst_dir_fd=held, follow_symlinks=True)
    except OSError:
        os.close(fd)
        raise
    return fd
