"""
Candles, and trades of everybody. Pure.

Source: binance-spot-api-docs rest-api.md "Kline/Candlestick data", "Recent trades list".
"""

from decimal import Decimal
from typing import Final, NamedTuple
from urllib.parse import quote

from spark.errors import WireError
from spark.exchanges.binance.wire import amount
from spark.exchanges.fields import (
    as_list,
    as_object,
    decode,
    flag,
    whole,
)
from spark.names import Symbol

KLINES_PATH: Final = "/api/v3/klines"
PUBLIC_TRADES_PATH: Final = "/api/v3/trades"
#: Of one reply; the venue gives no more.
ROWS_MAX: Final = 1_000
_COLUMNS: Final = (
    "open_ms",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_ms",
    "quote_volume",
    "trades",
)
#: Those, what takers bought, and one that is not used.
_COLUMNS_MIN: Final = 11


class Candle(NamedTuple):
    """One candle; its times are its first and its last millisecond."""

    open_ms: int
    close_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int


class PublicTrade(NamedTuple):
    """One trade of somebody."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    at_ms: int
    is_buyer_maker: bool


def klines_path(symbol: Symbol, interval: str, since_ms: int | None = None) -> str:
    """Write the question for candles, the newest or those since a time; costs 2."""
    start = "" if since_ms is None else f"&startTime={since_ms}"
    return f"{KLINES_PATH}?symbol={symbol}&interval={quote(interval)}{start}&limit={ROWS_MAX}"


def trades_path(symbol: Symbol) -> str:
    """Write the question for the newest trades; costs 25."""
    return f"{PUBLIC_TRADES_PATH}?symbol={symbol}&limit={ROWS_MAX}"


def klines(body: bytes) -> tuple[Candle, ...]:
    """Read candles, oldest first; raises `WireError`."""
    return tuple(_candle(row) for row in as_list(decode(body), "klines"))


def public_trades(body: bytes) -> tuple[PublicTrade, ...]:
    """Read trades, oldest first; raises `WireError`."""
    rows = [as_object(row, "a trade") for row in as_list(decode(body), "trades")]
    return tuple(
        PublicTrade(
            whole(row, "id"),
            amount(row, "price"),
            amount(row, "qty"),
            whole(row, "time"),
            flag(row, "isBuyerMaker"),
        )
        for row in rows
    )


def _candle(value: object) -> Candle:
    columns = as_list(value, "a kline")
    if len(columns) < _COLUMNS_MIN:
        raise WireError(f"a kline has {len(columns)} columns, {_COLUMNS_MIN} at least are due")
    row = dict(zip(_COLUMNS, columns, strict=False))
    candle = Candle(
        whole(row, "open_ms"),
        whole(row, "close_ms"),
        amount(row, "open"),
        amount(row, "high"),
        amount(row, "low"),
        amount(row, "close"),
        amount(row, "volume"),
        amount(row, "quote_volume"),
        whole(row, "trades"),
    )
    if not candle.low <= min(candle.open, candle.close) <= candle.high:
        raise WireError("a kline whose prices are not between its lowest and its highest")
    return candle
