"""
One process for each role and partition on a host.

Without it two supervisors would fence each other for ever (F4). The kernel lets
go of the lock with the process, however that ends.
"""

import fcntl
import os
from pathlib import Path

from spark.errors import FencedError


class PartitionLock:
    """Held while the process lives."""

    def __init__(self, directory: Path, role: str, partition: int) -> None:
        self._path = directory / f"{role}.{partition}.lock"
        self._fd: int | None = None

    def take(self) -> None:
        """
        Take the lock or say who has it.

        Raises:
            FencedError: another process on this host works on the partition.

        """
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise FencedError(f"{self._path.name} is held by another process here") from None
        self._fd = fd

    def release(self) -> None:
        """Let go; idempotent."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)
