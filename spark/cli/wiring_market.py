"""
What watches exchanges, and what brings topics into tables.
"""

import asyncio
from typing import TYPE_CHECKING

from spark.cli.process import Process, check_endpoint, database_of
from spark.names import Symbol, Venue

if TYPE_CHECKING:
    from spark.exchanges.port import PublicVenue
    from spark.producers.bist_watch import BistWatch


async def venue_watch(process: Process, stop: asyncio.Event) -> None:
    """Run the venue watch, for every exchange that is enabled."""
    from spark.producers.venue_watch import VenueWatch, VenueWatches

    check_endpoint(process.settings)
    watches = tuple(
        VenueWatch(
            bus=process.bus,
            clock=process.clock,
            metrics=process.metrics,
            venue=venue,
            public=_public(process, venue),
            symbols=tuple(Symbol(symbol) for symbol in _followed(process, venue)),
            instance=process.instance,
            ready=asyncio.Event(),
            # Borsa Istanbul has no process of its own; the first one says its hours.
            bist=None if number else _bist_watch(process),
        )
        for number, venue in enumerate(process.settings.venues.enabled)
    )
    await VenueWatches(watches=watches, ready=process.ready).run(stop)


def _public(process: Process, venue: Venue) -> "PublicVenue":
    from spark.exchanges.binance.client import BinancePublic
    from spark.exchanges.btcturk.client import BtcturkPublic

    settings, reply_ms_max = process.settings, process.settings.gateway.reply_ms_max
    if venue is Venue.BTCTURK:
        return BtcturkPublic(
            settings.btcturk.rest_url,
            settings.btcturk.graph_url,
            process.clock,
            reply_ms_max=reply_ms_max,
        )
    return BinancePublic(settings.binance.rest_url, process.clock, reply_ms_max=reply_ms_max)


def _followed(process: Process, venue: Venue) -> tuple[str, ...]:
    settings = process.settings
    return settings.btcturk.followed if venue is Venue.BTCTURK else settings.binance.followed


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
        mute_s_max=float(settings.feed.mute_s),
        stream_s_max=float(settings.feed.stream_mute_s),
        book_s_max=float(settings.feed.book_check_s),
    )
    await feed.run(stop)


async def btcturk_feed(process: Process, stop: asyncio.Event) -> None:
    """Run BTCTurk's feed."""
    from spark.exchanges.btcturk.stream import BtcturkStreams
    from spark.producers.btcturk_feed import BtcturkFeed

    settings = process.settings
    check_endpoint(settings)
    feed = BtcturkFeed(
        bus=process.bus,
        clock=process.clock,
        metrics=process.metrics,
        streams=BtcturkStreams(settings.btcturk.stream_url),
        symbols=tuple(Symbol(symbol) for symbol in settings.btcturk.followed),
        instance=process.instance,
        ready=process.ready,
        mute_s_max=float(settings.feed.mute_s),
        stream_s_max=float(settings.feed.stream_mute_s),
        book_s_max=float(settings.feed.book_check_s),
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
