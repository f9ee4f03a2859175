"""
What was traded: the last trades of each pair and its minutes, for tickers and candles.

Reads   trades, as they happen
Writes  nothing
Owns    a day and a half of minutes, in memory
Fails   never
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from spark.exchanges.simulator.book import Book
from spark.exchanges.simulator.orders import ZERO, Fill

TRADES_MAX: Final = 50
DAY_MINUTES: Final = 1_440
MINUTES_MAX: Final = DAY_MINUTES * 3 // 2
_NS_PER_MINUTE: Final = 60_000_000_000


@dataclass(slots=True)
class Candle:
    """What was traded in a while."""

    #: Minutes since the epoch.
    minute: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    #: In the quote.
    total: Decimal = ZERO


class Day(NamedTuple):
    """The last 24 hours of a pair."""

    last: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    average: Decimal


@dataclass(slots=True)
class _Pair:
    trades: deque[Fill] = field(default_factory=lambda: deque(maxlen=TRADES_MAX))
    minutes: deque[Candle] = field(default_factory=lambda: deque(maxlen=MINUTES_MAX))


class Tape:
    """Hears of every trade."""

    def __init__(self, start_prices: dict[str, Decimal]) -> None:
        self._start_prices = start_prices
        self._pairs = {symbol: _Pair() for symbol in start_prices}

    def traded(self, symbol: str, fill: Fill) -> None:
        """Note a trade."""
        pair = self._pairs[symbol]
        pair.trades.append(fill)
        minute, price = fill.at_ns // _NS_PER_MINUTE, fill.price
        if not pair.minutes or pair.minutes[-1].minute < minute:
            pair.minutes.append(Candle(minute, price, price, price, price))
        candle = pair.minutes[-1]
        candle.high, candle.low = max(candle.high, price), min(candle.low, price)
        candle.close = price
        candle.volume += fill.quantity
        candle.total += fill.quote

    def book_changed(self, book: Book) -> None:
        """Ignore all but trades."""

    def trades(self, symbol: str, most: int = TRADES_MAX) -> list[Fill]:
        """List the last trades, newest first."""
        return list(reversed(self._pairs[symbol].trades))[:most]

    def day(self, symbol: str, now_ns: int) -> Day:
        """Sum the last 24 hours up; without a trade everything is the start's price."""
        first = now_ns // _NS_PER_MINUTE - DAY_MINUTES
        found = _sum(one for one in self._pairs[symbol].minutes if one.minute > first)
        if found is None:
            start = self._start_prices[symbol]
            return Day(start, start, start, start, ZERO, start)
        average = (found.total / found.volume).quantize(Decimal("0.00000001"))
        return Day(found.close, found.open, found.high, found.low, found.volume, average)

    def candles(
        self, symbol: str, *, minutes: int, from_s: int, until_s: int
    ) -> list[tuple[int, Candle]]:
        """List candles of so many minutes with their beginnings, in seconds."""
        grouped: dict[int, list[Candle]] = {}
        for one in self._pairs[symbol].minutes:
            start_s = one.minute // minutes * minutes * 60
            if from_s <= start_s <= until_s:
                grouped.setdefault(start_s, []).append(one)
        summed = [(start_s, _sum(group)) for start_s, group in grouped.items()]
        return [(start_s, candle) for start_s, candle in summed if candle is not None]


def _sum(candles: Iterable[Candle]) -> Candle | None:
    found: Candle | None = None
    for one in candles:
        if found is None:
            found = Candle(one.minute, one.open, one.high, one.low, one.close)
        found.high, found.low = max(found.high, one.high), min(found.low, one.low)
        found.close = one.close
        found.volume += one.volume
        found.total += one.total
    return found
