"""
The outermost frame of a process: signals stop it, errors end it with their code.

A side task that dies takes the process with it (TaskGroup); the supervisor above
starts it again, and start is recovery.
"""

import asyncio
import ctypes
import gc
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Final

from spark.errors import SparkError, first_of
from spark.log import logger

_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38

Work = Callable[[asyncio.Event], Awaitable[None]]


def run(work: Work, *, is_closed: bool = False) -> int:
    """
    Run until done, stopped or failed.

    Args:
        is_closed: nobody but root may look into the process's memory or environment.

    Returns: the process's exit code: 0, or that of the SparkError.
    """
    _harden(is_closed=is_closed)
    factory: Callable[[], asyncio.AbstractEventLoop]
    try:
        import uvloop  # noqa: PLC0415  (absent on some platforms)

        factory = uvloop.new_event_loop
    except ImportError:
        factory = asyncio.new_event_loop
    exit_code = 0
    with asyncio.Runner(loop_factory=factory) as runner:
        try:
            runner.run(_until_stopped(work))
        except* SparkError as group:
            first = first_of(group)
            logger().error("process_ended", error=type(first).__name__, why=str(first))
            exit_code = first.exit_code
    return exit_code


async def _until_stopped(work: Work) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # What is alive after start-up lives as long as the process: keep the
    # collector from walking it again and again on the order path.
    gc.collect()
    gc.freeze()
    await work(stop)


def _harden(*, is_closed: bool) -> None:
    """No core dump may hold a key, and what it starts gets no more rights (security §4)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    if sys.platform == "linux":
        _set(_PR_SET_NO_NEW_PRIVS, 1)
        if is_closed:
            # Also where all roles share one user: none of them reads this one's memory.
            _set(_PR_SET_DUMPABLE, 0)


def _set(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
