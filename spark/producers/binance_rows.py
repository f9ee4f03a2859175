"""
Binance's frames to market records. Pure.

What one read of the socket delivers becomes one record for each symbol and kind.
A frame is recognised by one match over its bytes, in the spelling that Binance
has used for years, and what stands between its quotes goes on as it is; every
other frame, and any new spelling, goes through the decoder. Both give the same row.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import orjson

from spark.bus.port import Outgoing, Partition
from spark.errors import WireError
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
from spark.topics import BINANCE_BOOKS, BINANCE_QUOTES, BINANCE_TRADES, BY_NAME

#: A record is closed before it grows beyond this; topics take 1 MiB.
RECORD_BYTES_MAX: Final = 256 * 1024
#: The largest row that any record may hold.
ROW_BYTES_MAX: Final = 900 * 1024

_NS_PER_MS: Final = 1_000_000
_AMOUNT: Final = r'"[0-9]{1,20}+(?:\.[0-9]{1,20}+)?"'
_ID: Final = r"(0|[1-9][0-9]{0,17}+)"
_SYMBOL: Final = r'"([A-Z0-9]{1,32}+)"'
_MS: Final = r"([1-8][0-9]{12})"
_LEVEL: Final = rf"\[{_AMOUNT},{_AMOUNT}\]"
_LEVELS: Final = rf"(\[(?:{_LEVEL}(?:,{_LEVEL})*)?\])"
_SYMBOLS: Final = re.compile(r"[A-Z0-9]{1,32}")


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


def _lanes() -> dict[str, dict[bytes, list[bytes]]]:
    return {topic: {} for topic in (BINANCE_QUOTES, BINANCE_TRADES, BINANCE_BOOKS)}


@dataclass(slots=True)
class Gathering:
    """Rows that wait for the next produce."""

    rows: int = 0
    #: Symbols whose depth updates do not join up with what was seen before.
    unsynced: set[str] = field(default_factory=set)
    #: Symbol -> bid and ask of its last quote on this connection, as JSON.
    tops: dict[bytes, tuple[bytes, bytes]] = field(default_factory=dict)
    #: Topic -> symbol -> rows, as JSON.
    _lanes: dict[str, dict[bytes, list[bytes]]] = field(default_factory=_lanes)
    _last_ids: dict[str, int] = field(default_factory=dict)

    def begin(self) -> None:
        """Begin with a new connection: what came before it may lack something."""
        self._last_ids.clear()
        self.tops.clear()

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
            self._put(BINANCE_QUOTES, symbol, row)
            self.tops[symbol] = (bid, ask)
        elif match := _TRADE.fullmatch(frame):
            _, symbol, trade_id, price, quantity, trade_ms, is_maker = match.groups()
            trade = (trade_ms, trade_id, price, quantity, b"1" if is_maker == b"true" else b"0")
            self._put(BINANCE_TRADES, symbol, b"[%d,%b000000,%b,%b,%b,%b]" % (received_ns, *trade))
        elif (match := _DEPTH.fullmatch(frame)) and len(frame) <= ROW_BYTES_MAX:
            event_ms, symbol, first_id, last_id, bids, asks = match.groups()
            self._join(symbol.decode(), int(first_id), int(last_id))
            update = (event_ms, first_id, last_id, bids, asks)
            self._put(BINANCE_BOOKS, symbol, b"[%d,%b000000,%b,%b,%b,%b]" % (received_ns, *update))
        else:
            return self._add_event(parse_frame(frame), received_ns)
        return None

    def add_snapshot(self, symbol: str, snapshot: DepthSnapshot, received_ns: int) -> None:
        """Take a full book: the update from nothing to its id."""
        row = (received_ns, 0, 0, snapshot.last_update_id, snapshot.bids, snapshot.asks)
        self._put_checked(BINANCE_BOOKS, symbol, row)

    def take(self) -> list[Outgoing]:
        """Hand over everything that waits, as records."""
        taken, self._lanes, self.rows = self._lanes, _lanes(), 0
        return [
            Outgoing(Partition(topic, 0), symbol, _record(topic, symbol, rows))
            for topic, lanes in taken.items()
            for symbol, all_rows in lanes.items()
            for rows in _cut(all_rows)
        ]

    def take_unsynced(self) -> set[str]:
        """Hand over the symbols that need a full book."""
        taken, self.unsynced = self.unsynced, set()
        return taken

    def _add_event(self, event: MarketEvent, received_ns: int) -> MarketEvent | None:
        match event:
            case BookTicker():
                self._put_checked(BINANCE_QUOTES, event.symbol, (received_ns, *event[1:]))
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
                self._put_checked(BINANCE_TRADES, event.symbol, row)
            case DepthUpdate():
                time_ns = event.event_ms * _NS_PER_MS
                self._put_checked(BINANCE_BOOKS, event.symbol, (received_ns, time_ns, *event[2:]))
                self._join(event.symbol, event.first_id, event.last_id)
            case ControlReply() | ServerShutdown():
                return event
        return None

    def _join(self, symbol: str, first_id: int, last_id: int) -> None:
        if first_id > last_id:
            raise WireError(f"a depth update from {first_id} to {last_id}")
        before = self._last_ids.get(symbol)
        if before is None or first_id > before + 1:
            self.unsynced.add(symbol)
        self._last_ids[symbol] = last_id

    def _put_checked(self, topic: str, symbol: str, row: tuple[object, ...]) -> None:
        try:
            text = orjson.dumps(row)
        except orjson.JSONEncodeError:
            raise WireError("a number is beyond 64 bits") from None
        if len(text) > ROW_BYTES_MAX:
            raise WireError(f"a row of {len(text)} bytes")
        if not _SYMBOLS.fullmatch(symbol):
            raise WireError("the symbol is not upper case letters and digits")
        self._put(topic, symbol.encode(), text)

    def _put(self, topic: str, symbol: bytes, row: bytes) -> None:
        lanes = self._lanes[topic]
        waiting = lanes.get(symbol)
        if waiting is None:
            waiting = lanes[symbol] = []
        waiting.append(row)
        self.rows += 1


def _cut(rows: list[bytes]) -> Iterator[list[bytes]]:
    if sum(map(len, rows)) + len(rows) <= RECORD_BYTES_MAX:
        yield rows
        return
    part: list[bytes] = []
    size = 0
    for row in rows:
        if part and size + len(row) > RECORD_BYTES_MAX:
            yield part
            part, size = [], 0
        part.append(row)
        size += len(row) + 1
    yield part


def _record(topic: str, symbol: bytes, rows: list[bytes]) -> bytes:
    """Write the canonical bytes of QuotesReceived, TradesReceived or BooksChanged."""
    return b'{"rows":[%b],"symbol":"%b","type":"%b","v":1,"venue":"binance"}' % (
        b",".join(rows),
        symbol,
        BY_NAME[topic].events[0].encode(),
    )
