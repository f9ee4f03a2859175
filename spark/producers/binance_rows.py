"""
Binance's frames to market records. Pure.

What one read of the socket delivers becomes one record for each symbol and kind.
A frame is recognised by one match over its bytes, in the spelling that Binance
has used for years, and what stands between its quotes goes on as it is; every
other frame, and any new spelling, goes through the decoder. Both give the same row.
"""

import re
from collections.abc import Sequence
from typing import Final

import orjson

from spark.bus.port import Outgoing
from spark.errors import WireError
from spark.events.market import BookRow
from spark.exchanges.binance.local_book import LocalBook
from spark.exchanges.binance.wire_market import (
    BookTicker,
    ControlReply,
    DepthSnapshot,
    DepthUpdate,
    MarketEvent,
    ServerShutdown,
    Trade,
    parse_frame,
)
from spark.names import Symbol, Venue
from spark.producers.binance_books import Cause, KeptBook
from spark.producers.feed_lanes import (
    BOOKS,
    KINDS,
    QUOTES,
    ROW_BYTES_MAX,
    TRADES,
    Lanes,
    Stream,
    as_row,
)

_NS_PER_MS: Final = 1_000_000
_AMOUNT: Final = r'"[0-9]{1,20}+(?:\.[0-9]{1,20}+)?"'
_ID: Final = r"(0|[1-9][0-9]{0,17}+)"
_SYMBOL: Final = r'"([A-Z0-9]{1,32}+)"'
_MS: Final = r"([1-8][0-9]{12})"
_LEVEL: Final = rf"\[{_AMOUNT},{_AMOUNT}\]"
_LEVELS: Final = rf"(\[(?:{_LEVEL}(?:,{_LEVEL})*)?\])"


def _frame(stream: str, data: str) -> re.Pattern[bytes]:
    text = rf'\{{"stream":"[a-z0-9]{{1,32}}@{stream}","data":\{{{data}\}}\}}'
    return re.compile(text.encode())


_QUOTE: Final = _frame(
    "bookTicker",
    rf'"u":{_ID},"s":{_SYMBOL},"b":({_AMOUNT}),"B":({_AMOUNT}),"a":({_AMOUNT}),"A":({_AMOUNT})',
)
_TRADE: Final = _frame(
    "trade",
    rf'"e":"trade","E":{_MS},"s":{_SYMBOL},"t":{_ID},"p":({_AMOUNT}),"q":({_AMOUNT}),'
    rf'"T":{_MS},"m":(true|false),"M":(?:true|false)',
)
_DEPTH: Final = _frame(
    "depth(?:@100ms)?",
    rf'"e":"depthUpdate","E":{_MS},"s":{_SYMBOL},"U":{_ID},"u":{_ID},"b":{_LEVELS},"a":{_LEVELS}',
)


