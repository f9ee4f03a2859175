"""
An order path in memory whose appends a test may hold back, or let fail.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from spark.bus.memory import MemoryBus
from spark.bus.port import Bus
from spark.names import Role
from tests.held_bus import HeldBus
from tests.order_path import OrderPath, memory_log, order_path

#: The first bus of each stage; those of its restarts are not held.
Firsts = dict[str, HeldBus]


@asynccontextmanager
async def held_path(firsts: Firsts) -> AsyncIterator[OrderPath]:
    """Run the order path on a log in memory; `firsts` learns the stages' buses."""
    log = memory_log()

    def bus(principal: str) -> Bus:
        inner = MemoryBus(log)
        if principal not in {one.value for one in Role} or principal in firsts:
            return inner
        firsts[principal] = HeldBus(inner)
        return firsts[principal]

    async with order_path(bus) as made:
        await made.up()
        yield made
