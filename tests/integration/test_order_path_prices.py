"""
What the feed says of prices, and what becomes of orders when it says nothing, or nonsense.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import pytest

from spark.bus.port import Outgoing, Partition
from spark.clock import SystemClock
from spark.codec import encode
from spark.events import OrderCancelled
from spark.names import Reason, Role, Venue
from spark.topics import BINANCE_MARKS
from tests.made import SECOND_NS
from tests.marks import PERIOD_S, START_PRICES, prices_marked
from tests.order_path import OrderPath, in_memory, refused, served
from tests.start import PATIENT

#: Only what the feed says may grow old here.
_FRESH: Final = replace(PATIENT, quote_age_ns_max=2 * SECOND_NS, check_age_ns_max=60 * SECOND_NS)


@dataclass
class _Feed:
    """A feed's marks, as a test wants them."""

    is_silent: bool = False
    #: Of every price that it marks.
    factor: Decimal = Decimal(1)
    spread_ticks: int = 1

    def body(self) -> bytes:
        """Mark every symbol as of now."""
        mids = {symbol: mid * self.factor for symbol, mid in START_PRICES.items()}
        now_ns = SystemClock().wall_ns()
        return encode(prices_marked(mids, now_ns, spread_ticks=self.spread_ticks))


@asynccontextmanager
async def _marking(path: OrderPath, feed: _Feed) -> AsyncIterator[None]:
    """Let the feed speak while the body runs."""

    async def repeat() -> None:
        place = Partition(BINANCE_MARKS, 0)
        while True:
            if not feed.is_silent:
                await path.write(Outgoing(place, Venue.BINANCE.encode(), feed.body()))
            await asyncio.sleep(PERIOD_S)

    task = asyncio.create_task(repeat(), name="feed")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.fixture
def feed() -> _Feed:
    return _Feed()


@pytest.fixture
async def path(feed: _Feed) -> AsyncIterator[OrderPath]:
    missing = {Role.BINANCE_FEED}
    async with in_memory(missing=missing, limits=_FRESH) as made, _marking(made, feed):
        await made.up()
        yield made


async def test_b9_while_the_feed_is_mute_nothing_new_goes(path: OrderPath, feed: _Feed) -> None:
    """Fault M1, B9: marks that stop are old in 2 s; what rests can be cancelled, as ever."""
    resting = await served(path)
    feed.is_silent = True
    await refused(path, Reason.QUOTE_STALE)
    await path.ask(path.cancel(resting))
    await path.hear(resting, OrderCancelled)
    feed.is_silent = False
    await served(path)


@pytest.mark.parametrize(
    ("factor", "spread_ticks", "code"),
    [
        pytest.param("1.02", 1, Reason.PRICES_DISAGREE, id="2 % off"),
        pytest.param("0.98", 1, Reason.PRICES_DISAGREE, id="2 % off, down"),
        pytest.param("1000000", 1, Reason.PRICES_DISAGREE, id="huge"),
        pytest.param("1", -1, Reason.QUOTE_INVALID, id="crossed"),
        pytest.param("0", 1, Reason.QUOTE_INVALID, id="zero"),
    ],
)
async def test_s8_a_price_that_cannot_be_stops_places_until_it_is_gone(
    path: OrderPath, feed: _Feed, factor: str, spread_ticks: int, code: Reason
) -> None:
    """Fault M4, S8: the venue watch goes on saying what is true, and neither is believed alone."""
    resting = await served(path)
    feed.factor, feed.spread_ticks = Decimal(factor), spread_ticks
    await refused(path, code)
    await path.ask(path.cancel(resting))
    await path.hear(resting, OrderCancelled)
    feed.factor, feed.spread_ticks = Decimal(1), 1
    await served(path)
