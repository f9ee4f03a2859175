"""
What was traded: the last trades of each symbol, and its bars for klines.

Reads   trades, as they happen
Writes  nothing
Owns    an hour of seconds and a day and a half of minutes, in memory
Fails   never

Source: binance-spot-api-docs rest-api.md "Kline/Candlestick data". A bar without a trade
stands at the last close; before the first trade there are none.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from spark.exchanges.simulator.book import Book
from spark.exchanges.simulator.orders import ZERO, Fill

TRADES_MAX: Final = 1_000
SECONDS_MAX: Final = 3_600
MINUTES_MAX: Final = 2_160
_NS_PER_S: Final = 1_000_000_000
_MINUTE_S: Final = 60
_DAY_S: Final = 86_400
#: Weeks begin on Monday; the first day of the epoch was a Thursday.
_MONDAY_S: Final = 4 * _DAY_S
_MONTH: Final = "1M"
#: Lengths in seconds; a month has none.
INTERVALS: Final = {
    "1s": 1,
    **{f"{count}m": count * _MINUTE_S for count in (1, 3, 5, 15, 30)},
    **{f"{count}h": count * 3_600 for count in (1, 2, 4, 6, 8, 12)},
    "1d": _DAY_S,
    "3d": 3 * _DAY_S,
    "1w": 7 * _DAY_S,
    _MONTH: 0,
}


@dataclass(slots=True)
class Bar:
    """What was traded in a while."""

    start_s: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    quote: Decimal = ZERO
    trades: int = 0
    #: Of the volumes, what buyers took.
    taker_volume: Decimal = ZERO
    taker_quote: Decimal = ZERO

    def add(self, other: "Bar") -> None:
        """Take in a later one."""
        self.high, self.low = max(self.high, other.high), min(self.low, other.low)
        self.close = other.close
        self.volume += other.volume
        self.quote += other.quote
        self.trades += other.trades
        self.taker_volume += other.taker_volume
        self.taker_quote += other.taker_quote


@dataclass(slots=True)
class _Symbol:
    trades: deque[Fill] = field(default_factory=lambda: deque(maxlen=TRADES_MAX))
    seconds: deque[Bar] = field(default_factory=lambda: deque(maxlen=SECONDS_MAX))
    minutes: deque[Bar] = field(default_factory=lambda: deque(maxlen=MINUTES_MAX))


class Tape:
    """Hears of every trade."""

    def __init__(self) -> None:
        self._symbols: dict[str, _Symbol] = {}

    def traded(self, symbol: str, fill: Fill) -> None:
        """Note a trade, as its taker's half."""
        noted = self._symbols.setdefault(symbol, _Symbol())
        noted.trades.append(fill)
        is_bought = fill.is_buyer
        bar = Bar(
            fill.at_ns // _NS_PER_S,
            *(fill.price,) * 4,
            volume=fill.quantity,
            quote=fill.quote,
            trades=1,
            taker_volume=fill.quantity if is_bought else ZERO,
            taker_quote=fill.quote if is_bought else ZERO,
        )
        _extend(noted.seconds, bar, 1)
        _extend(noted.minutes, bar, _MINUTE_S)

    def book_changed(self, book: Book) -> None:
        """Ignore all but trades."""

    def trades(self, symbol: str, most: int) -> list[Fill]:
        """List the last trades, oldest first."""
        noted = self._symbols.get(symbol)
        return [] if noted is None else list(noted.trades)[-most:]

    def bars(self, symbol: str, interval: str, now_s: int) -> list[Bar]:
        """List bars from the first trade that is remembered until now, oldest first."""
        noted = self._symbols.get(symbol)
        if noted is None:
            return []
        known: dict[int, Bar] = {}
        for bar in noted.seconds if INTERVALS[interval] == 1 else noted.minutes:
            start_s = start_of(interval, bar.start_s)
            if start_s in known:
                known[start_s].add(bar)
            else:
                known[start_s] = replace(bar, start_s=start_s)
        return list(_filled(known, interval, now_s))


def _extend(bars: deque[Bar], bar: Bar, length_s: int) -> None:
    start_s = bar.start_s // length_s * length_s
    if bars and bars[-1].start_s == start_s:
        bars[-1].add(bar)
    else:
        bars.append(replace(bar, start_s=start_s))


def _filled(known: dict[int, Bar], interval: str, now_s: int) -> Iterator[Bar]:
    start_s, close = next(iter(known)), ZERO
    while start_s <= now_s:
        bar = known.get(start_s) or Bar(start_s, close, close, close, close)
        close = bar.close
        yield bar
        start_s = end_of(interval, start_s)


def start_of(interval: str, at_s: int) -> int:
    """Give the start of the bar that a second belongs to."""
    if interval == _MONTH:
        first = datetime.fromtimestamp(at_s, UTC).replace(day=1, hour=0, minute=0, second=0)
        return int(first.timestamp())
    length_s = INTERVALS[interval]
    offset_s = _MONDAY_S if interval == "1w" else 0
    return (at_s - offset_s) // length_s * length_s + offset_s


def end_of(interval: str, start_s: int) -> int:
    """Give the start of the next bar."""
    if interval == _MONTH:
        # The 32nd day after the first is in the next month.
        return start_of(interval, start_s + 32 * _DAY_S)
    return start_s + INTERVALS[interval]
