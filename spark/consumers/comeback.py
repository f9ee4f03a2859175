"""
The way back after a transaction that was lost: forget, reconnect, ask the offset rows (R19).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from spark.clock import Clock
from spark.db.pool import Database
from spark.errors import DatabaseUnavailable

_NS_PER_S: Final = 1e9
_PAUSE_S_MIN: Final = 0.05
_PAUSE_S_MAX: Final = 2.0
#: So long a database may be away before the process ends and says so by its exit code.
_AWAY_S_MAX: Final = 60.0


async def come_back(
    find_place: Callable[[], Awaitable[None]],
    database: Database,
    stop: asyncio.Event,
    *,
    clock: Clock,
    is_away: bool,
) -> None:
    """
    Find one's place again, with growing pauses; returns at once when told to stop.

    Args:
        find_place: reads the offset rows, which say what was committed.
        is_away: connect anew first.

    Raises:
        DatabaseUnavailable: it was away too long.

    """
    pause_s = _PAUSE_S_MIN
    began_ns = clock.monotonic_ns()
    while not stop.is_set():
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  (jitter)
        try:
            if is_away:
                await database.reopen()
            await find_place()
        except DatabaseUnavailable:
            if clock.monotonic_ns() - began_ns > _AWAY_S_MAX * _NS_PER_S:
                raise
            pause_s = min(2 * pause_s, _PAUSE_S_MAX)
        else:
            return
