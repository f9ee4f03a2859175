"""Waits for what nobody announces: a foreign process's end, a file's appearance."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

PERIOD_S: Final = 0.01


async def until(condition: Callable[[], bool], *, timeout_s: float) -> bool:
    """
    Ask again and again until the answer is yes.

    Returns: whether it was yes in time.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(PERIOD_S)
    return True
