"""Best prices of several symbols, as marks."""

from contextlib import suppress
from decimal import Decimal
from urllib.parse import unquote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import WireError
from spark.events import Mark
from spark.exchanges.binance.wire_marks import (
    BOOK_TICKER_PATH,
    book_tickers,
    book_tickers_path,
    mark_of,
)
from spark.names import Symbol

_NOW = 1_763_700_000_000_000_000
_BTC = {
    "symbol": "BTCUSDT",
    "bidPrice": "61837.63000000",
    "bidQty": "3.78826000",
    "askPrice": "61837.64000000",
    "askQty": "1.54698000",
}


def test_every_symbol_is_marked_with_bid_and_ask() -> None:
    """B5: a mark is bid, ask and when it was measured."""
    body = orjson.dumps([_BTC, {**_BTC, "symbol": "ETHUSDT"}])

    found = book_tickers(body, _NOW)

    assert [mark.symbol for mark in found] == ["BTCUSDT", "ETHUSDT"]
    assert found[0] == Mark(
        symbol=Symbol("BTCUSDT"),
        bid=Decimal("61837.63"),
        ask=Decimal("61837.64"),
        measured_ns=_NOW,
    )


@pytest.mark.parametrize(
    "prices",
    [("0.00000000", "1"), ("1", "0"), ("61838", "61837.64")],
    ids=["no bid", "no ask", "bid above ask"],
)
def test_prices_that_cannot_be_mark_nothing(prices: tuple[str, str]) -> None:
    """B9: a bid above its ask, or none at all, is left out; the other symbols count."""
    bad = {**_BTC, "symbol": "ETHUSDT", "bidPrice": prices[0], "askPrice": prices[1]}

    assert [mark.symbol for mark in book_tickers(orjson.dumps([bad, _BTC]), _NOW)] == ["BTCUSDT"]
    assert mark_of("ETHUSDT", prices, _NOW) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b"[1]",
        b"[{}]",
        orjson.dumps([{**_BTC, "bidPrice": 1.5}]),
        orjson.dumps([{**_BTC, "askPrice": "NaN"}]),
        orjson.dumps([{**_BTC, "symbol": None}]),
    ],
)
def test_garbage_is_an_error_and_no_mark(body: bytes) -> None:
    """H5: what is not a list of book tickers is refused as a whole."""
    with pytest.raises(WireError):
        book_tickers(body, _NOW)


@given(st.binary(max_size=200))
def test_any_bytes_are_marks_or_an_error(body: bytes) -> None:
    """H5: no input raises anything but a WireError."""
    with suppress(WireError):
        book_tickers(body, _NOW)


def test_the_question_names_its_symbols() -> None:
    """One request of weight 4 asks for all of them."""
    path = book_tickers_path((Symbol("BTCUSDT"), Symbol("USDTTRY")))

    assert unquote(path) == f'{BOOK_TICKER_PATH}?symbols=["BTCUSDT","USDTTRY"]'
    assert '"' not in path