class Gathering:
    """Rows that wait for the next produce."""

    def __init__(self) -> None:
        self.lanes = Lanes(Venue.BINANCE)
        #: Symbols that need a full book: their depth updates do not join up with what was
        #: seen before, or their book is wrong.
        self.unsynced: set[str] = set()
        #: Symbol -> bid and ask of its last quote on this connection, as JSON.
        self.tops: dict[bytes, tuple[bytes, bytes]] = {}
        self._books: dict[str, KeptBook] = {}

    @property
    def rows(self) -> int:
        """Give how many rows wait."""
        return self.lanes.rows

    def begin(self, symbols: Sequence[Symbol], cause: str, now_ns: int) -> None:
        """Begin with a new connection: what came before it may lack something."""
        self.tops.clear()
        for book in self._books.values():
            book.begin()
        streams = [Stream(kind, symbol.encode()) for kind in KINDS for symbol in symbols]
        self.lanes.resume(streams, cause, now_ns)

    def add(self, frame: bytes, received_ns: int) -> MarketEvent | None:
        """
        Take one frame.

        Returns: an event that is about the connection, not about the market.

        Raises:
            WireError: the frame cannot be used; the next one can.

        """
        if match := _QUOTE.fullmatch(frame):
            update_id, symbol, bid, bid_quantity, ask, ask_quantity = match.groups()
            amounts = (bid, bid_quantity, ask, ask_quantity)
            row = b"[%d,%b,%b,%b,%b,%b]" % (received_ns, update_id, *amounts)
            self.lanes.put(QUOTES, symbol, row)
            self.tops[symbol] = (bid, ask)
        elif match := _TRADE.fullmatch(frame):
            _, symbol, trade_id, price, quantity, trade_ms, is_maker = match.groups()
            trade = (trade_ms, trade_id, price, quantity, b"1" if is_maker == b"true" else b"0")
            row = b"[%d,%b000000,%b,%b,%b,%b]" % (received_ns, *trade)
            self.lanes.put(TRADES, symbol, row)
        elif (match := _DEPTH.fullmatch(frame)) and len(frame) <= ROW_BYTES_MAX:
            event_ms, symbol, first_id, last_id, bids, asks = match.groups()
            update = (event_ms, first_id, last_id, bids, asks)
            text = b"[%d,%b000000,%b,%b,%b,%b]" % (received_ns, *update)
            self._add_update(symbol.decode(), orjson.loads(text), text)
        else:
            return self._add_event(parse_frame(frame), received_ns)
        return None

    def add_snapshot(self, symbol: str, snapshot: DepthSnapshot, received_ns: int) -> None:
        """Take a full book: the update from nothing to its id."""
        full = (received_ns, 0, 0, snapshot.last_update_id, snapshot.bids, snapshot.asks)
        kept = self._books.setdefault(symbol, KeptBook())
        if not kept.reaches(full):
            # Older than all that was kept: what is between the two is lost, so another one.
            self.unsynced.add(symbol)
            return
        cause = kept.check(full)
        if cause is not None:
            self._doubt(symbol, cause, next_id=kept.joined_id + 1, now_ns=received_ns)
            return
        self.lanes.put_fields(BOOKS, symbol, full)
        if not kept.book.is_whole:
            self.unsynced.add(symbol)

    def take(self) -> list[Outgoing]:
        """Hand over everything that waits, as records."""
        return self.lanes.take()

    def take_unsynced(self) -> set[str]:
        """Hand over the symbols that need a full book."""
        taken, self.unsynced = self.unsynced, set()
        return taken

    def ends_at(self, symbol: str) -> int:
        """Give the id of the last update of a symbol on this connection; -1 before the first."""
        kept = self._books.get(symbol)
        return -1 if kept is None else kept.joined_id

    def book(self, symbol: str) -> LocalBook:
        """Give the feed's own copy of a symbol's book."""
        return self._books[symbol].book

    def books_agreed(self) -> int:
        """Give how many books were the same as the exchange's when it was asked."""
        return sum(book.agreed for book in self._books.values())

    def _add_event(self, event: MarketEvent, received_ns: int) -> MarketEvent | None:
        match event:
            case BookTicker():
                self.lanes.put_fields(QUOTES, event.symbol, (received_ns, *event[1:]))
                tops = (b'"%b"' % event.bid.encode(), b'"%b"' % event.ask.encode())
                self.tops[event.symbol.encode()] = tops
            case Trade():
                row = (
                    received_ns,
                    event.trade_ms * _NS_PER_MS,
                    event.trade_id,
                    event.price,
                    event.quantity,
                    int(event.buyer_is_maker),
                )
                self.lanes.put_fields(TRADES, event.symbol, row)
            case DepthUpdate():
                update = (received_ns, event.event_ms * _NS_PER_MS, *event[2:])
                self._add_update(event.symbol, update, as_row(event.symbol, update))
            case ControlReply() | ServerShutdown():
                return event
        return None

    def _add_update(self, symbol: str, row: BookRow, text: bytes) -> None:
        """Take a depth update, with its text for the topic."""
        received_ns, _, first_id, last_id = row[:4]
        # On the topic an update from 0 is a full book.
        if not 0 < first_id <= last_id:
            raise WireError(f"a depth update from {first_id} to {last_id}")
        kept = self._books.get(symbol)
        if kept is None:
            kept = self._books[symbol] = KeptBook()
        if not kept.joins(first_id):
            self.unsynced.add(symbol)
            if kept.is_joined:
                self.lanes.interrupt(
                    Stream(BOOKS, symbol.encode()),
                    Cause.SEQUENCE,
                    next_id=first_id,
                    now_ns=received_ns,
                )
                kept.restart()
        self.lanes.put(BOOKS, symbol.encode(), text)
        cause = kept.follow(row, text)
        if cause is not None:
            self._doubt(symbol, cause, next_id=last_id + 1, now_ns=received_ns)

    def _doubt(self, symbol: str, cause: Cause, *, next_id: int, now_ns: int) -> None:
        """Say that the book is wrong although no number is missing, and have another."""
        self.unsynced.add(symbol)
        stream = Stream(BOOKS, symbol.encode())
        self.lanes.interrupt(stream, cause, next_id=next_id, now_ns=now_ns)
