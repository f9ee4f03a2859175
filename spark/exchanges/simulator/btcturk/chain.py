"""
One subscription's book: a whole one, then differences whose numbers follow one another. Pure.

Numbers belong to the subscription: no two agree. The window is the best hundred levels of
each side; a level that leaves it is told as deleted, with the amount that it had.
Source: "WebSocket Feed" manual; third-party observations of the live socket.
"""

from decimal import Decimal
from itertools import islice
from typing import Final, NamedTuple

from spark.exchanges.simulator.book import Book, BookSide
from spark.exchanges.simulator.btcturk import frames
from spark.exchanges.simulator.btcturk.render import LEVELS_MAX
from spark.exchanges.simulator.orders import spelled

REPLACED: Final = 0
NEW: Final = 1
#: 2 has never been seen.
DELETED: Final = 3


class Window(NamedTuple):
    """What a subscriber sees of a book, best first."""

    bids: dict[Decimal, Decimal]
    asks: dict[Decimal, Decimal]


def window(book: Book) -> Window:
    """Look at a book."""
    return Window(_best(book.bids), _best(book.asks))


def _best(side: BookSide) -> dict[Decimal, Decimal]:
    return {price: level.total for price, level in islice(side.walk(), LEVELS_MAX)}


class Chain:
    """What one subscription was told."""

    def __init__(self, channel: str, symbol: str, *, first_number: int) -> None:
        self.symbol = symbol
        self._channel = channel
        self._number = first_number
        self._told: Window | None = None

    @property
    def is_begun(self) -> bool:
        """Whether the whole book was sent."""
        return self._told is not None

    def whole(self, now: Window) -> bytes:
        """Tell the whole book."""
        self._number += 1
        self._told = now
        return frames.book_full(
            self._channel,
            self.symbol,
            number=self._number,
            bids=list(now.bids.items()),
            asks=list(now.asks.items()),
        )

    def changed(self, now: Window) -> bytes | None:
        """Tell the whole book again if it differs."""
        return None if now == self._told else self.whole(now)

    def difference(self, now: Window) -> bytes | None:
        """Tell what changed; None where nothing did."""
        assert self._told is not None, "the whole book comes first"
        bids = _differences(self._told.bids, now.bids)
        asks = _differences(self._told.asks, now.asks)
        if not bids and not asks:
            return None
        self._number += 1
        self._told = now
        return frames.book_difference(self.symbol, number=self._number, bids=bids, asks=asks)


def _differences(
    told: dict[Decimal, Decimal], now: dict[Decimal, Decimal]
) -> list[dict[str, object]]:
    found = [
        _level(NEW if price not in told else REPLACED, price, amount)
        for price, amount in now.items()
        if told.get(price) != amount
    ]
    gone = [_level(DELETED, price, told[price]) for price in told if price not in now]
    return found + gone


def _level(kind: int, price: Decimal, amount: Decimal) -> dict[str, object]:
    return {"CP": kind, "P": spelled(price), "A": spelled(amount)}
