"""
Run under a role's uid: tries files, directories, processes and the signer's socket.

Reads   from stdin a JSON list of `[operation, target]`
Writes  on stdout a JSON list of answers: `allowed`, `refused`, or the error as it is
Owns    nothing; what it makes in a directory it removes
Fails   never for an attempt; a traceback is a bug

It imports no Spark, so that a uid that can read nothing of it can still run it by path.
"""

import ctypes
import errno
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

_ALLOWED = "allowed"
_REFUSED = "refused"
_DENIED = {errno.EACCES, errno.EPERM}
_NAME = "spark.access"
#: Attaches without stopping the process.
_PTRACE_SEIZE = 0x4206
_PTRACE_DETACH = 17
_WAIT_S = 5.0
_REPLY_BYTES_MAX = 4096
#: What the signer says to whom it does not serve.
_NOT_SERVED = b"may not ask"
#: Something is mapped at the beginning of no program; any read past the check will do.
_MEMORY_BYTES = 1


def _read(target: str) -> None:
    descriptor = os.open(target, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.read(descriptor, 1)
    finally:
        os.close(descriptor)


def _memory(target: str) -> None:
    # Opening is what the kernel checks; a read of address 0 fails for anybody.
    os.close(os.open(target, os.O_RDONLY))


def _list(target: str) -> None:
    os.listdir(target)  # noqa: PTH208  (a Path would add nothing)


def _pass(target: str) -> None:
    # A name that cannot be there: whoever may pass is told so, others are refused.
    try:
        os.stat(f"{target}/{_NAME}")  # noqa: PTH116  (as above)
    except FileNotFoundError:
        return


def _make(target: str) -> None:
    path = Path(target, f"{_NAME}.{os.getuid()}")
    path.touch(exist_ok=False)
    path.unlink()


def _remove(target: str) -> None:
    Path(target).unlink()


def _ptrace(target: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    pid = int(target)
    if libc.ptrace(_PTRACE_SEIZE, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    libc.ptrace(_PTRACE_DETACH, pid, None, None)


def _signal(target: str) -> None:
    os.kill(int(target), 0)


def _become(target: str) -> None:
    os.setuid(int(target))


def _ask(target: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_WAIT_S)
        connection.connect(target)
        try:
            connection.sendall(b"{}\n")
            reply = connection.recv(_REPLY_BYTES_MAX)
        except ConnectionError:
            # Closed before a byte was read: that is the refusal.
            reply = b""
    if not reply or _NOT_SERVED in reply:
        raise OSError(errno.EACCES, "not served")


_OPERATIONS: dict[str, Callable[[str], None]] = {
    "read": _read,
    "list": _list,
    "pass": _pass,
    "make a file": _make,
    "remove": _remove,
    "memory": _memory,
    "environment": _read,
    "maps": _read,
    "trace": _ptrace,
    "signal": _signal,
    "become": _become,
    "ask": _ask,
}


def answer(operation: str, target: str) -> str:
    """Try one thing."""
    try:
        _OPERATIONS[operation](target)
    except OSError as error:
        return _REFUSED if error.errno in _DENIED else f"error {error.strerror}"
    return _ALLOWED


def main() -> None:
    """Try everything on stdin."""
    asked = json.load(sys.stdin)
    json.dump([answer(operation, target) for operation, target in asked], sys.stdout)


if __name__ == "__main__":
    main()
