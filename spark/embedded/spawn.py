"""
Starts one child on a leash, its output in a file that cannot grow without end.
"""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from spark.embedded.command import Command

_LEASH: Final = Path(__file__).with_name("leash.py")
LOG_BYTES_MAX: Final = 64 * 1024 * 1024
_TAIL_BYTES: Final = 64 * 1024


async def spawn(
    command: Command,
    *,
    log: Path,
    death_signal: signal.Signals = signal.SIGKILL,
    stdin: int = asyncio.subprocess.DEVNULL,
) -> asyncio.subprocess.Process:
    """
    Start a program that ends when this process ends.

    Call it from the thread that lives as long as the process: the kernel takes the
    end of the starting *thread* for the end of the parent.

    Args:
        log: where its output is appended.
        death_signal: what the kernel sends it when this process ends.
        stdin: what it reads.

    Raises:
        OSError: the system has no room for another process.

    """
    uid = "-" if command.uid is None else ":".join(map(str, (command.uid, *command.groups)))
    with open_log(log) as output:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", str(_LEASH)),
            *(str(int(death_signal)), str(os.getpid()), uid),
            *command.argv,
            env=dict(command.env),
            cwd=command.cwd,
            umask=0o077,
            # Ctrl-C in the terminal is for the supervisor, which stops all in order.
            start_new_session=True,
            stdin=stdin,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )


@contextmanager
def open_log(log: Path) -> Iterator[int]:
    """Open a file for a child's output, as a descriptor, and close it again."""
    rotate(log)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    output = os.open(log, flags, 0o600)
    try:
        yield output
    finally:
        os.close(output)


def rotate(log: Path) -> None:
    """
    Move a log that grew too large to `<name>.1`; what writes to it goes on at its start.
    """
    with suppress(FileNotFoundError):
        if log.stat().st_size > LOG_BYTES_MAX:
            # A rename would leave a running child writing to the old file for ever.
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)


def size_of(log: Path) -> int:
    """Give the size of a log, 0 where there is none."""
    with suppress(FileNotFoundError):
        return log.stat().st_size
    return 0


def last_lines(log: Path, count: int, *, since: int = 0) -> list[str]:
    """
    Read the last lines of a log.

    Args:
        since: ignore what stands before this byte: an earlier start's.

    """
    try:
        with log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, min(since, end), end - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return [line for line in text.splitlines() if line.strip()][-count:]
