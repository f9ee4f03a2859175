"""
Market events as stream frames. Pure.

Source: binance-spot-api-docs web-socket-streams.md.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import orjson

from spark.exchanges.simulator.binance.symbols import amount
from spark.exchanges.simulator.book import Book
from spark.exchanges.simulator.orders import Fill
from spark.names import Side

_NS_PER_MS: Final = 1_000_000


def combined(stream: str, data: bytes) -> bytes:
    """Return a payload as `/stream` wraps it."""
    return b'{"stream":"%b","data":%b}' % (stream.encode(), data)


def book_ticker(book: Book) -> bytes:
    """Return the best bid and ask."""
    bid, bid_quantity = book.top(Side.BUY)
    ask, ask_quantity = book.top(Side.SELL)
    return orjson.dumps(
        {
            "u": book.update_id,
            "s": book.symbol,
            "b": amount(bid),
            "B": amount(bid_quantity),
            "a": amount(ask),
            "A": amount(ask_quantity),
        }
    )


def trade(fill: Fill, *, now_ms: int) -> bytes:
    """Return a public trade, from its taker's half."""
    return orjson.dumps(
        {
            "e": "trade",
            "E": now_ms,
            "s": fill.symbol,
            "t": fill.trade_id,
            "p": amount(fill.price),
            "q": amount(fill.quantity),
            "T": fill.at_ns // _NS_PER_MS,
            "m": not fill.is_buyer,
            "M": True,
        }
    )


def depth_update(
    book: Book, touched: Iterable[tuple[Side, Decimal]], *, first_id: int, now_ms: int
) -> bytes:
    """Return the levels that changed since `first_id`, with their quantity now."""
    levels: dict[Side, list[tuple[str, str]]] = {Side.BUY: [], Side.SELL: []}
    for side, price in touched:
        levels[side].append((amount(price), amount(book.quantity_at(side, price))))
    return orjson.dumps(
        {
            "e": "depthUpdate",
            "E": now_ms,
            "s": book.symbol,
            "U": first_id,
            "u": book.update_id,
            "b": levels[Side.BUY],
            "a": levels[Side.SELL],
        }
    )
