"""
Market rows on their way to the topics, and the gaps between them. Pure.

What one read of a socket delivers becomes one record for each symbol and kind. Where
something is missing before a row, a record that says so stands before it: what was
received last, since when nothing is missed again, and both sides' numbers.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import orjson

from spark.bus.port import Outgoing, Partition
from spark.codec import encode
from spark.errors import WireError
from spark.events import FeedGapped
from spark.names import Symbol, Venue
from spark.topics import BY_NAME

#: A record is closed before it grows beyond this; topics take 1 MiB.
RECORD_BYTES_MAX: Final = 256 * 1024
#: The largest row that any record may hold.
ROW_BYTES_MAX: Final = 900 * 1024

_SYMBOLS: Final = re.compile(r"[A-Z0-9]{1,32}")

QUOTES: Final = "quotes"
TRADES: Final = "trades"
BOOKS: Final = "books"
KINDS: Final = (QUOTES, TRADES, BOOKS)

#: Where the number stands in a row of each kind: of what ends with it, and what begins with it.
_LAST: Final = {QUOTES: 1, TRADES: 2, BOOKS: 3}
_FIRST: Final = {QUOTES: 1, TRADES: 2, BOOKS: 2}


class Stream(NamedTuple):
    """One sort of news about one symbol."""

    kind: str
    #: As it stands in the key of a record.
    symbol: bytes


class _Break(NamedTuple):
    """A gap whose other side is not known yet."""

    cause: str
    last_ns: int
    last_id: int
    resumed_ns: int


class Lanes:
    """Rows of one venue that wait for the next produce."""

    def __init__(self, venue: Venue) -> None:
        self.rows = 0
        #: Wall time of the last row of each stream, as known at the last `note`.
        self.heard: dict[Stream, int] = {}
        self._venue = venue
        self._waiting = _lanes()
        #: Records before what waits.
        self._closed: list[Outgoing] = []
        self._last: dict[Stream, bytes] = {}
        self._breaks: dict[Stream, _Break] = {}
        self._gaps: list[FeedGapped] = []

    def put(self, kind: str, symbol: bytes, row: bytes) -> None:
        """Take a row, as JSON."""
        lanes = self._waiting[kind]
        waiting = lanes.get(symbol)
        if waiting is None:
            waiting = lanes[symbol] = []
            if self._breaks:
                self._end_break(Stream(kind, symbol), row)
        waiting.append(row)
        self.rows += 1

    def put_fields(self, kind: str, symbol: str, row: Sequence[object]) -> None:
        """
        Take a row as its fields.

        Raises:
            WireError: no record can hold it.

        """
        self.put(kind, symbol.encode(), as_row(symbol, row))

    def resume(self, streams: Sequence[Stream], cause: str, now_ns: int) -> None:
        """
        Go on with streams that were interrupted: a gap stands before the next row of each.

        A gap that waits for its row already goes on until now.
        """
        self._close()
        for stream in streams:
            before = self._breaks.get(stream)
            if before is not None:
                self._breaks[stream] = before._replace(resumed_ns=now_ns)
            else:
                last_ns, last_id = self._end_of(stream)
                self._breaks[stream] = _Break(cause, last_ns, last_id, now_ns)

    def go_on(self, streams: Sequence[Stream], now_ns: int) -> None:
        """Let gaps that wait for their row go on until now."""
        for stream in streams:
            if stream in self._breaks:
                self._breaks[stream] = self._breaks[stream]._replace(resumed_ns=now_ns)

    def forget_break(self, stream: Stream) -> None:
        """Take a gap back that waits for its row: nothing is missing after all."""
        self._breaks.pop(stream, None)

    def hear(self, stream: Stream, now_ns: int) -> None:
        """Take note of a message that is no row."""
        self.heard[stream] = now_ns

    def interrupt(self, stream: Stream, cause: str, *, next_id: int, now_ns: int) -> None:
        """Write a gap behind what waits: what comes next does not join up with it."""
        self._close()
        last_ns, last_id = self._end_of(stream)
        self._say(stream, _Break(cause, last_ns, last_id, now_ns), next_id)

    def note(self) -> None:
        """Bring `heard` up to date with what waits; `take` does it too."""
        for kind, lanes in self._waiting.items():
            for symbol, rows in lanes.items():
                self._note(Stream(kind, symbol), rows)

    def take(self) -> list[Outgoing]:
        """Hand over everything that waits, as records."""
        self._close()
        taken, self._closed, self.rows = self._closed, [], 0
        return taken

    def take_gaps(self) -> list[FeedGapped]:
        """Hand over the gaps that were written since the last time."""
        taken, self._gaps = self._gaps, []
        return taken

    def _close(self) -> None:
        waiting, self._waiting = self._waiting, _lanes()
        for kind, lanes in waiting.items():
            topic = f"market.{self._venue}.{kind}"
            for symbol, all_rows in lanes.items():
                self._note(Stream(kind, symbol), all_rows)
                self._closed += [
                    Outgoing(Partition(topic, 0), symbol, self._record(topic, symbol, rows))
                    for rows in _cut(all_rows)
                ]

    def _note(self, stream: Stream, rows: list[bytes]) -> None:
        last = self._last[stream] = rows[-1]
        row_ns = int(last[1 : last.index(b",")])
        self.heard[stream] = max(row_ns, self.heard.get(stream, 0))

    def _end_of(self, stream: Stream) -> tuple[int, int]:
        """Give time and number of a stream's last row; 0 and -1 before the first."""
        row = self._last.get(stream)
        if row is None:
            return 0, -1
        fields = orjson.loads(row)
        return fields[0], fields[_LAST[stream.kind]]

    def _end_break(self, stream: Stream, row: bytes) -> None:
        found = self._breaks.pop(stream, None)
        if found is not None:
            fields = orjson.loads(row)
            # A full book begins at 0, which is no number of the venue's.
            next_id = fields[_FIRST[stream.kind]] or fields[_LAST[stream.kind]]
            self._say(stream, found, next_id)

    def _say(self, stream: Stream, found: _Break, next_id: int) -> None:
        event = FeedGapped(
            venue=self._venue,
            symbol=Symbol(stream.symbol.decode()),
            kind=stream.kind,
            cause=found.cause,
            last_ns=found.last_ns,
            resumed_ns=found.resumed_ns,
            last_id=found.last_id,
            next_id=next_id,
        )
        self._gaps.append(event)
        topic = f"market.{self._venue}.{stream.kind}"
        self._closed.append(Outgoing(Partition(topic, 0), stream.symbol, encode(event)))

    def _record(self, topic: str, symbol: bytes, rows: list[bytes]) -> bytes:
        """Write the canonical bytes of QuotesReceived, TradesReceived or BooksChanged."""
        return b'{"rows":[%b],"symbol":"%b","type":"%b","v":1,"venue":"%b"}' % (
            b",".join(rows),
            symbol,
            BY_NAME[topic].events[0].encode(),
            self._venue.encode(),
        )


def as_row(symbol: str, row: Sequence[object]) -> bytes:
    """
    Write a row's fields as JSON.

    Raises:
        WireError: no record can hold it.

    """
    try:
        text = orjson.dumps(row)
    except orjson.JSONEncodeError:
        raise WireError("a number is beyond 64 bits") from None
    if len(text) > ROW_BYTES_MAX:
        raise WireError(f"a row of {len(text)} bytes")
    if not _SYMBOLS.fullmatch(symbol):
        raise WireError("the symbol is not upper case letters and digits")
    return text


def _lanes() -> dict[str, dict[bytes, list[bytes]]]:
    """Kind -> symbol -> rows, as JSON."""
    return {kind: {} for kind in KINDS}


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
