"""
The watch of an exchange's clock, against a simulator whose clock is moved.
"""

import asyncio
from pathlib import Path

import aiohttp

from spark.clock import SystemClock
from spark.events import ClockMeasured
from spark.exchanges.binance.client import BinancePublic
from spark.exchanges.simulator.server import Options, running
from spark.metrics import Metrics
from spark.names import Venue
from spark.producers.clock_watch import ClockWatch
from tests.simulated_venue import FULL, Client, write_keys
from tests.tape import PATIENCE_S

_MS = 1_000_000


class SteppedClock(SystemClock):
    """The machine's clock, whose wall clock a test sets."""

    def __init__(self) -> None:
        self.set_ns = 0

    def wall_ns(self) -> int:
        return super().wall_ns() + self.set_ns


async def test_c1_a_local_clock_that_was_set_is_measured_anew_at_once(tmp_path: Path) -> None:
    """
    C1, B8: a step is found by the monotonic clock, and believed without a second look.

    Fault C1.
    """
    said: asyncio.Queue[ClockMeasured] = asyncio.Queue()
    clock, metrics = SteppedClock(), Metrics("venue_watch")
    options = Options(keys_file=write_keys(tmp_path), market_steps_per_s=0)
    async with running(options) as exchange, asyncio.timeout(PATIENCE_S):
        public = BinancePublic(exchange.url, clock, reply_ms_max=5_000)
        watch = ClockWatch(
            venue=Venue.BINANCE, public=public, clock=clock, metrics=metrics, say=said.put
        )
        task = asyncio.create_task(watch.watch())
        try:
            before = await said.get()
            clock.set_ns = -3_000 * _MS
            after = await said.get()
        finally:
            task.cancel()
            await public.close()
    assert abs(after.offset_ns - before.offset_ns - 3_000 * _MS) < 500 * _MS
    assert metrics.registry.get_sample_value("spark_clock_steps_total") == 1


async def test_b8_an_exchange_whose_clock_jumped_is_followed(tmp_path: Path) -> None:
    """B8, fault C1: a look that contradicts the others is repeated soon, and then believed."""
    said: asyncio.Queue[ClockMeasured] = asyncio.Queue()
    clock, metrics = SystemClock(), Metrics("venue_watch")
    options = Options(keys_file=write_keys(tmp_path), market_steps_per_s=0)
    async with (
        running(options) as exchange,
        aiohttp.ClientSession() as session,
        asyncio.timeout(PATIENCE_S),
    ):
        public = BinancePublic(exchange.url, clock, reply_ms_max=5_000)
        watch = ClockWatch(
            venue=Venue.BINANCE, public=public, clock=clock, metrics=metrics, say=said.put
        )
        task = asyncio.create_task(watch.watch())
        try:
            assert abs((await said.get()).offset_ns) < 500 * _MS
            judge = Client(session, exchange, FULL)
            await judge.judge("POST", "/clock", {"offset_ms": 3_000})
            while (await said.get()).offset_ns < 2_500 * _MS:
                pass
        finally:
            task.cancel()
            await public.close()
