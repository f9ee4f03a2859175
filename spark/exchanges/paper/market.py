"""
The live market as paper sees it: books, public trades, instruments, as they come.

One exchange's market serves every account there. Who fills orders listens; nothing is
followed before somebody wants it, so that live trading pays nothing for paper.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from spark.events import BooksChanged, Event, FeedGapped, InstrumentPublished, TradesReceived
from spark.events.market import TradeRow
from spark.exchanges.binance import local_book as binance
from spark.exchanges.book import Book
from spark.exchanges.btcturk import local_book as btcturk
from spark.names import Symbol, Venue

_BOOK_OF: Final[Mapping[Venue, Callable[[], Book]]] = {
    Venue.BINANCE: binance.LocalBook,
    Venue.BTCTURK: btcturk.LocalBook,
}


class Listener(Protocol):
    """Somebody told of the market as it moves; must not block or raise."""

    def moved(self, symbol: Symbol) -> None:
        """Hear that a book changed."""

    def traded(self, symbol: Symbol, trade: TradeRow) -> None:
        """Hear of one public trade."""


class PaperMarket:
    """
    One exchange's market.

    Args:
        book_age_ns_max: a book that said nothing for longer is no book to fill from.

    """

    def __init__(self, venue: Venue = Venue.BINANCE, *, book_age_ns_max: int) -> None:
        self.venue = venue
        self.instruments: dict[Symbol, InstrumentPublished] = {}
        self.listeners: list[Listener] = []
        #: Set by who needs the market; then it is followed, for as long as the process lives.
        self.wanted = asyncio.Event()
        self._books: dict[Symbol, Book] = {}
        self._book_age_ns_max = book_age_ns_max
        self._heard = asyncio.Event()

    def take(self, event: Event) -> None:
        """Take one record of the market's topics; anything else is not about it."""
        match event:
            case InstrumentPublished() if event.venue is self.venue:
                self.instruments[event.symbol] = event
            case BooksChanged():
                book = self._books.setdefault(event.symbol, _BOOK_OF[self.venue]())
                for row in event.rows:
                    book.apply(row)
                for listener in self.listeners:
                    listener.moved(event.symbol)
            case FeedGapped(kind="books"):
                # Its numbers may join up although its levels are wrong; a full book follows.
                if event.symbol in self._books:
                    self._books[event.symbol].doubt()
            case TradesReceived():
                for trade in event.rows:
                    for listener in self.listeners:
                        listener.traded(event.symbol, trade)
            case _:
                return
        heard, self._heard = self._heard, asyncio.Event()
        heard.set()

    def book(self, symbol: Symbol, now_ns: int) -> Book | None:
        """Give a symbol's book; None where it is not whole, or older than its limit."""
        book = self._books.get(symbol)
        if book is None or not book.is_whole:
            return None
        return book if now_ns - book.heard_ns <= self._book_age_ns_max else None

    async def heard(self) -> None:
        """Wait for the next record."""
        await self._heard.wait()
