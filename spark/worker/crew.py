"""
A process's tasks: none leaves without a word, and none stays when all have to go.

`asyncio.TaskGroup` takes a task that ended as cancelled for one that was told to. But a library
can let the cancellation of a task of its own out (aiokafka does: bus/kafka.py), and then a topic
is no longer heard, kills among them, while the process goes on. In here that is an error.

And it tells a task to end only once. `asyncio.wait_for` before Python 3.12 may lose that, where
what it waits for comes in the same moment (the pool of connections waits so), and then a
process that has to end never does. In here it is told again.
"""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from spark.errors import ExitError

_T = TypeVar("_T")
#: Longer than a task needs to let go of its connections.
_AGAIN_S: Final = 3.0


class Crew:
    """A task group that fails with an ExitError when a task of it ends as cancelled by nobody."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._members: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        """Begin, as a task group does."""
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for all of them, as a task group does."""
        insisting = asyncio.get_running_loop().create_task(self._insist())
        try:
            await self._group.__aexit__(kind, error, traceback)
        finally:
            insisting.cancel()

    def create_task(self, work: Coroutine[Any, Any, _T]) -> "asyncio.Task[_T]":
        """Start a task, as a task group does."""
        task = self._group.create_task(_accounted(work))
        # One that was cancelled before it began holds its work unbegun.
        task.add_done_callback(lambda _: work.close())
        self._members.add(task)
        task.add_done_callback(self._members.discard)
        return task

    async def _insist(self) -> None:
        while True:
            await asyncio.sleep(_AGAIN_S)
            for task in self._members:
                if task.cancelling():
                    task.cancel()


async def _accounted(work: Coroutine[Any, Any, _T]) -> _T:
    try:
        return await work
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        what = getattr(work, "__qualname__", "a task")
        raise ExitError(f"{what} ended as cancelled, and nobody had asked it to") from None
