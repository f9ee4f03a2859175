"""
Every setting, read once from the environment; the only reader of it.

Sections are handed to the parts that need them (cli/ does the wiring). A value
that cannot be read is one line naming the variable, what it is and what it may
be. Doubt about risk goes to the safe side: an unreadable mode is `paper`, an
unreadable kill switch is on (spec B1, B2).
"""

from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final

from pydantic import AliasChoices, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from spark.errors import SettingError
from spark.names import Endpoint, TradingMode, Venue

_CONFIG: Final = SettingsConfigDict(
    frozen=True,
    extra="ignore",
    hide_input_in_errors=True,
    populate_by_name=True,
    # Fields may be given by name in code; in the environment only the alias counts, or
    # HOME and NAME would be settings. No variable's name can hold this prefix.
    env_prefix="=",
    # `SPARK_HOME=` means unset, not the working directory.
    env_ignore_empty=True,
)
_RAMP_PCT_MIN: Final = 1
_RAMP_PCT_MAX: Final = 100
_TRUE: Final = frozenset({"true", "1"})
#: Caps are counted in lira (spec B3).
_LIRA_RATE: Final = "USDTTRY"
_FALSE: Final = frozenset({"false", "0", ""})


def _mode_or_paper(value: object) -> object:
    text = str(value).strip().lower()
    return text if text in set(TradingMode) else TradingMode.PAPER


def _ramp_or_one(value: object) -> object:
    text = str(value).strip()
    is_clear = text.isdecimal() and _RAMP_PCT_MIN <= int(text) <= _RAMP_PCT_MAX
    return int(text) if is_clear else _RAMP_PCT_MIN


def _killed_unless_clearly_not(value: object) -> bool:
    return str(value).strip().lower() not in _FALSE


def _true_unless_clearly_not(value: object) -> bool:
    return str(value).strip().lower() not in _FALSE


def _symbols(text: str) -> tuple[str, ...]:
    return tuple(part.strip().upper() for part in text.split(",") if part.strip())


class _Section(BaseSettings):
    model_config = _CONFIG


class KafkaSettings(_Section):
    """Which cluster; as whom is the role's own business."""

    #: `host:port[,host:port…]`; empty means the running embedded stack's.
    bootstrap: str = Field(default="", validation_alias="SPARK_KAFKA_BOOTSTRAP")


class DatabaseSettings(_Section):
    """Which PostgreSQL; empty means the running embedded stack's."""

    url: str = Field(default="", validation_alias="DATABASE_URL", repr=False)
    #: Connections of one process.
    pool_max: int = Field(default=10, ge=1, le=100, validation_alias="SPARK_DB_POOL_MAX")
    #: Seconds after which an idle connection is closed.
    idle_s_max: int = Field(default=10, ge=1, le=3600, validation_alias="SPARK_DB_IDLE_S")


class TradingSettings(_Section):
    """What may be sent, and where. The environment can only tighten (spec B1)."""

    mode: Annotated[TradingMode, BeforeValidator(_mode_or_paper)] = Field(
        default=TradingMode.PAPER, validation_alias="TRADING_MODE"
    )
    is_paper_forced: Annotated[bool, BeforeValidator(_true_unless_clearly_not)] = Field(
        default=False, validation_alias="PAPER_TRADING"
    )
    #: `sim` or `real`; a real endpoint needs this and the mode said explicitly.
    endpoint: Endpoint = Field(default=Endpoint.SIM, validation_alias="SPARK_ENDPOINT")
    #: Part of the caps that is in force in mode live, %; missing or doubtful means 1.
    volume_ramp_pct: Annotated[int, BeforeValidator(_ramp_or_one)] = Field(
        default=1, ge=1, le=100, validation_alias="VOLUME_RAMP_PCT"
    )
    is_killed: Annotated[bool, BeforeValidator(_killed_unless_clearly_not)] = Field(
        default=False, validation_alias="KILL_SWITCH"
    )

    @cached_property
    def mode_in_force(self) -> TradingMode:
        """Give the mode with `PAPER_TRADING` taken into account."""
        return TradingMode.PAPER if self.is_paper_forced else self.mode


class LimitSettings(_Section):
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
        return _symbols(self.trickle_symbols)


class ProtectionSettings(_Section):
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


