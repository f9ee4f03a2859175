"""
What a simulator leaves for others to find it: the ready file, the judges' token.
"""

import os
import secrets
import tempfile
from pathlib import Path
from typing import Final

from spark.errors import SettingError
from spark.exchanges.simulator.accounts import private_bytes

TOKEN_BYTES: Final = 24


def judges_token(given: Path | None, ready_file: Path | None) -> tuple[str, Path | None]:
    """
    Read the judges' token, or make one beside the ready file.

    Returns:
        The token, and the file that holds it; without either file nobody else knows it.

    Raises:
        SettingError: the given file is missing, empty or not private.
    """
    if given is not None:
        token = private_bytes(given).decode("utf-8", "replace").strip()
        if not token:
            raise SettingError(f"{given}: empty")
        return token, given
    token = secrets.token_urlsafe(TOKEN_BYTES)
    if ready_file is None:
        return token, None
    path = ready_file.with_name(ready_file.name + ".admin-token")
    write_atomically(path, token.encode(), mode=0o400)
    return token, path


def write_atomically(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """
    Write a file so that a reader finds the whole of it or none.

    Raises:
        SettingError: it cannot be written.
    """
    try:
        fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with open(fd, "wb") as file:  # noqa: PTH123  (a descriptor)
            os.fchmod(fd, mode)
            file.write(content)
        Path(name).replace(path)
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror}") from None
