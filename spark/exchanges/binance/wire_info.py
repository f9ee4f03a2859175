"""
exchangeInfo and server time. Pure.

Source: binance-spot-api-docs rest-api.md "Exchange information", filters.md: a
part of PRICE_FILTER that is 0 is switched off, and so is a step of 0.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from spark.errors import WireError
from spark.exchanges.binance.wire import amount
from spark.exchanges.fields import (
    Object,
    as_list,
    as_object,
    decode,
    moment_ms,
    text,
    whole,
)
from spark.exchanges.rules import Rules

TIME_PATH: Final = "/api/v3/time"
EXCHANGE_INFO_PATH: Final = "/api/v3/exchangeInfo"
_TRADING: Final = "TRADING"
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument(Rules):
    """One symbol's rules at Binance."""

    order_types: frozenset[str]
    #: The tighter of the two lot filters, for market orders.
    market_quantity_max: Decimal
    notional_max: Decimal
    open_orders_max: int

    @property
    def is_trading(self) -> bool:
        """Whether the venue takes new orders."""
        return self.status == _TRADING


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One of the venue's budgets."""

    #: `REQUEST_WEIGHT`, `ORDERS`, `RAW_REQUESTS`.
    kind: str
    interval_s: int
    limit: int


@dataclass(frozen=True, slots=True)
class ExchangeInfo:
    """What the venue trades, and how often it may be asked."""

    server_time_ms: int
    rate_limits: tuple[RateLimit, ...]
    instruments: tuple[Instrument, ...]


def server_time(body: bytes) -> int:
    """
    Read `GET /api/v3/time`.

    Returns:
        The venue's clock, ms since 1970.

    Raises:
        WireError: not a server time.
    """
    return moment_ms(as_object(decode(body), "the server time"), "serverTime")


def exchange_info(body: bytes) -> ExchangeInfo:
    """
    Read `GET /api/v3/exchangeInfo`.

    Raises:
        WireError: not exchange information, or a symbol without a filter it must have.
    """
    fields = as_object(decode(body), "exchangeInfo")
    return ExchangeInfo(
        server_time_ms=moment_ms(fields, "serverTime"),
        rate_limits=tuple(
            _rate_limit(as_object(row, "a rate limit"))
            for row in as_list(fields.get("rateLimits"), "rateLimits")
        ),
        instruments=tuple(
            _instrument(as_object(row, "a symbol"))
            for row in as_list(fields.get("symbols"), "symbols")
        ),
    )


#: Of one budget; far above every one there is.
_INTERVALS_MAX: Final = 1_000_000
_INTERVAL_S: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}


def _rate_limit(fields: Object) -> RateLimit:
    interval = text(fields, "interval")
    if interval not in _INTERVAL_S:
        raise WireError(f"interval is {interval[:20]!r}, one of {', '.join(_INTERVAL_S)} is due")
    return RateLimit(
        text(fields, "rateLimitType"),
        _INTERVAL_S[interval] * whole(fields, "intervalNum", _INTERVALS_MAX),
        whole(fields, "limit"),
    )


def _instrument(fields: Object) -> Instrument:
    symbol = text(fields, "symbol")
    rows = [as_object(row, "a filter") for row in as_list(fields.get("filters"), "filters")]
    filters = {text(row, "filterType"): row for row in rows}
    price, lot = _due(filters, "PRICE_FILTER", symbol), _due(filters, "LOT_SIZE", symbol)
    market = filters.get("MARKET_LOT_SIZE", lot)
    notional_min, notional_max = _notional(filters)
    open_orders = filters.get("MAX_NUM_ORDERS")
    quantity_max = amount(lot, "maxQty")
    order_types = as_list(fields.get("orderTypes"), "orderTypes")
    return Instrument(
        symbol=symbol,
        base_asset=text(fields, "baseAsset"),
        quote_asset=text(fields, "quoteAsset"),
        status=text(fields, "status"),
        order_types=frozenset(word for word in order_types if isinstance(word, str)),
        tick_size=amount(price, "tickSize"),
        price_min=amount(price, "minPrice"),
        price_max=amount(price, "maxPrice"),
        step_size=amount(lot, "stepSize"),
        quantity_min=amount(lot, "minQty"),
        quantity_max=quantity_max,
        market_quantity_max=min(quantity_max, amount(market, "maxQty") or quantity_max),
        notional_min=notional_min,
        notional_max=notional_max,
        open_orders_max=0 if open_orders is None else whole(open_orders, "maxNumOrders"),
    )


def _due(filters: dict[str, Object], name: str, symbol: str) -> Object:
    found = filters.get(name)
    if found is None:
        raise WireError(f"{symbol[:20]!r} has no {name}")
    return found


def _notional(filters: dict[str, Object]) -> tuple[Decimal, Decimal]:
    """Read the worth an order must have, from whichever filter the symbol carries."""
    if "NOTIONAL" in filters:
        found = filters["NOTIONAL"]
        return amount(found, "minNotional"), amount(found, "maxNotional")
    if "MIN_NOTIONAL" in filters:
        return amount(filters["MIN_NOTIONAL"], "minNotional"), _ZERO
    return _ZERO, _ZERO
