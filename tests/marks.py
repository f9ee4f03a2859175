"""
A source of both principals' marks, for order paths whose feed is not there.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Final

from spark.bus.port import Bus, Outgoing, Partition, Writer
from spark.clock import SystemClock
from spark.codec import encode
from spark.events import Mark, PricesMarked
from spark.exchanges.simulator.binance.catalogue import CATALOGUE, DEFAULT_SYMBOLS
from spark.names import Symbol, Venue
from spark.topics import BINANCE_MARKS, VENUE_MARKS

PERIOD_S: Final = 0.3
#: Where the simulator's market starts.
START_PRICES: Final[dict[Symbol, Decimal]] = {
    Symbol(symbol): CATALOGUE[symbol].start_price for symbol in DEFAULT_SYMBOLS
}


def prices_marked(mids: Mapping[Symbol, Decimal], now_ns: int) -> PricesMarked:
    """Mark prices with one tick of spread, as of now."""
    ticks = {symbol: CATALOGUE[symbol].tick for symbol in mids}
    return PricesMarked(
        venue=Venue.BINANCE,
        marks=tuple(
            Mark(symbol=symbol, bid=mid, ask=mid + ticks[symbol], measured_ns=now_ns)
            for symbol, mid in mids.items()
        ),
        marked_ns=now_ns,
    )


async def mark_once(
    writer: Writer, mids: Mapping[Symbol, Decimal] = START_PRICES, *, now_ns: int | None = None
) -> None:
    """Write the same marks as both principals."""
    at_ns = SystemClock().wall_ns() if now_ns is None else now_ns
    body = encode(prices_marked(mids, at_ns))
    await writer.write(
        [
            Outgoing(Partition(topic, 0), Venue.BINANCE.encode(), body)
            for topic in (BINANCE_MARKS, VENUE_MARKS)
        ]
    )


@asynccontextmanager
async def marking(bus: Bus, mids: Mapping[Symbol, Decimal] = START_PRICES) -> AsyncIterator[Writer]:
    """
    Mark prices now and again while the body runs.

    The bus needs a principal that may write both topics of marks, which no role is; on a
    real broker that is the provisioner, or two buses.
    """
    writer = await bus.writer([BINANCE_MARKS, VENUE_MARKS])
    await mark_once(writer, mids)

    async def repeat() -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            await mark_once(writer, mids)

    task = asyncio.create_task(repeat(), name="marks")
    try:
        yield writer
    finally:
        task.cancel()
        await asyncio.wait({task})
        await writer.close()
