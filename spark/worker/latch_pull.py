"""
Pulling the kill latch: one more file in its directory, on the disk before anything else.

The file works with Kafka down, and for processes that do not hear the log (design §5).
"""

import os
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
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(directory / halt, flags, _MODE)
    except FileExistsError:
        return
    with os.fdopen(fd, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(held)
    finally:
        os.close(held)
