"""
The outermost frame of a process: signals stop it, errors end it with their code.

A side task that dies takes the process with it (TaskGroup); the supervisor above
starts it again, and start is recovery.
"""

import asyncio
import gc
import os
import resource
import signal
from collections.abc import Awaitable, Callable

from spark.errors import SparkError
from spark.log import logger

Work = Callable[[asyncio.Event], Awaitable[None]]


def run(work: Work) -> int:
    """
    Run until done, stopped or failed.

    Returns: the process's exit code: 0, or that of the SparkError.
    """
    _harden()
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
            first = _first(group)
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


def _harden() -> None:
    """No core dump may hold a key (security §4)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)


def _first(group: BaseExceptionGroup[SparkError]) -> SparkError:
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    raise AssertionError("an exception group is never empty")
