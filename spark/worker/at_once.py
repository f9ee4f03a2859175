"""
Several things done at once at a start, where each waits for others most of the time.
"""

from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from spark.errors import first_of
from spark.worker.crew import Crew

_K = TypeVar("_K")
_V = TypeVar("_V")


async def at_once(work: Mapping[_K, Coroutine[Any, Any, _V]]) -> dict[_K, _V]:
    """
    Do several things at once, and give their results in the order of the work.

    Raises: the error of the first one that failed, as it is; the others are ended.
    """
    try:
        async with Crew() as group:
            tasks = {key: group.create_task(one) for key, one in work.items()}
    except BaseExceptionGroup as failed:
        raise first_of(failed) from None
    return {key: task.result() for key, task in tasks.items()}
