"""
The vocabulary: identifiers as distinct types and every closed set as an enum.

Nothing here imports Spark; everything else may import this.
"""

from enum import StrEnum
from typing import Final, NewType

#: An exchange account, `<venue>:<name>`; the key of every `orders.*` record.
AccountId = NewType("AccountId", str)
#: A principal that may write intents: `strategy-<name>`, `op-<person>` or `api`.
StrategyId = NewType("StrategyId", str)
#: `<created, ms since 1970, 11 hex digits>-<8 to 24 of 0-9a-z>`, chosen by the strategy.
IntentId = NewType("IntentId", str)
#: The id an exchange sees, derived from account, strategy and intent id (ids.py).
ClientOrderId = NewType("ClientOrderId", str)
#: The venue's own symbol, upper case: `BTCUSDT`.
Symbol = NewType("Symbol", str)

TAG_PREFIX: Final = "tag."
#: How the principals of persons begin.
OPERATOR_PREFIX: Final = "op-"


class Venue(StrEnum):
    """Where orders go and prices come from."""

    BINANCE = "binance"
    BTCTURK = "btcturk"
    BIST = "bist"


class Role(StrEnum):
    """A kind of Spark process; also its Kafka principal."""

    GUARDRAIL = "guardrail"
    SIGNER = "signer"
    GATEWAY = "gateway"
    AUDITOR = "auditor"
    VENUE_WATCH = "venue_watch"
    BINANCE_FEED = "binance_feed"
    BTCTURK_FEED = "btcturk_feed"
    ACCOUNT_FEED = "account_feed"
    FEED_WRITER = "feed_writer"
    PROJECTOR = "projector"
    SENTINEL = "sentinel"
    WEBHOOK = "webhook"


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"


