"""
Candles and trades of everybody.
"""

from decimal import Decimal
from typing import Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import WireError
from spark.exchanges.binance.wire_klines import (
    Candle,
    PublicTrade,
    klines,
    klines_path,
    public_trades,
)
from spark.names import Symbol
from tests.unit.exchanges.binance.values import ANY_JSON

#: The documents' own row.
ROW: Final = [
    1499040000000,
    "0.01634790",
    "0.80000000",
    "0.01575800",
    "0.01577100",
    "148976.11427815",
    1499644799999,
    "2434.19055334",
    308,
    "1756.87402397",
    "28.46694368",
    "0",
]
TRADE: Final = {
    "id": 28457,
    "price": "4.00000100",
    "qty": "12.00000000",
    "quoteQty": "48.000012",
    "time": 1499865549590,
    "isBuyerMaker": True,
    "isBestMatch": True,
}


def test_a_candle_is_read() -> None:
    """Times are milliseconds, amounts are exact."""
    assert klines(orjson.dumps([ROW])) == (
        Candle(
            open_ms=1499040000000,
            close_ms=1499644799999,
            open=Decimal("0.01634790"),
            high=Decimal("0.8"),
            low=Decimal("0.01575800"),
            close=Decimal("0.01577100"),
            volume=Decimal("148976.11427815"),
            quote_volume=Decimal("2434.19055334"),
            trades=308,
        ),
    )


def test_a_trade_is_read() -> None:
    """Whoever made it, it has an id, a price and a quantity."""
    (found,) = public_trades(orjson.dumps([TRADE]))
    assert found == PublicTrade(
        28457, Decimal("4.000001"), Decimal(12), 1499865549590, is_buyer_maker=True
    )


def test_the_question_names_a_start_or_none() -> None:
    """Without one the newest come."""
    assert klines_path(Symbol("A"), "1m") == "/api/v3/klines?symbol=A&interval=1m&limit=1000"
    assert "&startTime=5&" in klines_path(Symbol("A"), "1M", 5)


@pytest.mark.parametrize(
    "row", [ROW[:10], [*ROW[:2], "0.001", *ROW[3:]], ["1", *ROW[1:]], [ROW[0], 1.5, *ROW[2:]], {}]
)
def test_what_is_no_candle_is_refused(row: object) -> None:
    """Columns short, a highest below the lowest, numbers that are none."""
    with pytest.raises(WireError):
        klines(orjson.dumps([row]))


@given(st.binary(max_size=100), ANY_JSON, st.integers(0, 11))
def test_anything_is_read_or_refused(data: bytes, value: object, column: int) -> None:
    """Whatever arrives, it is what was asked for or a WireError."""
    row = [*ROW[:column], value, *ROW[column + 1 :]]
    trade = {**TRADE, sorted(TRADE)[column % len(TRADE)]: value}
    bodies = [data]
    for made in ([value], [row], [trade]):
        try:
            bodies.append(orjson.dumps(made))
        except orjson.JSONEncodeError:
            continue
    for body in bodies:
        for read in (klines, public_trades):
            try:
                read(body)
            except WireError:
                continue
