"""
What each exchange is made of: its ends, for whoever needs one.

One function for each port; the only place that chooses between exchanges by name.
"""

from collections.abc import Mapping

from spark import keys
from spark.cli.process import Process
from spark.exchanges.port import OrderSigner, OrderVenue
from spark.names import Venue


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

    settings = process.settings
    assert venue is Venue.BINANCE, venue
    return BinanceOrders(
        settings.binance.rest_url,
        process.clock,
        concurrency_max=settings.gateway.concurrency_max,
        reply_ms_max=settings.gateway.reply_ms_max,
    )


def _signer(process: Process, venue: Venue) -> OrderSigner:
    from spark.exchanges.binance.signer import BinanceSigner

    assert venue is Venue.BINANCE, venue
    return BinanceSigner(
        process.keyring.binance_key(keys.TRADE_KEY),
        process.keyring.binance_key(keys.READ_KEY),
        process.settings.binance.recv_window_ms,
    )


def _dummy(process: Process, venue: Venue) -> OrderSigner:
    from spark.exchanges.binance.signer import BinanceSigner, dummy_key

    assert venue is Venue.BINANCE, venue
    return BinanceSigner(dummy_key(), dummy_key(), process.settings.binance.recv_window_ms)