class GatewaySettings(_Section):
    """How the gateway treats the exchange."""

    #: Requests in flight for each account.
    concurrency_max: int = Field(default=8, ge=1, le=64, validation_alias="MAX_CONCURRENCY")
    #: How long to wait for the exchange's reply, ms.
    reply_ms_max: int = Field(
        default=10_000, ge=100, le=60_000, validation_alias="SPARK_REPLY_TIMEOUT_MS"
    )

    #: Fee of orders on paper, maker and taker, in basis points.
    paper_fee_bps: Decimal = Field(
        default=Decimal(10), ge=0, le=1_000, validation_alias="SPARK_PAPER_FEE_BPS"
    )
    #: Seconds after which a book that said nothing fills no order on paper.
    paper_book_age_s: Decimal = Field(
        default=Decimal(5), gt=0, le=60, validation_alias="SPARK_PAPER_BOOK_AGE_S"
    )


class SignerSettings(_Section):
    """What the signer never signs past, whoever approved it (S3)."""

    #: `SYMBOL=quantity` for each symbol that may be signed at all, and `rate=orders a second`.
    ceilings: str = Field(
        default="BTCUSDT=1,ETHUSDT=20,rate=1000", validation_alias="SPARK_SIGNER_CEILINGS"
    )
    #: JSON lists of the user ids that may have questions about single orders signed, and of
    #: those that may have all questions and logins; both empty means the signer's own.
    client_uids: tuple[int, ...] = Field(default=(), validation_alias="SPARK_SIGNING_UIDS")
    account_uids: tuple[int, ...] = Field(default=(), validation_alias="SPARK_ACCOUNT_UIDS")


class BinanceSettings(_Section):
    """Where Binance, or its simulator, is."""

    rest_url: str = Field(
        default="https://api.binance.com", validation_alias="SPARK_BINANCE_REST_URL"
    )
    stream_url: str = Field(
        default="wss://stream.binance.com:9443", validation_alias="SPARK_BINANCE_STREAM_URL"
    )
    symbols: str = Field(default="BTCUSDT,ETHUSDT", validation_alias="SPARK_BINANCE_SYMBOLS")
    #: Symbols whose prices convert one currency into another; that of the lira is always one.
    rate_symbols: str = Field(default="USDTTRY", validation_alias="SPARK_RATE_SYMBOLS")
    recv_window_ms: int = Field(
        default=2000, ge=100, le=60_000, validation_alias="SPARK_BINANCE_RECV_WINDOW_MS"
    )
    api_key: str = Field(default="", validation_alias="BINANCE_API_KEY", repr=False)
    api_key_file: Path | None = Field(default=None, validation_alias="BINANCE_API_KEY_FILE")
    secret: str = Field(default="", validation_alias="BINANCE_SECRET", repr=False)
    secret_file: Path | None = Field(default=None, validation_alias="BINANCE_SECRET_FILE")

    @property
    def symbol_list(self) -> tuple[str, ...]:
        """Give the symbols, upper case, in the order written."""
        return _symbols(self.symbols)

    @property
    def followed(self) -> tuple[str, ...]:
        """Give the symbols to trade and those to convert with, each once."""
        rates = (*_symbols(self.rate_symbols), _LIRA_RATE)
        return tuple(dict.fromkeys(_symbols(self.symbols) + rates))


class BtcturkSettings(_Section):
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
    api_key: str = Field(default="", validation_alias="BTCTURK_API_KEY", repr=False)
    api_key_file: Path | None = Field(default=None, validation_alias="BTCTURK_API_KEY_FILE")
    secret: str = Field(default="", validation_alias="BTCTURK_SECRET", repr=False)
    secret_file: Path | None = Field(default=None, validation_alias="BTCTURK_SECRET_FILE")

    @property
    def symbol_list(self) -> tuple[str, ...]:
        """Give the symbols, upper case, in the order written."""
        return _symbols(self.symbols)

    @property
    def followed(self) -> tuple[str, ...]:
        """Give the symbols to trade and the lira's rate, each once."""
        return tuple(dict.fromkeys((*_symbols(self.symbols), _LIRA_RATE)))


class VenueSettings(_Section):
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
                f"SPARK_VENUES: {', '.join(wrong) or 'nothing'}; binance, btcturk or both"
            )
        return tuple(venue for venue in known if venue in names)


