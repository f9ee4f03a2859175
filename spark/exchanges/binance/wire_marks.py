"""
Best prices of several symbols at once, as marks. Pure.

A price that cannot be one, zero or a bid above its ask, marks nothing: it is left out,
and whoever asked sees that it is missing.

Source: binance-spot-api-docs rest-api.md "Symbol order book ticker".
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final
from urllib.parse import quote

from spark.errors import WireError
from spark.events import Mark
from spark.exchanges.binance.wire import AMOUNT, amount_text
from spark.exchanges.fields import (
    as_list,
    as_object,
    decode,
    text,
)
from spark.names import Symbol

BOOK_TICKER_PATH: Final = "/api/v3/ticker/bookTicker"


def book_tickers_path(symbols: Iterable[Symbol]) -> str:
    """Write the question for these symbols; costs 4 of the minute's weight."""
    names = ",".join(f'"{symbol}"' for symbol in symbols)
    return f"{BOOK_TICKER_PATH}?symbols={quote(f'[{names}]', safe=',')}"


def book_tickers(body: bytes, measured_ns: int) -> tuple[Mark, ...]:
    """
    Read the reply; a row without usable prices is left out.

    Raises:
        WireError: the reply is not a list of such rows.

    """
    marks = []
    for row in as_list(decode(body), "the book tickers"):
        fields = as_object(row, "a book ticker")
        symbol = text(fields, "symbol")
        bid, ask = amount_text(fields, "bidPrice"), amount_text(fields, "askPrice")
        mark = mark_of(symbol, (bid, ask), measured_ns)
        if mark is not None:
            marks.append(mark)
    return tuple(marks)


def mark_of(symbol: str, prices: tuple[str, str], measured_ns: int) -> Mark | None:
    """
    Make a mark of bid and ask, as they were written.

    Returns: None for prices that nobody can mean: zero, or a bid above its ask.

    Raises:
        WireError: they are no amounts.

    """
    if not all(AMOUNT.fullmatch(price) for price in prices):
        raise WireError("a price is not an amount")
    bid, ask = map(Decimal, prices)
    if not 0 < bid <= ask:
        return None
    return Mark(symbol=Symbol(symbol), bid=bid, ask=ask, measured_ns=measured_ns)
