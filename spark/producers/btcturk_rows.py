"""
BTCTurk's frames to market records. Pure.

The venue sends no quotes: each change of the best bid and ask of the local book is one,
under the number of the change set that made it. Trades of the list that comes on joining
count where they close the gap to the last one that was seen; those of a first joining are
older than the process. Frames have no time but a trade's, so a row's is its receive time.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from spark.bus.port import Outgoing
from spark.exchanges.btcturk.local_book import LocalBook
from spark.exchanges.btcturk.wire_frames import (
    BookDifference,
    BookFull,
    MarketEvent,
    Result,
    Ticker,
    Trade,
    TradeList,
    market_frame,
)
from spark.names import Symbol, Venue
from spark.producers.binance_books import Cause
from spark.producers.btcturk_books import TurkBook
from spark.producers.feed_lanes import BOOKS, KINDS, QUOTES, TRADES, Lanes, Stream

_NS_PER_MS: Final = 1_000_000
#: Trades by which a repeated one is known: the venue lists 50.
_TRADES_KEPT: Final = 128
#: The channel of whole books that are only compared.
CHECKS: Final = "orderbook"


class TurkGathering:
    """
    Rows that wait for the next produce.

    Args:
        first_ns_max: how long the first book of a symbol may take.

    """

    def __init__(self, symbols: Sequence[Symbol], *, first_ns_max: int) -> None:
        self.lanes = Lanes(Venue.BTCTURK)
        #: Symbol -> bid and ask of its book on this connection, as JSON.
        self.tops: dict[bytes, tuple[bytes, bytes]] = {}
        self.books = {symbol: TurkBook(first_ns_max) for symbol in symbols}
        #: Symbols whose book is to be joined again.
        self.unsynced: set[Symbol] = set()
        #: Whole books of the other subscription that were looked at, since it was joined.
        self.looks = 0
        self._best: dict[Symbol, tuple[str, str, str, str]] = {}
        self._trades = {symbol: deque[int](maxlen=_TRADES_KEPT) for symbol in symbols}

    @property
    def rows(self) -> int:
        """Give how many rows wait."""
        return self.lanes.rows

    def begin(self, symbols: Sequence[Symbol], cause: str, now_ns: int) -> None:
        """Begin with a new connection, on which all books were joined."""
        for symbol in symbols:
            self.books[symbol].begin(now_ns)
            self._forget_best(symbol)
        self.unsynced.clear()
        streams = [Stream(kind, symbol.encode()) for kind in KINDS for symbol in symbols]
        self.lanes.resume(streams, cause, now_ns)

    def add(self, frame: bytes, received_ns: int) -> Result | None:
        """
        Take one frame.

        Returns: an answer to a subscription.

        Raises:
            WireError: the frame cannot be used; the next one can.

        """
        event = market_frame(frame)
        if isinstance(event, Result):
            return event
        name = _symbol_of(event)
        symbol = Symbol(name or "")
        if name is None or symbol not in self.books:
            # About no symbol, or about one that nobody asked for: a frame says so itself, so
            # no other symbol's book is touched.
            return None
        match event:
            case BookDifference():
                self._add_difference(symbol, event, received_ns)
            case BookFull():
                self._add_full(symbol, event, received_ns)
            case Trade():
                self._add_trade(symbol, event, received_ns)
            case TradeList():
                self._add_trades(symbol, event, received_ns)
            case Ticker():
                # It repeats itself while nothing changes, so it tells that prices still come.
                self.lanes.hear(Stream(QUOTES, symbol.encode()), received_ns)
                self.doubt(
                    symbol,
                    self.books[symbol].compare_best(event.bid, event.ask, received_ns),
                    received_ns,
                )
            case _:
                pass
        return None

    def take(self) -> list[Outgoing]:
        """Hand over everything that waits, as records."""
        return self.lanes.take()

    def take_unsynced(self) -> set[Symbol]:
        """Hand over the symbols whose book is to be joined again."""
        taken, self.unsynced = self.unsynced, set()
        return taken

    def doubt(self, symbol: Symbol, cause: Cause | None, now_ns: int) -> None:
        """Give a book up and have it joined again; its quotes have a gap with it."""
        if cause is None:
            return
        self.books[symbol].book.doubt()
        self.unsynced.add(symbol)
        self._forget_best(symbol)
        self._break(symbol, cause, now_ns)

    def say_book(self, symbol: Symbol, now_ns: int) -> None:
        """Write the book as it stands, if it does, for who begins to read here."""
        kept = self.books[symbol]
        if kept.book.is_whole:
            self.lanes.put_fields(BOOKS, symbol, kept.as_full(now_ns))

    def _break(self, symbol: Symbol, cause: Cause, now_ns: int) -> None:
        streams = [Stream(kind, symbol.encode()) for kind in (BOOKS, QUOTES)]
        self.lanes.resume(streams, cause, now_ns)

    def _add_full(self, symbol: Symbol, event: BookFull, now_ns: int) -> None:
        kept = self.books[symbol]
        row = (now_ns, 0, 0, event.change_set, event.bids, event.asks)
        if event.channel == CHECKS or not (event.channel or kept.is_awaited):
            other = LocalBook()
            other.apply(row)
            kept.compare(other)
            self.looks += 1
            return
        if not kept.is_awaited:
            # Nobody asked for it: the numbering changed by itself.
            self._break(symbol, Cause.SEQUENCE, now_ns)
        kept.full(row)
        # What was missing was so until now.
        streams = [Stream(kind, symbol.encode()) for kind in (BOOKS, QUOTES)]
        self.lanes.go_on(streams, now_ns)
        self.lanes.put_fields(BOOKS, symbol, row)
        if kept.book.is_crossed:
            self.doubt(symbol, Cause.CROSSED, now_ns)
        else:
            self._quote(symbol, now_ns)

    def _add_difference(self, symbol: Symbol, event: BookDifference, now_ns: int) -> None:
        kept = self.books[symbol]
        if kept.is_awaited or symbol in self.unsynced:
            # Of the numbering before; the timer finds a whole book that does not come.
            return
        row = (now_ns, 0, event.change_set, event.change_set, event.bids, event.asks)
        if event.change_set == kept.book.last_id:
            # The same one again.
            return
        cause = kept.follow(row)
        if cause is not Cause.SEQUENCE:
            self.lanes.put_fields(BOOKS, symbol, row)
        if cause is not None:
            self.doubt(symbol, cause, now_ns)
        else:
            self._quote(symbol, now_ns)

    def _quote(self, symbol: Symbol, now_ns: int) -> None:
        kept = self.books[symbol]
        best = kept.best()
        if best is None:
            self._forget_best(symbol)
        elif best != self._best.get(symbol):
            self._best[symbol] = best
            self.lanes.put_fields(QUOTES, symbol, (now_ns, kept.book.last_id, *best))
            bid, ask = (b'"%b"' % price.encode() for price in (best[0], best[2]))
            self.tops[symbol.encode()] = (bid, ask)

    def _forget_best(self, symbol: Symbol) -> None:
        self._best.pop(symbol, None)
        self.tops.pop(symbol.encode(), None)

    def _add_trades(self, symbol: Symbol, event: TradeList, now_ns: int) -> None:
        seen = self._trades[symbol]
        items = sorted(event.items, key=lambda one: one.at_ms)
        if not seen:
            seen.extend(one.trade_id for one in items)
            return
        if any(one.trade_id == seen[-1] for one in items):
            # The list reaches back to the last one that was seen: nothing is missing.
            self.lanes.forget_break(Stream(TRADES, symbol.encode()))
        for one in items:
            self._add_trade(symbol, one, now_ns)

    def _add_trade(self, symbol: Symbol, trade: Trade, now_ns: int) -> None:
        seen = self._trades[symbol]
        if trade.trade_id in seen:
            return
        seen.append(trade.trade_id)
        row = (
            now_ns,
            trade.at_ms * _NS_PER_MS,
            trade.trade_id,
            trade.price,
            trade.quantity,
            int(trade.buyer_is_maker),
        )
        self.lanes.put_fields(TRADES, symbol, row)


def _symbol_of(event: MarketEvent) -> str | None:
    match event:
        case BookDifference() | BookFull() | Trade() | TradeList() | Ticker():
            return event.symbol
        case _:
            return None
