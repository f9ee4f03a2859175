"""
Exchanges: which, where, with which keys, and how they are treated.
"""

from decimal import Decimal
from pathlib import Path
from typing import Final

from pydantic import Field

from spark.errors import SettingError
from spark.names import Venue
from spark.quoting import shown
from spark.settings.section import Section, symbols_of

#: Caps are counted in lira (spec B3).
_LIRA_RATE: Final = "USDTTRY"


class VenueSettings(Section):
    """Which exchanges this stack works with."""

    venues: str = Field(default="binance", validation_alias="SPARK_VENUES")

    @property
    def enabled(self) -> tuple[Venue, ...]:
        """
        Give the exchanges that orders may go to.

        Raises:
            SettingError: a name is none of them.

        """
        names = [part.strip().lower() for part in self.venues.split(",") if part.strip()]
        known = (Venue.BINANCE, Venue.BTCTURK)
        wrong = sorted(set(names) - set(known))
        if wrong or not names:
            raise SettingError(
                f"SPARK_VENUES: {shown(wrong[0]) if wrong else 'nothing'}; binance, btcturk or both"
            )
        return tuple(venue for venue in known if venue in names)


class GatewaySettings(Section):
    """How the gateway treats the exchange."""

    #: Requests in flight for each account.
    concurrency_max: int = Field(default=8, ge=1, le=64, validation_alias="MAX_CONCURRENCY")
    #: How long to wait for the exchange's reply, ms.
    reply_ms_max: int = Field(
        default=10_000, ge=100, le=60_000, validation_alias="SPARK_REPLY_TIMEOUT_MS"
    )

    #: Seconds without a pulse of the guardrail after which no place is sent (S9).
    lease_s: Decimal = Field(
        default=Decimal(3), ge=Decimal("0.5"), le=3, validation_alias="SPARK_LEASE_S"
    )
    #: What this address may spend in a minute: request weight at Binance, requests at BTCTurk.
    binance_weight_per_minute_max: int = Field(
        default=1200, ge=100, le=100_000, validation_alias="SPARK_BINANCE_WEIGHT_PER_MIN"
    )
    btcturk_requests_per_minute_max: int = Field(
        default=600, ge=60, le=100_000, validation_alias="SPARK_BTCTURK_REQUESTS_PER_MIN"
    )
    #: Fee of orders on paper, maker and taker, in basis points.
    paper_fee_bps: Decimal = Field(
        default=Decimal(10), ge=0, le=1_000, validation_alias="SPARK_PAPER_FEE_BPS"
    )
    #: Seconds after which a book that said nothing fills no order on paper.
    paper_book_age_s: Decimal = Field(
        default=Decimal(5), gt=0, le=60, validation_alias="SPARK_PAPER_BOOK_AGE_S"
    )


class SignerSettings(Section):
    """What the signer never signs past, whoever approved it (S3)."""

    #: `SYMBOL=quantity` for each symbol that may be signed at all, and `rate=orders a second`.
    ceilings: str = Field(
        default="BTCUSDT=1,ETHUSDT=20,BTCTRY=1,rate=1000", validation_alias="SPARK_SIGNER_CEILINGS"
    )
    #: JSON lists of the user ids that may have questions about single orders signed, and of
    #: those that may have all questions and logins; both empty means the signer's own.
    client_uids: tuple[int, ...] = Field(default=(), validation_alias="SPARK_SIGNING_UIDS")
    account_uids: tuple[int, ...] = Field(default=(), validation_alias="SPARK_ACCOUNT_UIDS")


class BinanceSettings(Section):
    """Where Binance, or its simulator, is."""

    rest_url: str = Field(
        default="https://api.binance.com", validation_alias="SPARK_BINANCE_REST_URL"
    )
    stream_url: str = Field(
        default="wss://stream.binance.com:9443", validation_alias="SPARK_BINANCE_STREAM_URL"
    )
    #: Private streams.
    ws_api_url: str = Field(
        default="wss://ws-api.binance.com:443", validation_alias="SPARK_BINANCE_WS_API_URL"
    )
    symbols: str = Field(default="BTCUSDT,ETHUSDT", validation_alias="SPARK_BINANCE_SYMBOLS")
    #: Symbols whose prices convert one currency into another; that of the lira is always one.
    rate_symbols: str = Field(default="USDTTRY", validation_alias="SPARK_RATE_SYMBOLS")
    recv_window_ms: int = Field(
        default=2000, ge=100, le=60_000, validation_alias="SPARK_BINANCE_RECV_WINDOW_MS"
    )

    @property
    def symbol_list(self) -> tuple[str, ...]:
        """Give the symbols, upper case, in the order written."""
        return symbols_of(self.symbols)

    @property
    def followed(self) -> tuple[str, ...]:
        """Give the symbols to trade and those to convert with, each once."""
        rates = (*symbols_of(self.rate_symbols), _LIRA_RATE)
        return tuple(dict.fromkeys(symbols_of(self.symbols) + rates))