class AccountSettings(_Section):
    """How closely accounts are compared with their exchange (spec A9)."""

    #: Seconds from one comparison in the background to the next.
    reconcile_period_s: Decimal = Field(
        default=Decimal(30), ge=1, le=3600, validation_alias="SPARK_RECONCILE_PERIOD_S"
    )
    #: Age of the last comparison above which nothing new is approved, ms.
    reconciled_age_ms_max: int = Field(
        default=120_000, ge=1000, le=3_600_000, validation_alias="SPARK_RECONCILED_AGE_MS"
    )


class BistSettings(_Section):
    """When Borsa Istanbul trades; times of day in Istanbul (spec B7)."""

    #: Without it no session is published, and every BIST order is refused as closed.
    is_enabled: bool = Field(default=False, validation_alias="BIST_ENABLED")
    opens: str = Field(default="09:30", validation_alias="SPARK_BIST_OPEN")
    closes: str = Field(default="18:00", validation_alias="SPARK_BIST_CLOSE")
    half_day_closes: str = Field(default="12:50", validation_alias="SPARK_BIST_HALF_DAY_CLOSE")
    #: TOML file of announced exceptions; empty means that there are none.
    overrides: Path | None = Field(default=None, validation_alias="SPARK_BIST_OVERRIDES")


class ProcessSettings(_Section):
    """Where one process finds its things."""

    #: State of one stack: data, logs, run files, secrets.
    home: Path | None = Field(default=None, validation_alias="SPARK_HOME")
    #: Name of the stack under the default home.
    name: str = Field(default="dev", pattern=r"^[a-z0-9-]{1,32}$", validation_alias="SPARK_NAME")
    #: Bases of the default home and of the jar cache, where the desktop standard puts them.
    xdg_state_home: Path | None = Field(default=None, validation_alias="XDG_STATE_HOME")
    xdg_cache_home: Path | None = Field(default=None, validation_alias="XDG_CACHE_HOME")
    #: This role's own secrets; empty means `<home>/secrets/<role>`.
    secrets_dir: Path | None = Field(default=None, validation_alias="SPARK_SECRETS_DIR")
    #: Whose signatures count (S11); empty means `<home>/public/operators.toml`.
    operators_file: Path | None = Field(default=None, validation_alias="SPARK_OPERATORS_FILE")
    #: Directory whose files are kills (design §5); empty means `<home>/kill.d`.
    latch_dir: Path | None = Field(default=None, validation_alias="SPARK_LATCH_DIR")
    #: Port of /healthz and /metrics; 0 lets the system pick.
    ops_port: int = Field(default=0, ge=0, le=65_535, validation_alias="SPARK_OPS_PORT")
    #: Port on which the webhook takes alerts, on loopback; 0 lets the system pick.
    webhook_port: int = Field(default=0, ge=0, le=65_535, validation_alias="SPARK_WEBHOOK_PORT")
    log_format: str = Field(
        default="json",
        pattern="^(json|console)$",
        validation_alias=AliasChoices("SPARK_LOG_FORMAT"),
    )


class Settings(_Section):
    """All of it; constructors get their section."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    trading: TradingSettings = Field(default_factory=TradingSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    protection: ProtectionSettings = Field(default_factory=ProtectionSettings)
    gateway: GatewaySettings = Field(default_factory=GatewaySettings)
    signer: SignerSettings = Field(default_factory=SignerSettings)
    binance: BinanceSettings = Field(default_factory=BinanceSettings)
    btcturk: BtcturkSettings = Field(default_factory=BtcturkSettings)
    venues: VenueSettings = Field(default_factory=VenueSettings)
    account: AccountSettings = Field(default_factory=AccountSettings)
    bist: BistSettings = Field(default_factory=BistSettings)
    process: ProcessSettings = Field(default_factory=ProcessSettings)


def read_settings() -> Settings:
    """
    Read the environment.

    Raises:
        SettingError: a setting is wrong; the text names it and what it may be.

    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    parts = []
    for fault in error.errors(include_url=False, include_input=False):
        name = str(fault["loc"][-1]) if fault["loc"] else "settings"
        parts.append(f"{name}: {fault['msg']}")
    return "; ".join(parts)
