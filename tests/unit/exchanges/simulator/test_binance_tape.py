"""
The simulated Binance's bars.
"""

from decimal import Decimal

import pytest

from spark.exchanges.simulator.binance.tape import Tape, end_of, start_of
from spark.exchanges.simulator.orders import Fill

_NS_PER_S = 1_000_000_000
#: 2024-02-29 12:34:56 UTC, a Thursday.
NOON_S = 1_709_210_096


def traded(tape: Tape, at_s: int, price: str, *, is_buyer: bool = True) -> None:
    amount = Decimal(price)
    tape.traded(
        "BTCUSDT",
        Fill(
            trade_id=1,
            order_id=1,
            symbol="BTCUSDT",
            is_buyer=is_buyer,
            is_maker=False,
            price=amount,
            quantity=Decimal(2),
            quote=amount * 2,
            commission=Decimal(0),
            commission_asset="BTC",
            at_ns=at_s * _NS_PER_S,
        ),
    )


def test_trades_are_summed_up_by_their_time() -> None:
    """Open, highest, lowest, close, volumes, and what buyers took; an empty bar keeps the close."""
    tape = Tape()
    for offset_s, price, is_buyer in ((0, "5", True), (1, "7", False), (2, "4", True)):
        traded(tape, 6_000 + offset_s, price, is_buyer=is_buyer)
    traded(tape, 6_000 + 121, "6")
    first, empty, last = tape.bars("BTCUSDT", "1m", 6_125)
    assert (first.open, first.high, first.low, first.close) == tuple(map(Decimal, (5, 7, 4, 4)))
    assert (first.volume, first.quote, first.trades) == (Decimal(6), Decimal(32), 3)
    assert (first.taker_volume, first.taker_quote) == (Decimal(4), Decimal(18))
    assert (empty.open, empty.close, empty.volume) == tuple(map(Decimal, (4, 4, 0)))
    assert empty.trades == 0
    assert (last.start_s, last.close) == (6_120, Decimal(6))
    (hour,) = tape.bars("BTCUSDT", "1h", 6_125)
    assert (hour.open, hour.high, hour.close) == tuple(map(Decimal, (5, 7, 6)))
    assert (hour.start_s, hour.trades) == (3_600, 4)
    assert len(tape.bars("BTCUSDT", "1s", 6_003)) == 4


def test_without_a_trade_there_is_no_bar() -> None:
    """A symbol that never traded has none."""
    assert Tape().bars("BTCUSDT", "1m", 5) == []
    assert Tape().trades("BTCUSDT", 5) == []


@pytest.mark.parametrize(
    ("interval", "start_s", "end_s"),
    [
        ("1s", NOON_S, NOON_S + 1),
        ("15m", 1_709_209_800, 1_709_210_700),
        ("1d", 1_709_164_800, 1_709_251_200),
        ("1w", 1_708_905_600, 1_709_510_400),
        ("1M", 1_706_745_600, 1_709_251_200),
    ],
)
def test_bars_begin_where_the_venue_says(interval: str, start_s: int, end_s: int) -> None:
    """Days at midnight UTC, weeks on Monday, months on the first."""
    assert start_of(interval, NOON_S) == start_s
    assert end_of(interval, start_s) == end_s