class BtcturkSettings(Section):
    """Where BTCTurk, or its simulator, is, and how careful to be where it says nothing."""

    #: Public v2 and private v1 paths stand under it.
    rest_url: str = Field(
        default="https://api.btcturk.com", validation_alias="SPARK_BTCTURK_REST_URL"
    )
    #: Candles.
    graph_url: str = Field(
        default="https://graph-api.btcturk.com", validation_alias="SPARK_BTCTURK_GRAPH_URL"
    )
    stream_url: str = Field(
        default="wss://ws-feed-pro.btcturk.com", validation_alias="SPARK_BTCTURK_STREAM_URL"
    )
    symbols: str = Field(default="BTCTRY,BTCUSDT", validation_alias="SPARK_BTCTURK_SYMBOLS")
    #: `strict`: one request in flight for each key, in the order of the stamps; `free`: the
    #: venue is known not to enforce it (facts: exchanges.md §6).
    stamp_order: str = Field(
        default="strict", pattern="^(strict|free)$", validation_alias="SPARK_BTCTURK_STAMP_ORDER"
    )
    #: `orderType` of a buy in the stream's orders, where somebody has seen it.
    stream_buy: str = Field(
        default="unknown", pattern="^(unknown|0|1)$", validation_alias="SPARK_BTCTURK_STREAM_BUY"
    )
    #: Name of the time in the stream's matches, where somebody has seen one.
    match_time: str = Field(
        default="", pattern="^[A-Za-z]{0,20}$", validation_alias="SPARK_BTCTURK_MATCH_TIME"
    )

    @property
    def symbol_list(self) -> tuple[str, ...]:
        """Give the symbols, upper case, in the order written."""
        return symbols_of(self.symbols)

    @property
    def followed(self) -> tuple[str, ...]:
        """Give the symbols to trade and the lira's rate, each once."""
        return tuple(dict.fromkeys((*symbols_of(self.symbols), _LIRA_RATE)))


class AccountSettings(Section):
    """How closely accounts are compared with their exchange (spec A9)."""

    #: Seconds from one comparison in the background to the next.
    reconcile_period_s: Decimal = Field(
        default=Decimal(30), ge=1, le=3600, validation_alias="SPARK_RECONCILE_PERIOD_S"
    )
    #: Age of the last comparison above which nothing new is approved, ms.
    reconciled_age_ms_max: int = Field(
        default=120_000, ge=1000, le=3_600_000, validation_alias="SPARK_RECONCILED_AGE_MS"
    )


class FeedSettings(Section):
    """When a market feed doubts what it hears (spec C5); the same for every exchange."""

    #: Seconds after which a socket that says nothing is replaced, and one with a stream that
    #: says nothing while others speak.
    mute_s: Decimal = Field(default=Decimal(30), ge=1, le=30, validation_alias="SPARK_FEED_MUTE_S")
    stream_mute_s: Decimal = Field(
        default=Decimal(120), ge=5, le=3600, validation_alias="SPARK_FEED_STREAM_MUTE_S"
    )
    #: Seconds from one comparison of a book with the exchange's to the next; who reads a book
    #: from its topic counts on a whole one every two minutes.
    book_check_s: Decimal = Field(
        default=Decimal(120), ge=5, le=120, validation_alias="SPARK_BOOK_CHECK_S"
    )


class BistSettings(Section):
    """When Borsa Istanbul trades; times of day in Istanbul (spec B7)."""

    #: Without it no session is published, and every BIST order is refused as closed.
    is_enabled: bool = Field(default=False, validation_alias="BIST_ENABLED")
    opens: str = Field(default="09:30", validation_alias="SPARK_BIST_OPEN")
    closes: str = Field(default="18:00", validation_alias="SPARK_BIST_CLOSE")
    half_day_closes: str = Field(default="12:50", validation_alias="SPARK_BIST_HALF_DAY_CLOSE")
    #: TOML file of announced exceptions; empty means that there are none.
    overrides: Path | None = Field(default=None, validation_alias="SPARK_BIST_OVERRIDES")
