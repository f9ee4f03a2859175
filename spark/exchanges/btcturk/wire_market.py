"""
Public prices, books, trades and candles over REST. Pure.

Tickers and candles come as JSON numbers, books and trades as text. A book has no
sequence number, so it cannot seed a book that is kept by differences.

Source: docs.btcturk.com ticker, orderbook, trades, ohlc-data, kline-data; facts: §1.4.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from spark.errors import WireError
from spark.events import Mark
from spark.exchanges.btcturk.wire import (
    AMOUNT,
    Levels,
    amount,
    amount_text,
    decode_exact,
    folded,
    identifier,
    milliseconds,
)
from spark.exchanges.btcturk.wire_answers import data_of
from spark.exchanges.fields import (
    Object,
    as_list,
    text,
    whole,
)
from spark.names import Side, Symbol

TICKER_PATH: Final = "/api/v2/ticker"
ORDER_BOOK_PATH: Final = "/api/v2/orderbook"
TRADES_PATH: Final = "/api/v2/trades"
KLINES_PATH: Final = "/v1/klines/history"
OHLCS_PATH: Final = "/v1/ohlcs"
#: More the venue does not give.
ORDER_BOOK_LEVELS_MAX: Final = 100
TRADES_MAX: Final = 50
_SIDES: Final = frozenset(Side)


class OrderBook(NamedTuple):
    """`GET /api/v2/orderbook`, best first."""

    at_ms: int
    bids: Levels
    asks: Levels


class PublicTrade(NamedTuple):
    """One row of `GET /api/v2/trades`."""

    symbol: str
    trade_id: str
    price: str
    quantity: str
    at_ms: int
    #: Of who came to the book; None where the venue does not say.
    taker: Side | None


class Candle(NamedTuple):
    """One candle; its time is when it begins."""

    at_s: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class Span(NamedTuple):
    """From when to when, in seconds: the candles' own unit."""

    from_s: int
    to_s: int


def tickers_path(symbols: tuple[Symbol, ...]) -> str:
    """Write the question for prices: of one symbol, or, for several, of all that there are."""
    return f"{TICKER_PATH}?pairSymbol={symbols[0]}" if len(symbols) == 1 else TICKER_PATH


def order_book_path(symbol: str) -> str:
    """Write the question for a book, as deep as it is given."""
    return f"{ORDER_BOOK_PATH}?pairSymbol={symbol}&limit={ORDER_BOOK_LEVELS_MAX}"


def trades_path(symbol: str) -> str:
    """Write the question for the last trades, as many as are given."""
    return f"{TRADES_PATH}?pairSymbol={symbol}&last={TRADES_MAX}"


def klines_path(symbol: str, resolution: str, span: Span) -> str:
    """
    Write the question for candles; the range always stands in it, in seconds (trap 7).

    Args:
        symbol: as the venue writes it.
        resolution: minutes: `1`, `5`, `15`, `30`, `60`, `240`; a day's spelling is not certain.
        span: from when to when.

    """
    return (
        f"{KLINES_PATH}?symbol={symbol}&resolution={resolution}&from={span.from_s}&to={span.to_s}"
    )


def ohlcs_path(symbol: str, span: Span) -> str:
    """Write the question for daily candles; the range always stands in it, in seconds."""
    return f"{OHLCS_PATH}?pair={symbol}&from={span.from_s}&to={span.to_s}"


def marks(body: bytes, symbols: Iterable[Symbol], measured_ns: int) -> tuple[Mark, ...]:
    """
    Read best prices of some symbols; those that cannot be prices are left out.

    Raises:
        WireError: not a list of such rows.

    """
    wanted = frozenset(symbols)
    found = []
    for row in as_list(data_of(body), "tickers"):
        fields = folded(row, "a ticker")
        symbol = text(fields, "pair")
        if symbol not in wanted:
            continue
        bid, ask = amount(fields, "bid"), amount(fields, "ask")
        if 0 < bid <= ask:
            found.append(Mark(symbol=Symbol(symbol), bid=bid, ask=ask, measured_ns=measured_ns))
    return tuple(found)


def order_book(body: bytes) -> OrderBook:
    """Read a book; raises `WireError`."""
    fields = folded(data_of(body), "a book")
    return OrderBook(
        milliseconds(fields, "timestamp"), _levels(fields, "bids"), _levels(fields, "asks")
    )


def trades(body: bytes) -> tuple[PublicTrade, ...]:
    """Read the last trades, as the venue orders them; raises `WireError`."""
    rows = [folded(row, "a trade") for row in as_list(data_of(body), "trades")]
    return tuple(
        PublicTrade(
            symbol=text(row, "pair"),
            trade_id=identifier(row, "tid"),
            price=amount_text(row, "price"),
            quantity=amount_text(row, "amount"),
            at_ms=milliseconds(row, "date"),
            taker=_side(row),
        )
        for row in rows
    )


def klines(body: bytes) -> tuple[Candle, ...]:
    """Read candles, oldest first; they come without an envelope; raises `WireError`."""
    fields = folded(decode_exact(body), "candles")
    state = text(fields, "s")
    if state != "ok":
        if state == "no_data":
            return ()
        raise WireError(f"candles are {state[:20]!r}")
    columns = [as_list(fields.get(name), name) for name in ("t", "o", "h", "l", "c", "v")]
    if len({len(column) for column in columns}) != 1:
        raise WireError("the columns of candles differ in length")
    rows = [dict(zip("tohlcv", row, strict=True)) for row in zip(*columns, strict=True)]
    return tuple(_candle(row, "tohlcv") for row in rows)


_OHLC: Final = ("time", "open", "high", "low", "close", "volume")


def ohlcs(body: bytes) -> tuple[Candle, ...]:
    """Read daily candles; they come without an envelope; raises `WireError`."""
    rows = [folded(row, "a candle") for row in as_list(decode_exact(body), "candles")]
    return tuple(_candle(row, _OHLC) for row in rows)


def _candle(row: Object, names: Iterable[str]) -> Candle:
    time, *figures = names
    return Candle(whole(row, time), *(amount(row, name) for name in figures))


def _levels(fields: Object, name: str) -> Levels:
    rows = as_list(fields.get(name), name)
    levels = []
    for row in rows:
        match row:
            case [str(price), str(quantity)] if AMOUNT.fullmatch(price) and AMOUNT.fullmatch(
                quantity
            ):
                levels.append((price, quantity))
            case _:
                raise WireError(f"{name} is not a list of [price, amount]")
    return tuple(levels)


def _side(fields: Object) -> Side | None:
    word = fields.get("side")
    return Side(word) if isinstance(word, str) and word in _SIDES else None
