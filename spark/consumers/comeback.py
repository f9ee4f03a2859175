"""
The way back after a transaction that was lost: forget, reconnect, ask the offset rows (R19).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from spark.bus.port import Partition
from spark.clock import Clock
from spark.consumers.rivalry import Rivalry
from spark.db.pool import Database
from spark.errors import DatabaseUnavailable, FencedError
from spark.log import logger

_NS_PER_S: Final = 1e9
_PAUSE_S_MIN: Final = 0.05
_PAUSE_S_MAX: Final = 2.0
#: So long a database may be away before the process ends and says so by its exit code.
_AWAY_S_MAX: Final = 60.0


@dataclass(slots=True, kw_only=True)
class Comeback:
    """
    One table writer's way back, and whether its last write stood.

    A database that answers may still take no rows: its disk is full, a lock is held. So
    `ready` waits for a write, and pauses grow from one lost transaction to the next.
    """

    database: Database
    clock: Clock
    #: What /healthz says.
    ready: asyncio.Event
    #: Gives the next offset of each partition that is not in the tables.
    positions: Callable[[], Mapping[Partition, int]]
    _is_failing: bool = False
    _pause_s: float = _PAUSE_S_MIN
    _rivalry: Rivalry = field(default_factory=Rivalry)

    def stands(self) -> bool:
        """Say whether no write failed after the last one that was committed."""
        return not self._is_failing

    def stood(self) -> None:
        """Note that a write was committed."""
        if self._is_failing:
            self._is_failing = False
            self.ready.set()
        self._pause_s = _PAUSE_S_MIN

    async def after(
        self,
        error: FencedError | DatabaseUnavailable,
        find_place: Callable[[], Awaitable[None]],
        stop: asyncio.Event,
    ) -> None:
        """
        Find one's place again, with growing pauses; returns at once when told to stop.

        Args:
            error: what the transaction was lost by.
            find_place: reads the offset rows, which say what was committed.

        Raises:
            FencedError: another writer keeps taking the partitions.
            DatabaseUnavailable: it was away too long.

        """
        logger().warning("transaction_aborted", why=str(error))
        if isinstance(error, FencedError) and self._rivalry.is_over_after(
            self.clock.monotonic_ns()
        ):
            raise error
        before = dict(self.positions())
        await self._find(error, find_place, stop)
        if self.positions() != before:
            # What got no answer had been committed all the same: nothing is left to try again.
            self.stood()

    async def _find(
        self,
        error: FencedError | DatabaseUnavailable,
        find_place: Callable[[], Awaitable[None]],
        stop: asyncio.Event,
    ) -> None:
        is_away = isinstance(error, DatabaseUnavailable)
        began_ns = self.clock.monotonic_ns()
        while not stop.is_set():
            if is_away:
                self._fail()
            await asyncio.sleep(self._pause_s * random.uniform(0.5, 1.0))  # noqa: S311  (jitter)
            try:
                if is_away:
                    await self.database.reopen()
                await find_place()
            except DatabaseUnavailable:
                if self.clock.monotonic_ns() - began_ns > _AWAY_S_MAX * _NS_PER_S:
                    raise
                is_away = True
            else:
                return

    def _fail(self) -> None:
        self.ready.clear()
        if self._is_failing:
            self._pause_s = min(2 * self._pause_s, _PAUSE_S_MAX)
        self._is_failing = True
