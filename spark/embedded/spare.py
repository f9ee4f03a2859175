"""
A process that has loaded what Spark's processes share, and waits to be told which one it is.

    python -I -S closed.py DIRECTORIES spark.embedded.spare MODULE PADDING

It is told on its standard input, a socket to the supervisor, with the file of its output
(spares.py). Until then it holds no secret, and its environment names nothing of the stack;
it ends when the socket does. What it is afterwards, a started process is too: the same uid,
groups, environment, directory, output, leash, limits and command line.

It is on its leash before (leash.py): no core dumps, no new privileges. Nobody may look into it.
"""

import ctypes
import gc
import importlib
import os
import runpy
import socket
import sys
from typing import Any, Final

import orjson

from spark.embedded.leash import drop, tie

_BYTES_MAX: Final = 1 << 20
_PR_SET_DUMPABLE: Final = 4
#: Fields of /proc/self/stat after the command name: where the kernel reads `ps`'s words.
_ARG_START, _ARG_END = 45, 46


def main() -> None:
    """Load, wait, and become what was asked for."""
    # Where all roles share one user, none of them waits in here for the signer's keys.
    _set_open(is_open=False)
    importlib.import_module(sys.argv[1])
    # What is loaded lives as long as the process: its collector need not walk it at the start.
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=os.dup(0)) as supervisor:
        text, outputs = _asked(supervisor)
    if not text.endswith(b"\n"):
        return
    role: dict[str, Any] = orjson.loads(text)
    _take_output(outputs[0])
    os.chdir(role["cwd"])
    os.environ.clear()
    os.environ.update(role["environment"])
    if role["uid"] is not None:
        drop(role["uid"], role["groups"])
    if sys.platform == "linux":
        _show(" ".join(role["shown"]))
    # As after a start; whoever wants it otherwise says so at once (supervise.py).
    _set_open(is_open=True)
    # The kernel forgets the leash when the uid changes.
    tie(role["death_signal"], role["parent"])
    module, *words = role["words"]
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _set_open(*, is_open: bool) -> None:
    """Say whether others of the same user may look into this process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, int(is_open), 0, 0, 0)


def _asked(supervisor: socket.socket) -> tuple[bytes, list[int]]:
    text, outputs = b"", []
    while not text.endswith(b"\n"):
        part, found, _, _ = socket.recv_fds(supervisor, _BYTES_MAX, 1)
        outputs += found
        if not part:
            break
        text += part
    return text, outputs


def _take_output(output: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)


def _show(words: str) -> None:
    """Have `ps` show other words: over the old ones, as setproctitle(3) does it."""
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123  (no Path is loaded for one line)
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[_ARG_START]), int(fields[_ARG_END])
    room = end - start
    text = words.encode()[: room - 2]
    # A last byte that is no NUL says that the words end at the first NUL.
    ctypes.memmove(start, text + bytes(room - len(text) - 1) + b" ", room)


if __name__ == "__main__":
    main()
