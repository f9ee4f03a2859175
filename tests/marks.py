"""
A source of both principals' marks, for order paths whose feed and venue watch are not there.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Final

from spark.bus.port import Bus, Outgoing, Partition, Writer
from spark.clock import SystemClock
from spark.codec import encode
from spark.events import Mark, PricesMarked
from spark.exchanges.simulator.binance.catalogue import CATALOGUE, DEFAULT_SYMBOLS
from spark.names import Role, Symbol, Venue
from spark.topics import BINANCE_MARKS, VENUE_MARKS

PERIOD_S: Final = 0.3
#: Who says prices, and where.
TOPIC_OF: Final = {Role.BINANCE_FEED: BINANCE_MARKS, Role.VENUE_WATCH: VENUE_MARKS}
#: Where the simulator's market starts.
START_PRICES: Final[dict[Symbol, Decimal]] = {
    Symbol(symbol): CATALOGUE[symbol].start_price for symbol in DEFAULT_SYMBOLS
}


def prices_marked(
    mids: Mapping[Symbol, Decimal], now_ns: int, *, spread_ticks: int = 1
) -> PricesMarked:
    """Mark prices with some ticks of spread, as of now."""
    ticks = {symbol: spread_ticks * CATALOGUE[symbol].tick for symbol in mids}
    return PricesMarked(
        venue=Venue.BINANCE,
        marks=tuple(
            Mark(symbol=symbol, bid=mid, ask=mid + ticks[symbol], measured_ns=now_ns)
            for symbol, mid in mids.items()
        ),
        marked_ns=now_ns,
    )


async def mark_once(writer: Writer, roles: Collection[Role] = tuple(TOPIC_OF)) -> None:
    """Write the market's first prices, the same as each of these roles."""
    body = encode(prices_marked(START_PRICES, SystemClock().wall_ns()))
    await writer.write(
        [Outgoing(Partition(TOPIC_OF[role], 0), Venue.BINANCE.encode(), body) for role in roles]
    )


@asynccontextmanager
async def marking(bus: Bus, *, missing: Collection[Role] = ()) -> AsyncIterator[None]:
    """
    Mark prices now and again while the body runs.

    The bus needs a principal that may write both topics of marks, which no role is; on a
    real broker that is the provisioner, or two buses.

    Args:
        missing: roles that a test speaks for itself.

    """
    roles = [role for role in TOPIC_OF if role not in missing]
    writer = await bus.writer([TOPIC_OF[role] for role in roles])
    await mark_once(writer, roles)

    async def repeat() -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            await mark_once(writer, roles)

    task = asyncio.create_task(repeat(), name="marks")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        await writer.close()
