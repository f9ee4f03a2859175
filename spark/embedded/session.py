"""
One life of a stack in this process: start, run until a signal or a time, stop.
"""

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from spark.embedded.screen import Summary
from spark.embedded.stack import Stack
from spark.errors import SparkError


class Ending(Enum):
    """How a life ended."""

    #: After the time that was asked for.
    ON_TIME = auto()
    #: By a signal, in order.
    STOPPED = auto()
    #: By a signal before it ran, or by a second one.
    INTERRUPTED = auto()


@dataclass(frozen=True, slots=True)
class Life:
    """What is left to say."""

    ending: Ending
    summary: Summary | None


async def live(stack: Stack, *, for_s: float | None) -> Life:
    """
    Start a stack, keep it, and end it; nothing is left running, whatever happens.

    The first SIGINT, SIGTERM or SIGHUP ends it in order, the second one at once.

    Args:
        for_s: end by itself after so long; None waits for a signal.

    Raises:
        SparkError: it could not be started.

    """
    with _signals(stack) as asked:
        try:
            if not await _unless(asked, stack.start()):
                await stack.stop()
                return Life(Ending.INTERRUPTED, None)
            has_ended = await _unless(asked, _run(stack, for_s))
        except BaseException:
            await stack.stop()
            raise
        summary = await stack.stop()
    if asked.count > 1:
        return Life(Ending.INTERRUPTED, summary)
    return Life(Ending.ON_TIME if has_ended else Ending.STOPPED, summary)


async def _run(stack: Stack, for_s: float | None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(for_s):
            await stack.run()


class _Asked:
    """The signals that came."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.count = 0


@contextmanager
def _signals(stack: Stack) -> Iterator[_Asked]:
    asked = _Asked()
    loop = asyncio.get_running_loop()

    def note() -> None:
        asked.count += 1
        asked.event.set()
        if asked.count > 1:
            stack.kill()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, note)
    try:
        yield asked
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _unless(asked: _Asked, work: Coroutine[Any, Any, object]) -> bool:
    """
    Do something unless a signal comes first; then it is cancelled.

    Returns: whether it was done.
    """
    task = asyncio.create_task(work)
    signalled = asyncio.create_task(asked.event.wait())
    await asyncio.wait({task, signalled}, return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    if task.done():
        task.result()
        return True
    task.cancel()
    # What a cancelled start complains of is not what the person wants to know.
    with suppress(asyncio.CancelledError, SparkError):
        await task
    return False
