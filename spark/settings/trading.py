"""
What may be sent, its limits, and when trading stops by itself.
"""

from decimal import Decimal
from functools import cached_property
from typing import Annotated, Final

from pydantic import AliasChoices, BeforeValidator, Field

from spark.names import Endpoint, TradingMode
from spark.settings.section import Section, symbols_of, true_unless_clearly_not

_RAMP_PCT_MIN: Final = 1
_RAMP_PCT_MAX: Final = 100


def _mode_or_paper(value: object) -> object:
    text = str(value).strip().lower()
    return text if text in set(TradingMode) else TradingMode.PAPER


def _ramp_or_one(value: object) -> object:
    text = str(value).strip()
    is_clear = text.isdecimal() and _RAMP_PCT_MIN <= int(text) <= _RAMP_PCT_MAX
    return int(text) if is_clear else _RAMP_PCT_MIN


class TradingSettings(Section):
    """What may be sent, and where. The environment can only tighten (spec B1)."""

    mode: Annotated[TradingMode, BeforeValidator(_mode_or_paper)] = Field(
        default=TradingMode.PAPER, validation_alias="TRADING_MODE"
    )
    is_paper_forced: Annotated[bool, BeforeValidator(true_unless_clearly_not)] = Field(
        default=False, validation_alias="PAPER_TRADING"
    )
    #: `sim` or `real`; a real endpoint needs this and the mode said explicitly.
    endpoint: Endpoint = Field(default=Endpoint.SIM, validation_alias="SPARK_ENDPOINT")
    #: Part of the caps that is in force in mode live, %; missing or doubtful means 1.
    volume_ramp_pct: Annotated[int, BeforeValidator(_ramp_or_one)] = Field(
        default=1, ge=1, le=100, validation_alias="VOLUME_RAMP_PCT"
    )
    is_killed: Annotated[bool, BeforeValidator(true_unless_clearly_not)] = Field(
        default=False, validation_alias="KILL_SWITCH"
    )

    @cached_property
    def mode_in_force(self) -> TradingMode:
        """Give the mode with `PAPER_TRADING` taken into account."""
        return TradingMode.PAPER if self.is_paper_forced else self.mode


class LimitSettings(Section):
    """Start values of the limits; ranges keep a slip of the keyboard out."""

    #: Longest life of an intent, seconds from its append.
    intent_life_s: Decimal = Field(
        default=Decimal(5), gt=0, le=60, validation_alias="SPARK_INTENT_LIFE_S"
    )
    approval_life_s: Decimal = Field(
        default=Decimal(2), gt=0, le=30, validation_alias="SPARK_APPROVAL_LIFE_S"
    )
    signature_life_s: Decimal = Field(
        default=Decimal(1), gt=0, le=10, validation_alias="SPARK_SIGNATURE_LIFE_S"
    )
    instrument_ttl_s: Decimal = Field(
        default=Decimal(3600), gt=0, le=86_400, validation_alias="SPARK_INSTRUMENT_TTL_S"
    )
    #: Worth of one order, in US dollars.
    order_notional_usd_max: Decimal = Field(
        default=Decimal(10_000), gt=0, validation_alias="SPARK_ORDER_NOTIONAL_USD_MAX"
    )
    clock_drift_ms_max: int = Field(
        default=2000, ge=1, le=60_000, validation_alias="CLOCK_DRIFT_MS"
    )
    #: How old the last look at the exchange's clock may be.
    clock_age_ms_max: int = Field(
        default=10_000, ge=100, le=600_000, validation_alias="SPARK_CLOCK_AGE_MS"
    )
    #: Age of the feed's price, and of the venue watch's, which only checks it.
    quote_age_ms_max: int = Field(
        default=2000, ge=50, le=60_000, validation_alias="SPARK_QUOTE_AGE_MS"
    )
    check_age_ms_max: int = Field(
        default=5000, ge=50, le=60_000, validation_alias="SPARK_CHECK_AGE_MS"
    )
    #: How far the two may be apart, %.
    prices_apart_pct_max: Decimal = Field(
        default=Decimal(1), gt=0, lt=100, validation_alias="SPARK_PRICES_APART_PCT"
    )
    price_collar_pct_max: Decimal = Field(
        default=Decimal(5), gt=0, lt=100, validation_alias="SPARK_PRICE_COLLAR_PCT"
    )
    audit_lag_ms_max: int = Field(
        default=2000, ge=100, le=60_000, validation_alias="SPARK_AUDIT_LAG_MS"
    )
    equity_age_ms_max: int = Field(
        default=10_000, ge=1000, le=600_000, validation_alias="SPARK_EQUITY_AGE_MS"
    )
    #: Part of the 24 h peak that may be lost, %.
    drawdown_pct_max: Decimal = Field(
        default=Decimal(15), gt=0, lt=100, validation_alias="SPARK_DRAWDOWN_PCT_MAX"
    )
    duplicate_window_ms: int = Field(
        default=1000, ge=0, le=60_000, validation_alias="SPARK_DUPLICATE_WINDOW_MS"
    )
    #: Position and orders that may still trade, of one symbol over all strategies, US dollars.
    exposure_usd_max: Decimal = Field(
        default=Decimal(50_000), gt=0, validation_alias="SPARK_EXPOSURE_USD_MAX"
    )
    orders_per_minute_max: int = Field(default=30, ge=1, validation_alias="MAX_OPM")
    notional_try_per_s_max: Decimal = Field(
        default=Decimal(500), gt=0, validation_alias="MAX_NOTIONAL_TRY_S"
    )
    open_orders_max: int = Field(default=20, ge=1, validation_alias="SPARK_OPEN_ORDERS_MAX")
    trickle_symbols: str = Field(
        default="BTCUSDT,BTCTRY",
        validation_alias=AliasChoices("TRICKLE_SYMBOLS", "WHITELIST"),
    )
    trickle_order_try_max: Decimal = Field(
        default=Decimal(50), gt=0, validation_alias="TRICKLE_MAX_TRY"
    )

    @property
    def trickle_symbol_list(self) -> tuple[str, ...]:
        """Give the symbols that mode trickle may trade."""
        return symbols_of(self.trickle_symbols)


class ProtectionSettings(Section):
    """What the sentinel marks equity with, and when it stops trading by itself (spec B10)."""

    #: What each account was given to trade with, US dollars; people can only lower it.
    capital_usd: Decimal = Field(
        default=Decimal(10_000), gt=0, validation_alias="SPARK_CAPITAL_USD"
    )
    #: Part of requests that the exchange may refuse for their time or nonce.
    nonce_part_max: Decimal = Field(
        default=Decimal("0.01"), ge=0, lt=1, validation_alias="NONCE_ERROR_RATE_MAX"
    )
    #: Rate-limit answers a second.
    limited_per_s_max: Decimal = Field(
        default=Decimal("0.05"), ge=0, le=100, validation_alias="RATE_LIMIT_BURST_MAX"
    )
    #: Part of an hour's requests that may fail; past it, and still failing, trading stops.
    error_part_max: Decimal = Field(
        default=Decimal("0.005"), ge=0, le=1, validation_alias="SPARK_ERROR_RATE_MAX"
    )
    #: Gates of the ramp and of the stability badge, P95; the kill has its own bound, 2 s.
    place_ack_ms_gate: int = Field(
        default=1000, ge=1, le=60_000, validation_alias="P95_PLACE_ACK_MS"
    )
    feed_db_ms_gate: int = Field(default=300, ge=1, le=60_000, validation_alias="P95_FEED_DB_MS")