class OrderType(StrEnum):
    """How an order names its price."""

    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(StrEnum):
    """How long an order rests: till cancelled, not at all, or all at once."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class TradingMode(StrEnum):
    """What may be sent, from the strictest on (spec B1)."""

    PAPER = "paper"
    SHADOW = "shadow"
    TRICKLE = "trickle"
    LIVE = "live"


class Book(StrEnum):
    """Which orders count together: trickle and live are one book, paper never mixes with it."""

    PAPER = "paper"
    SHADOW = "shadow"
    LIVE = "live"


class HaltSource(StrEnum):
    """What halted or demoted."""

    CLI = "cli"
    API = "api"
    CONSOLE = "console"
    WEBHOOK = "webhook"
    SENTINEL = "sentinel"
    GUARDRAIL = "guardrail"
    GATEWAY = "gateway"
    #: Nobody knows: said by whoever reads the record, and never written.
    UNREADABLE = "unreadable"


class Endpoint(StrEnum):
    """Where it would be sent: a simulator on loopback, or the exchange."""

    SIM = "sim"
    REAL = "real"


class Action(StrEnum):
    """What an intent asks of the exchange."""

    PLACE = "place"
    CANCEL = "cancel"


class Reason(StrEnum):
    """
    Why an intent was refused, a signature skipped or a request not sent.

    Source: spec A2 and B; the first four names are fixed there.
    """

    NOTIONAL_EXCEEDED = "notional_exceeded"
    EXPOSURE_EXCEEDED = "exposure_exceeded"
    DRAWDOWN_EXCEEDED = "drawdown_exceeded"
    KILL_SWITCH_ACTIVE = "kill_switch_active"
    MODE_FORBIDS = "mode_forbids"
    RESUME_MISMATCH = "resume_mismatch"
    LEASE_OVER = "lease_over"
    SHADOW_MODE = "shadow_mode"
    MARKET_CLOSED = "market_closed"
    VENUE_NOT_TRADABLE = "venue_not_tradable"
    CLOCK_DRIFT_EXCEEDED = "clock_drift_exceeded"
    QUOTE_STALE = "quote_stale"
    QUOTE_INVALID = "quote_invalid"
    PRICES_DISAGREE = "prices_disagree"
    AUDIT_LAG_EXCEEDED = "audit_lag_exceeded"
    AUDIT_NOT_WITNESSED = "audit_not_witnessed"
    EQUITY_UNKNOWN = "equity_unknown"
    PRICE_COLLAR_EXCEEDED = "price_collar_exceeded"
    ORDER_RATE_EXCEEDED = "order_rate_exceeded"
    NOTIONAL_RATE_EXCEEDED = "notional_rate_exceeded"
    OPEN_ORDERS_EXCEEDED = "open_orders_exceeded"
    DUPLICATE_ORDER = "duplicate_order"
    STRATEGY_NOTIONAL_EXCEEDED = "strategy_notional_exceeded"
    STRATEGY_EXPOSURE_EXCEEDED = "strategy_exposure_exceeded"
    STRATEGY_DRAWDOWN_EXCEEDED = "strategy_drawdown_exceeded"
    STRATEGY_ORDER_RATE_EXCEEDED = "strategy_order_rate_exceeded"
    STRATEGY_NOTIONAL_RATE_EXCEEDED = "strategy_notional_rate_exceeded"
    STRATEGY_OPEN_ORDERS_EXCEEDED = "strategy_open_orders_exceeded"
    TRICKLE_SYMBOL_FORBIDDEN = "trickle_symbol_forbidden"
    TRICKLE_NOTIONAL_EXCEEDED = "trickle_notional_exceeded"
    INTENT_EXPIRED = "intent_expired"
    INTENT_FROM_THE_FUTURE = "intent_from_the_future"
    GATEWAY_NOT_READY = "gateway_not_ready"
    UNKNOWN_OUTCOME_OPEN = "unknown_outcome_open"
    INSTRUMENT_UNKNOWN = "instrument_unknown"
    INSTRUMENT_STALE = "instrument_stale"
    INSTRUMENT_HALTED = "instrument_halted"
    PRICE_MISSING = "price_missing"
    PRICE_PRECISION = "price_precision"
    PRICE_OUT_OF_RANGE = "price_out_of_range"
    QUANTITY_PRECISION = "quantity_precision"
    QUANTITY_OUT_OF_RANGE = "quantity_out_of_range"
    NOTIONAL_BELOW_MINIMUM = "notional_below_minimum"
    DUPLICATE_INTENT = "duplicate_intent"
    INTENT_ID_REUSED = "intent_id_reused"
    MALFORMED = "malformed"
    UNKNOWN_SCHEMA_VERSION = "unknown_schema_version"
    TAG_MISSING = "tag_missing"
    TAG_INVALID = "tag_invalid"
    STRATEGY_MISMATCH = "strategy_mismatch"
    ACCOUNT_UNKNOWN = "account_unknown"
    WRONG_PARTITION = "wrong_partition"
    UPSTREAM_REFUSED = "upstream_refused"
    APPROVAL_EXPIRED = "approval_expired"
    APPROVAL_MISMATCH = "approval_mismatch"
    SIGNER_CEILING = "signer_ceiling"
    ALREADY_SIGNED = "already_signed"
    CANCEL_TARGET_UNKNOWN = "cancel_target_unknown"
    CANCEL_LIMIT = "cancel_limit"
    CREDENTIALS_MISSING = "credentials_missing"
    CLOCK_UNKNOWN = "clock_unknown"
    SIGNATURE_EXPIRED = "signature_expired"
    SEAL_INVALID = "seal_invalid"
    DUPLICATE_CLAIM = "duplicate_claim"
    CANCELLED_BEFORE_SEND = "cancelled_before_send"
    CANCEL_TARGET_CLOSED = "cancel_target_closed"
    CONNECTION_UNAVAILABLE = "connection_unavailable"
    ACCOUNT_NOT_RECONCILED = "account_not_reconciled"
    POSITION_DIFFERENCE = "position_difference"
    ORDER_TYPE_UNSUPPORTED = "order_type_unsupported"
    TIME_IN_FORCE_UNSUPPORTED = "time_in_force_unsupported"
    BREAKER_OPEN = "breaker_open"
    VENUE_BACKING_OFF = "venue_backing_off"
    STAMP_OVERTAKEN = "stamp_overtaken"
    EXCHANGE_ORDER_UNKNOWN = "exchange_order_unknown"


class BreakerState(StrEnum):
    """
    Whether requests go to an exchange: all, none, or a probe to see whether it is back.
    """

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class VenueOrderState(StrEnum):
    """Where an exchange says that an order stands."""

    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"


class DifferenceKind(StrEnum):
    """What reconciliation found to differ between the log and the exchange."""

    #: The exchange has a fill that no record tells of.
    FILL_MISSING = "fill_missing"
    #: The log has a fill that the exchange does not.
    FILL_UNPROVEN = "fill_unproven"
    #: An order of nobody here.
    FOREIGN_ORDER = "foreign_order"
    #: Ours is alive on the log, and the exchange lists it nowhere.
    ORDER_ABSENT = "order_absent"
    #: Both have it, in states that do not fit.
    ORDER_STATE = "order_state"
    #: A balance that does not follow from the fills.
    BALANCE = "balance"


class DifferenceRule(StrEnum):
    """What a difference leads to, from the mildest on."""

    #: The exchange's word is taken over as evidence.
    ADOPTED = "adopted"
    #: Shown and counted as exposure, and left alone.
    MARKED_FOREIGN = "marked_foreign"
    #: Somebody is told.
    ALERTED = "alerted"
    #: No new risk on the account until it is closed.
    HALTED = "halted"


class OrderState(StrEnum):
    """
    Where an order stands (spec A6; the transitions are in ledger/orders.py).

    `claimed` is in flight: the gateway wrote that it sends, no answer yet.
    `submitted` is alive at the exchange. `not_found` is the exchange's own
    denial, which later evidence reopens.
    """

    PENDING = "pending"
    CLAIMED = "claimed"
    UNKNOWN = "unknown"
    SUBMITTED = "submitted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    SETTLED = "settled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    NOT_FOUND = "not_found"


#: The book in which orders of a mode count.
BOOK_OF: Final[dict[TradingMode, Book]] = {
    TradingMode.PAPER: Book.PAPER,
    TradingMode.SHADOW: Book.SHADOW,
    TradingMode.TRICKLE: Book.LIVE,
    TradingMode.LIVE: Book.LIVE,
}


def venue_of(account: AccountId) -> str:
    """Name the exchange of an account: the part before the colon."""
    return account.partition(":")[0]
