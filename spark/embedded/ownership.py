"""Files and directories that belong to a server's own uid, made by root on its behalf."""

import os
import stat
import uuid
from pathlib import Path
from string import Template

from spark.embedded.reach import obstacle
from spark.errors import SettingError


class _AtTemplate(Template):
    """`@{word}`: the `${…}` of Kafka and the shell's `$` stay as they are."""

    delimiter = "@"


def fill(template: Path, **words: object) -> str:
    """
    Read a file of deploy/ and put words in place of its `@{word}`s.
    """
    return _AtTemplate(template.read_text(encoding="utf-8")).substitute(words)


def own_directory(path: Path, uid: int | None) -> None:
    """
    Make a directory of mode 0700, and give all that is in it to the uid it has now.

    Raises: SettingError when it cannot be made, or when the uid cannot reach it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if uid is None:
            return
        os.chown(path, uid, uid, follow_symlinks=False)
        for _, directories, files, descriptor in os.fwalk(path):
            for name in (*directories, *files):
                _give(name, uid, descriptor)
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror}; choose another SPARK_HOME") from None
    if (wall := obstacle(path, uid)) is not None:
        raise SettingError(
            f"uid {uid} cannot enter {wall} to reach {path}; choose a SPARK_HOME that other "
            "users can reach, such as one below /var/lib/spark"
        )


def write_owned(path: Path, text: str, uid: int | None) -> None:
    """
    Replace a file, whole or not at all, mode 0600.
    """
    fresh = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            if uid is not None:
                os.fchown(file.fileno(), uid, uid)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def _give(name: str, uid: int, directory: int) -> None:
    state = os.stat(name, dir_fd=directory, follow_symlinks=False)
    # A file with a second name may be somebody else's, linked here to be given away.
    if state.st_uid == uid or (stat.S_ISREG(state.st_mode) and state.st_nlink > 1):
        return
    os.chown(name, uid, uid, dir_fd=directory, follow_symlinks=False)
