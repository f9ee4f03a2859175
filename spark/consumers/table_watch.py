"""
A look at a table writer from its side: its database, its lag, and whether topics are the same.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, NoReturn

from spark.bus.port import Bus, Partition
from spark.db.pool import Database
from spark.errors import BusUnavailable
from spark.metrics import Metrics
from spark.worker.incarnations import check_topic_ids

_PERIOD_S: Final = 2.0


async def watch_tables(
    bus: Bus,
    database: Database,
    positions: Callable[[], Mapping[Partition, int]],
    *,
    topic_ids: Callable[[], Mapping[str, str]],
    ready: asyncio.Event,
    metrics: Metrics,
) -> NoReturn:
    """
    Keep `ready` and the lag's gauges true until cancelled.

    Args:
        positions: gives the next offset of each partition that is not in the tables.
        topic_ids: gives the incarnations that those are about.

    Raises:
        PositionError: a topic was created again, or deleted (R18); halt.

    """
    while True:
        if await database.is_healthy():
            ready.set()
        else:
            ready.clear()
        # Without an answer the gauge stays: the broker's absence has its own alarm.
        with suppress(BusUnavailable):
            await check_topic_ids(bus, topic_ids())
            ends = await bus.ends(list(positions()))
            now = positions()
            for partition, end in ends.items():
                metrics.lag.labels(str(partition)).set(max(0, end - now[partition]))
        await asyncio.sleep(_PERIOD_S)
