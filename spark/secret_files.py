"""
Opens and reads secret files: never through a link, never one that others may touch (S15, S18).
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from spark.errors import SettingError
from spark.log import register_secret

SECRET_BYTES_MAX: Final = 64 * 1024
_FORBIDDEN_BITS: Final = stat.S_IRWXG | stat.S_IRWXO
_DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def read_secret(path: Path, uid: int | None = None) -> bytes:
    """
    Read a secret after checking what kind of file holds it; nothing prints it from now on.

    Args:
        uid: the owner it must have; None stands for the uid of this process.

    Raises:
        SettingError: it is missing, a link, too large, or not its owner's alone.

    """
    with open_secret(path) as descriptor:
        state = os.fstat(descriptor)
        owner = os.geteuid() if uid is None else uid
        if state.st_uid != owner:
            raise SettingError(f"secret file {path}: owned by uid {state.st_uid}; chown it")
        if stat.S_IMODE(state.st_mode) & _FORBIDDEN_BITS:
            raise SettingError(f"secret file {path}: others may read it; chmod 0400")
        secret = os.read(descriptor, SECRET_BYTES_MAX + 1)
    if not secret or len(secret) > SECRET_BYTES_MAX:
        raise SettingError(f"secret file {path}: must hold 1 to {SECRET_BYTES_MAX} bytes")
    register_secret(secret)
    register_secret(secret.strip())
    return secret


@contextmanager
def open_directory(path: Path) -> Iterator[int]:
    """
    Hold a directory that is no link open while the body runs.

    Raises:
        SettingError: there is none.

    """
    try:
        descriptor = os.open(path, _DIRECTORY_FLAGS)
    except OSError as error:
        raise SettingError(f"{path}: not a usable directory ({error.strerror})") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def open_secret(path: Path) -> Iterator[int]:
    """
    Hold a plain file open for reading while the body runs.

    Raises:
        SettingError: there is none, or something else stands in its place.

    """
    with open_directory(path.parent) as directory:
        try:
            # O_NONBLOCK: a FIFO put in its place must not hang the reader.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(path.name, flags, dir_fd=directory)
        except OSError as error:
            raise SettingError(f"secret file {path}: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SettingError(f"secret file {path}: not a plain file")
        yield descriptor
    finally:
        os.close(descriptor)
