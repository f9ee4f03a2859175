"""
What each exchange is made of: its ends, for whoever needs one.

One function for each port; the only place that chooses between exchanges by name.
"""

from collections.abc import Mapping

from spark import keys
from spark.cli.process import Process
from spark.cli.venue_keys import RenewedSigner, SaidKeys
from spark.clock import Clock
from spark.exchanges.port import (
    AccountVenue,
    OrderSigner,
    OrderVenue,
    PrivateStream,
    PublicVenue,
)
from spark.names import Symbol, Venue
from spark.settings import Settings


def order_signers(process: Process) -> Mapping[str, OrderSigner]:
    """
    Build the signers of all enabled exchanges, with their own keys.

    Raises:
        SettingError: a key cannot be read.

    """
    return {venue: _signer(process, venue) for venue in process.settings.venues.enabled}


def dummy_signers(process: Process) -> Mapping[str, OrderSigner]:
    """Build the same with the key that opens nothing, for paper and shadow (S5)."""
    return {venue: _dummy(process, venue) for venue in process.settings.venues.enabled}


def order_venue(process: Process, venue: Venue) -> OrderVenue:
    """Build the gateway's way to an exchange."""
    from spark.exchanges.binance.client import BinanceOrders
    from spark.exchanges.btcturk.client import BtcturkOrders

    settings = process.settings
    most, reply_ms_max = settings.gateway.concurrency_max, settings.gateway.reply_ms_max
    if venue is Venue.BTCTURK:
        url = settings.btcturk.rest_url
        return BtcturkOrders(url, process.clock, concurrency_max=most, reply_ms_max=reply_ms_max)
    url = settings.binance.rest_url
    return BinanceOrders(url, process.clock, concurrency_max=most, reply_ms_max=reply_ms_max)


def account_venue(settings: Settings, clock: Clock, venue: Venue) -> AccountVenue:
    """Build the way to an exchange's private questions."""
    from spark.exchanges.binance.account_client import BinanceAccount
    from spark.exchanges.btcturk.client import BtcturkAccount

    reply_ms_max = settings.gateway.reply_ms_max
    if venue is Venue.BTCTURK:
        return BtcturkAccount(settings.btcturk.rest_url, clock, reply_ms_max=reply_ms_max)
    return BinanceAccount(settings.binance.rest_url, clock, reply_ms_max=reply_ms_max)


def private_stream(settings: Settings, clock: Clock, venue: Venue) -> PrivateStream:
    """Build the way to an exchange's private stream."""
    from spark.exchanges.binance.private_stream import BinancePrivateStream
    from spark.exchanges.btcturk.private_stream import BtcturkPrivateStream
    from spark.exchanges.btcturk.unconfirmed import unconfirmed

    if venue is Venue.BTCTURK:
        seen = unconfirmed(settings.btcturk.stream_buy, settings.btcturk.match_time)
        return BtcturkPrivateStream(settings.btcturk.stream_url, clock, unconfirmed=seen)
    return BinancePrivateStream(settings.binance.ws_api_url, clock)


def public_venue(process: Process, venue: Venue) -> PublicVenue:
    """Build the way to an exchange's public questions."""
    from spark.exchanges.binance.client import BinancePublic
    from spark.exchanges.btcturk.client import BtcturkPublic

    settings, clock = process.settings, process.clock
    reply_ms_max = settings.gateway.reply_ms_max
    if venue is Venue.BTCTURK:
        urls = settings.btcturk.rest_url, settings.btcturk.graph_url
        return BtcturkPublic(*urls, clock, reply_ms_max=reply_ms_max)
    return BinancePublic(settings.binance.rest_url, clock, reply_ms_max=reply_ms_max)


def followed(settings: Settings, venue: Venue) -> tuple[Symbol, ...]:
    """List the symbols to trade on an exchange and those to convert with."""
    section = settings.btcturk if venue is Venue.BTCTURK else settings.binance
    return tuple(Symbol(one) for one in section.followed)


def _signer(process: Process, venue: Venue) -> OrderSigner:
    settings = process.settings
    said = SaidKeys(settings)
    source = said if said.are_said(venue) else process.keyring

    def made(generation: int) -> OrderSigner:
        from spark.exchanges.binance.signer import BinanceSigner
        from spark.exchanges.btcturk.signer import BtcturkSigner

        if venue is Venue.BTCTURK:
            return BtcturkSigner(
                source.btcturk_key(keys.TRADE_KEY, generation),
                source.btcturk_key(keys.READ_KEY, generation),
            )
        return BinanceSigner(
            source.binance_key(keys.TRADE_KEY, generation),
            source.binance_key(keys.READ_KEY, generation),
            settings.binance.recv_window_ms,
        )

    return RenewedSigner(made, lambda take: source.exchange_keys(venue, take))


def _dummy(process: Process, venue: Venue) -> OrderSigner:
    from spark.exchanges.binance import signer as binance
    from spark.exchanges.btcturk import signer as btcturk

    if venue is Venue.BTCTURK:
        return btcturk.BtcturkSigner(btcturk.dummy_key(), btcturk.dummy_key())
    nobodys = binance.dummy_key()
    return binance.BinanceSigner(nobodys, nobodys, process.settings.binance.recv_window_ms)
