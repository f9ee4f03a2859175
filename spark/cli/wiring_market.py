"""
What watches exchanges, and what brings topics into tables.
"""

import asyncio
from typing import TYPE_CHECKING

from spark.cli.process import Process, check_endpoint, database_of
from spark.names import Symbol, Venue

if TYPE_CHECKING:
    from spark.producers.bist_watch import BistWatch


async def venue_watch(process: Process, stop: asyncio.Event) -> None:
    """Run the venue watch."""
    from spark.exchanges.binance.client import BinancePublic
    from spark.producers.venue_watch import VenueWatch

    binance = process.settings.binance
    watch = VenueWatch(
        bus=process.bus,
        clock=process.clock,
        metrics=process.metrics,
        venue=Venue.BINANCE,
        public=BinancePublic(
            binance.rest_url, process.clock, reply_ms_max=process.settings.gateway.reply_ms_max
        ),
        symbols=tuple(Symbol(symbol) for symbol in binance.followed),
        instance=process.instance,
        ready=process.ready,
        bist=_bist_watch(process),
    )
    await watch.run(stop)


def _bist_watch(process: Process) -> "BistWatch | None":
    from spark.exchanges.bist.sessions import read_hours
    from spark.producers.bist_watch import BistWatch

    bist = process.settings.bist
    if not bist.is_enabled:
        return None
    hours = read_hours(bist.opens, bist.closes, bist.half_day_closes)
    return BistWatch(clock=process.clock, hours=hours, overrides=bist.overrides)


async def binance_feed(process: Process, stop: asyncio.Event) -> None:
    """Run Binance's feed."""
    from spark.exchanges.binance.client import BinancePublic
    from spark.exchanges.binance.stream import BinanceStreams
    from spark.producers.binance_feed import BinanceFeed

    settings = process.settings
    check_endpoint(settings)
    symbols = tuple(Symbol(symbol) for symbol in settings.binance.followed)
    feed = BinanceFeed(
        bus=process.bus,
        clock=process.clock,
        metrics=process.metrics,
        streams=BinanceStreams(settings.binance.stream_url),
        depths=BinancePublic(
            settings.binance.rest_url, process.clock, reply_ms_max=settings.gateway.reply_ms_max
        ),
        symbols=symbols,
        instance=process.instance,
        ready=process.ready,
    )
    await feed.run(stop)


async def feed_writer(process: Process, stop: asyncio.Event) -> None:
    """Run the feed writer."""
    from spark.consumers.feed_writer import FeedWriter

    async with database_of(process) as database:
        writer = FeedWriter(
            bus=process.bus,
            database=database,
            clock=process.clock,
            metrics=process.metrics,
            instance=process.instance,
            ready=process.ready,
        )
        await writer.run(stop)


async def projector(process: Process, stop: asyncio.Event) -> None:
    """Run the projector."""
    from spark.consumers.projector import Projector

    async with database_of(process) as database:
        projector = Projector(
            bus=process.bus,
            database=database,
            clock=process.clock,
            metrics=process.metrics,
            instance=process.instance,
            partitions=process.partitions,
            ready=process.ready,
        )
        await projector.run(stop)
