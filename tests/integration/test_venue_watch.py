"""The venue watch: a real simulator on one side, the log in memory on the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from spark import topics
from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Partition
from spark.clock import SystemClock
from spark.codec import decode, decode_as
from spark.events import ClockMeasured, InstrumentPublished, PricesMarked
from spark.exchanges.binance.client import BinancePublic
from spark.exchanges.btcturk.client import BtcturkPublic
from spark.exchanges.simulator.server import Options, running
from spark.metrics import Metrics
from spark.names import Symbol, Venue
from spark.producers.venue_watch import VenueWatch, VenueWatches
from spark.settings import BinanceSettings
from tests.feeds import write_turk_keys
from tests.simulated_venue import write_keys
from tests.tape import PATIENCE_S

_MARKS: Final = Partition(topics.VENUE_MARKS, 0)


@asynccontextmanager
async def watching(
    url: str, symbols: tuple[str, ...]
) -> AsyncIterator[tuple[MemoryBroker, Metrics]]:
    broker = MemoryBroker({topic.name: topic.partitions for topic in topics.TOPICS})
    metrics, stop = Metrics("venue_watch"), asyncio.Event()
    watch = VenueWatch(
        bus=MemoryBus(broker),
        clock=SystemClock(),
        metrics=metrics,
        venue=Venue.BINANCE,
        public=BinancePublic(url, SystemClock(), reply_ms_max=5_000),
        symbols=tuple(Symbol(symbol) for symbol in symbols),
        instance="test",
        ready=asyncio.Event(),
    )
    task = asyncio.create_task(watch.run(stop))
    try:
        yield broker, metrics
    finally:
        stop.set()
        await task


async def marks(broker: MemoryBroker, count: int) -> list[PricesMarked]:
    """Wait for so many records of prices."""
    async with asyncio.timeout(PATIENCE_S), broker._arrived:
        # The first one says who holds the topic.
        await broker._arrived.wait_for(lambda: len(broker.log(_MARKS)) > count)
    return [decode_as(PricesMarked, record.value or b"") for record in broker.log(_MARKS)[1:]]


async def test_prices_are_asked_for_again_and_again(tmp_path: Path) -> None:
    """S8: the venue watch marks what the exchange's REST says, beside the feed."""
    options = Options(keys_file=write_keys(tmp_path), market_steps_per_s=0)
    async with (
        running(options) as exchange,
        watching(exchange.url, BinanceSettings().followed) as (broker, _),
    ):
        first, second = await marks(broker, 2)

    assert [mark.symbol for mark in first.marks] == ["BTCUSDT", "ETHUSDT", "USDTTRY"]
    assert all(0 < mark.bid <= mark.ask for mark in first.marks)
    rate = first.marks[2]
    assert Decimal(33) < rate.bid < Decimal(34)
    assert second.marks[0].measured_ns > first.marks[0].measured_ns
    assert second.marked_ns >= second.marks[0].measured_ns


def test_the_lira_is_followed_whatever_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """B3, B5: caps are counted in lira, so its price is not a matter of settings."""
    monkeypatch.setenv("SPARK_BINANCE_SYMBOLS", "btcusdt, BTCTRY")
    monkeypatch.setenv("SPARK_RATE_SYMBOLS", "BNBUSDT,BTCTRY")

    assert BinanceSettings().followed == ("BTCUSDT", "BTCTRY", "BNBUSDT", "USDTTRY")


async def test_a_symbol_that_the_exchange_does_not_have_costs_no_other_its_price(
    tmp_path: Path,
) -> None:
    """H5: Binance refuses a question that names an unknown symbol, so it is not asked for."""
    options = Options(keys_file=write_keys(tmp_path), market_steps_per_s=0)
    async with (
        running(options) as exchange,
        watching(exchange.url, ("BTCUSDT", "NOSUCH")) as (broker, metrics),
    ):
        first, *_ = await marks(broker, 2)
        missing = metrics.registry.get_sample_value("spark_marks_missing", {"venue": "binance"})

    assert [mark.symbol for mark in first.marks] == ["BTCUSDT"]
    assert missing == pytest.approx(1)


async def test_one_process_watches_every_exchange(tmp_path: Path) -> None:
    """C1: each exchange's rules, clock and prices are said under its own name."""
    broker = MemoryBroker({topic.name: topic.partitions for topic in topics.TOPICS})
    metrics, stop, ready = Metrics("venue_watch"), asyncio.Event(), asyncio.Event()
    sides = {
        Venue.BINANCE: (write_keys(tmp_path), ("BTCUSDT", "USDTTRY")),
        Venue.BTCTURK: (write_turk_keys(tmp_path), ("BTCTRY", "USDTTRY")),
    }
    async with AsyncExitStack() as exits:
        watches = []
        for venue, (keys, symbols) in sides.items():
            options = Options(keys_file=keys, venue=venue, market_steps_per_s=0)
            exchange = await exits.enter_async_context(running(options))
            clock = SystemClock()
            public = (
                BinancePublic(exchange.url, clock, reply_ms_max=5_000)
                if venue is Venue.BINANCE
                else BtcturkPublic(exchange.url, exchange.url, clock, reply_ms_max=5_000)
            )
            watch = VenueWatch(
                bus=MemoryBus(broker),
                clock=clock,
                metrics=metrics,
                venue=venue,
                public=public,
                symbols=tuple(map(Symbol, symbols)),
                instance="test",
                ready=asyncio.Event(),
            )
            watches.append(watch)
        task = asyncio.create_task(VenueWatches(watches=tuple(watches), ready=ready).run(stop))
        await ready.wait()
        found = await marks(broker, 4)
        stop.set()
        await task

    priced = {event.venue: {mark.symbol for mark in event.marks} for event in found}
    assert priced == {venue: set(symbols) for venue, (_, symbols) in sides.items()}
    state = [decode(r.value or b"") for r in broker.log(Partition(topics.VENUE_STATE, 0))]
    for kind in (InstrumentPublished, ClockMeasured):
        assert {one.venue for one in state if isinstance(one, kind)} == set(sides)
