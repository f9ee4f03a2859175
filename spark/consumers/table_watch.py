"""
A look at a table writer from its side: its database, its lag, and whether topics are the same.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, NoReturn

from spark.bus.port import Bus
from spark.consumers.comeback import Comeback
from spark.errors import BusUnavailable
from spark.metrics import Metrics
from spark.worker.incarnations import check_topic_ids

_PERIOD_S: Final = 2.0


async def watch_tables(
    bus: Bus,
    comeback: Comeback,
    *,
    topic_ids: Callable[[], Mapping[str, str]],
    metrics: Metrics,
) -> NoReturn:
    """
    Keep `ready` and the lag's gauges true until cancelled.

    Args:
        comeback: the writer's, which knows its database, its positions and its last write.
        topic_ids: gives the incarnations that the positions are about.

    Raises:
        PositionError: a topic was created again, or deleted (R18); halt.

    """
    while True:
        # In this order: a write may fail while the question is on its way.
        if await comeback.database.is_healthy() and comeback.stands():
            comeback.ready.set()
        else:
            comeback.ready.clear()
        # Without an answer the gauge stays: the broker's absence has its own alarm.
        with suppress(BusUnavailable):
            await check_topic_ids(bus, topic_ids())
            ends = await bus.ends(list(comeback.positions()))
            now = comeback.positions()
            for partition, end in ends.items():
                metrics.lag.labels(str(partition)).set(max(0, end - now[partition]))
        await asyncio.sleep(_PERIOD_S)
