"""
Public prices, books, trades and candles.
"""

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import WireError
from spark.events import Mark
from spark.exchanges.btcturk import wire_market
from spark.exchanges.btcturk.wire_market import Candle, OrderBook, PublicTrade, Span
from spark.names import Side, Symbol

BTCTRY: Final = Symbol("BTCTRY")


def enveloped(data: object, code: object = 0) -> bytes:
    return orjson.dumps({"data": data, "success": True, "message": "SUCCESS", "code": code})


TICKER: Final[dict[str, Any]] = {
    "pair": "BTCTRY",
    "pairNormalized": "BTC_TRY",
    "timestamp": 1763700000000,
    "last": 3842925,
    "bid": 3842925,
    "ask": 3843111.5,
}


def test_marks_are_the_best_prices_of_those_asked_for() -> None:
    """Prices are numbers there; rows of other symbols are left alone."""
    sent = enveloped([TICKER, {**TICKER, "pair": "ETHTRY", "bid": None}])
    assert wire_market.marks(sent, (BTCTRY,), 7) == (
        Mark(symbol=BTCTRY, bid=Decimal(3842925), ask=Decimal("3843111.5"), measured_ns=7),
    )


@pytest.mark.parametrize(("bid", "ask"), [(0, 1), (2, 1), (0, 0)])
def test_prices_that_cannot_be_are_left_out(bid: int, ask: int) -> None:
    """A zero or a crossed price marks nothing; whoever asked sees that it is missing."""
    assert wire_market.marks(enveloped([{**TICKER, "bid": bid, "ask": ask}]), (BTCTRY,), 7) == ()


def test_an_unknown_pair_is_an_empty_list() -> None:
    """The venue answers 200 and nothing."""
    assert wire_market.marks(enveloped([]), (BTCTRY,), 7) == ()


def test_one_symbol_is_asked_alone_and_several_at_once() -> None:
    """Each question counts against the address."""
    assert wire_market.tickers_path((BTCTRY,)) == "/api/v2/ticker?pairSymbol=BTCTRY"
    assert wire_market.tickers_path((BTCTRY, Symbol("USDTTRY"))) == "/api/v2/ticker"


def test_a_book_is_read_whatever_its_code_is_called() -> None:
    """The book alone has answered with the code "SUCCESS", and with a fraction in its time."""
    data = {"timestamp": 1763700000000.0, "bids": [["10", "1.5"]], "asks": [["11", "0.2"]]}
    assert wire_market.order_book(enveloped(data, "SUCCESS")) == OrderBook(
        1763700000000, (("10", "1.5"),), (("11", "0.2"),)
    )


@pytest.mark.parametrize("level", [["10"], ["10", 1], ["10", "x"], ["10", "1", "2"], "10", None])
def test_a_level_that_is_none_is_refused(level: object) -> None:
    """A level is a price and an amount, both text."""
    with pytest.raises(WireError):
        wire_market.order_book(enveloped({"timestamp": 1, "bids": [level], "asks": []}))


def test_trades_are_read() -> None:
    """An id is text of digits; the side is not documented, and may be missing."""
    row = {
        "pair": "BTCTRY",
        "date": 1763700000000,
        "tid": "110063781755340883",
        "price": "3842925",
        "amount": "0.01",
    }
    sold = PublicTrade("BTCTRY", "110063781755340883", "3842925", "0.01", 1763700000000, Side.SELL)
    assert wire_market.trades(enveloped([{**row, "side": "sell"}, row])) == (
        sold,
        sold._replace(taker=None),
    )


def test_candles_are_asked_with_their_range_in_seconds() -> None:
    """Trap 7: `from` and `to` always stand there, in seconds."""
    span = Span(1763690000, 1763700000)
    assert wire_market.klines_path("BTCTRY", "60", span) == (
        "/v1/klines/history?symbol=BTCTRY&resolution=60&from=1763690000&to=1763700000"
    )
    assert wire_market.ohlcs_path("BTCTRY", span) == (
        "/v1/ohlcs?pair=BTCTRY&from=1763690000&to=1763700000"
    )


def test_candles_are_read_from_columns_and_from_rows() -> None:
    """Both come without an envelope."""
    columns = b'{"s":"ok","t":[60],"o":[1.5],"h":[3],"l":[1],"c":[2],"v":[0.25]}'
    rows = (
        b'[{"pair":"BTCTRY","time":60,"open":"1.5","high":"3","low":"1","close":"2","volume":0.25}]'
    )
    candle = Candle(60, *map(Decimal, ("1.5", "3", "1", "2", "0.25")))
    assert wire_market.klines(columns) == wire_market.ohlcs(rows) == (candle,)
    assert wire_market.klines(b'{"s":"no_data"}') == ()


@pytest.mark.parametrize(
    "sent",
    [
        b'{"s":"error"}',
        b'{"s":"ok","t":[60],"o":[],"h":[3],"l":[1],"c":[2],"v":[0.25]}',
        b'{"s":"ok","t":[60],"o":["x"],"h":[3],"l":[1],"c":[2],"v":[0.25]}',
        b'{"s":"ok"}',
    ],
)
def test_columns_that_do_not_fit_are_refused(sent: bytes) -> None:
    """A candle has all of its figures."""
    with pytest.raises(WireError):
        wire_market.klines(sent)


_READERS: Final[tuple[Callable[[bytes], object], ...]] = (
    wire_market.order_book,
    wire_market.trades,
    wire_market.klines,
    wire_market.ohlcs,
    lambda sent: wire_market.marks(sent, (BTCTRY,), 7),
)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(sent: bytes) -> None:
    """Any bytes in: a value or a typed error."""
    for read in _READERS:
        with suppress(WireError):
            read(sent)


_VALUE: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)
_ROW: Final = st.dictionaries(
    st.sampled_from(["pair", "bid", "ask", "tid", "price", "amount", "date", "side", "bids", "t"]),
    _VALUE,
)


@given(st.lists(_ROW, max_size=3) | _ROW)
def test_any_data_is_read_or_refused(data: object) -> None:
    """Anything in a reply's data: a value or a typed error."""
    for read in _READERS:
        for sent in (enveloped(data), orjson.dumps(data)):
            with suppress(WireError):
                read(sent)
