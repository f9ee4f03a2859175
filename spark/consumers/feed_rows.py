"""
Market records to COPY's text format. Pure.

A record is checked as a whole, by one match over its canonical bytes: types,
digits and spelling at once. What matched holds no tab, newline, backslash or NaN,
so the decimals go to the database as the very characters of the wire. A record
that does not match is taken apart, and every row that fits the same grammar is
kept; the others are rejects with a reason.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson

from spark.bus.port import Record
from spark.topics import (
    BINANCE_BOOKS,
    BINANCE_QUOTES,
    BINANCE_TRADES,
    BTCTURK_BOOKS,
    BTCTURK_QUOTES,
    BTCTURK_TRADES,
)

#: Of a rejected row or record, so many bytes are kept.
REJECT_BYTES_MAX: Final = 4096

#: Name of the COPY of gaps.
GAPS_COPY: Final = "copy_gaps"

_ENVELOPE: Final = frozenset({"rows", "symbol", "type", "v", "venue"})
_SYMBOL: Final = r"[A-Z0-9._-]{1,32}"
_SYMBOLS: Final = re.compile(_SYMBOL, re.ASCII)
# No group is possessive: Python before 3.11.3 lets `(…)?+` swallow half a match.
_AMOUNT: Final = r'"[0-9]{1,30}+(?:\.[0-9]{1,30}+)?"'
_TIME: Final = r"[1-8][0-9]{18}"
_TIME_OR_NONE: Final = rf"(?:0|{_TIME})"
#: Up to 18 digits, and 19 where they fit 64 bits for sure.
_ID: Final = r"(?:0|[1-9][0-9]{0,17}+|[1-8][0-9]{18})"
_LEVEL: Final = rf"\[{_AMOUNT},{_AMOUNT}\]"
_LEVELS: Final = rf"\[(?:{_LEVEL}(?:,{_LEVEL})*)?\]"

_COMMAS_TO_TABS: Final = bytes.maketrans(b",", b"\t")
_BRACKETS_TO_BRACES: Final = bytes.maketrans(b"[]", b"{}")


class Reject(NamedTuple):
    """A row, or a whole record, that cannot be stored."""

    #: Position in the record; None for all of it.
    row_number: int | None
    reason: str
    detail: str
    body: bytes

    def line(self, record: Record) -> bytes:
        """Write it as a line of COPY."""
        number = r"\N" if self.row_number is None else str(self.row_number)
        origin = (record.partition.topic, str(record.partition.number), str(record.offset))
        # The body in hexadecimal, behind the server's own mark for that.
        fields = (*origin, number, self.reason, _escaped(self.detail), rf"\\x{self.body.hex()}")
        return "\t".join(fields).encode() + b"\n"


@dataclass(slots=True)
class Lines:
    """What one record becomes."""

    #: For COPY, newline at the end; empty when nothing of the record can be stored.
    text: bytes
    #: Receive time -> rows received then.
    received: dict[int, int]
    rejects: list[Reject]
    #: Name of the COPY in queries.sql.
    copy: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of market record and its table."""

    name: str
    #: Name of the COPY in queries.sql.
    copy: str
    event_type: str
    #: Names and grammar of a row's fields, in the order of the wire.
    fields: tuple[tuple[str, str], ...]
    #: Turns matched rows, without the outermost brackets, into lines.
    to_lines: Callable[[bytes, bytes], bytes]

    @property
    def row_pattern(self) -> str:
        """The grammar of one row."""
        return rf"\[{','.join(pattern for _, pattern in self.fields)}\]"


class FeedRows:
    """Reads the records of one market topic."""

    def __init__(self, kind: Kind, venue: str) -> None:
        self.kind = kind
        self._venue = venue
        row = kind.row_pattern
        self._record = re.compile(
            rf'\{{"rows":\[(?P<rows>{row}(?:,{row})*)\],"symbol":"(?P<symbol>{_SYMBOL})",'
            rf'"type":"{kind.event_type}","v":1,"venue":"{venue}"\}}'.encode()
        )
        # What a gap says, in canonical order; venue, symbol and kind are those of the topic.
        self._gap = re.compile(
            rf'\{{"cause":"(?P<cause>[a-z_]{{1,32}})","kind":"{kind.name}",'
            rf'"last_id":(?P<last_id>-1|{_ID}),"last_ns":(?P<last_ns>{_TIME_OR_NONE}),'
            rf'"next_id":(?P<next_id>-1|{_ID}),"resumed_ns":(?P<resumed_ns>{_TIME}),'
            rf'"symbol":"(?P<symbol>{_SYMBOL})","type":"feed_gapped","v":1,"venue":"{venue}"\}}'.encode()
        )
        self._row = re.compile(row.encode())
        self._times = re.compile(rf"\[({_TIME}),".encode())
        self._fields = [(name, re.compile(pattern.encode())) for name, pattern in kind.fields]

    def read(self, record: Record, *, oldest_ns: int, newest_ns: int) -> Lines:
        """
        Turn one record into lines; never raises for what is in it.

        Args:
            oldest_ns, newest_ns: rows received outside of this are rejected.

        """
        body = record.value or b""
        match = self._record.fullmatch(body)
        if match is not None:
            received = self._received(match["rows"])
            if min(received) >= oldest_ns and max(received) <= newest_ns:
                suffix = self._suffix(match["symbol"], record)
                text = self.kind.to_lines(match["rows"], suffix)
                return Lines(text, received, [], self.kind.copy)
        gap = self._gap.fullmatch(body)
        if gap is not None and oldest_ns <= int(gap["resumed_ns"]) <= newest_ns:
            return Lines(self._gap_line(gap, record), {}, [], GAPS_COPY)
        return self._read_by_row(record, body, oldest_ns, newest_ns=newest_ns)

    def _gap_line(self, gap: re.Match[bytes], record: Record) -> bytes:
        fields = (gap["cause"], self.kind.name.encode(), gap["last_id"], gap["last_ns"])
        ends = (gap["next_id"], gap["resumed_ns"])
        return b"\t".join((*fields, *ends)) + self._suffix(gap["symbol"], record)

    def _received(self, rows: bytes) -> dict[int, int]:
        times = self._times.findall(rows)
        return {int(time): count for time, count in Counter(times).items()}

    def _suffix(self, symbol: bytes, record: Record) -> bytes:
        return b"\t%b\t%b\t%d\t%d\n" % (
            self._venue.encode(),
            symbol,
            record.partition.number,
            record.offset,
        )

    def _read_by_row(self, record: Record, body: bytes, oldest_ns: int, *, newest_ns: int) -> Lines:
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            return _nothing_of(body, "malformed", f"not JSON: {error.msg}")
        unusable = self._record_fault(found, body)
        if unusable is not None:
            return _nothing_of(body, *unusable)
        suffix = self._suffix(found["symbol"].encode(), record)
        kept, received, rejects = [], Counter[int](), []
        for number, row in enumerate(found["rows"]):
            text = orjson.dumps(row)
            fault = self._row_fault(row, text)
            if fault is None and not oldest_ns <= row[0] <= newest_ns:
                fault = "received_out_of_range", f"received_ns {row[0]}"
            if fault is None:
                kept.append(self.kind.to_lines(text, suffix))
                received[row[0]] += 1
            else:
                rejects.append(Reject(number, *fault, text[:REJECT_BYTES_MAX]))
        return Lines(b"".join(kept), received, rejects, self.kind.copy)

    def _record_fault(self, found: object, body: bytes) -> tuple[str, str] | None:
        if not isinstance(found, dict) or found.keys() != _ENVELOPE:
            return "malformed", "not the fields of a market record"
        if type(found["v"]) is not int or found["v"] != 1:
            return "unknown_schema_version", "v is not 1"
        symbol, rows = found["symbol"], found["rows"]
        what = f"{self.kind.event_type} of {self._venue}"
        for is_right, wanted in (
            ((found["type"], found["venue"]) == (self.kind.event_type, self._venue), what),
            (isinstance(symbol, str) and _SYMBOLS.fullmatch(symbol), "a symbol in upper case"),
            (isinstance(rows, list) and rows, "rows as a list of at least one"),
            (_is_canonical(found, body), "canonical JSON"),
        ):
            if not is_right:
                return "malformed", f"wanted: {wanted}"
        return None

    def _row_fault(self, row: object, text: bytes) -> tuple[str, str] | None:
        if self._row.fullmatch(text):
            return None
        if not isinstance(row, list) or len(row) != len(self._fields):
            return "bad_row", f"a row has {len(self._fields)} fields"
        for value, (name, pattern) in zip(row, self._fields, strict=True):
            if not pattern.fullmatch(orjson.dumps(value)):
                return "bad_row", f"{name} is not as it must be"
        raise AssertionError("a row whose fields all match does match")


def _is_canonical(found: object, body: bytes) -> bool:
    """Doubled keys, blanks, other spellings of a number and endless nesting end here."""
    try:
        return orjson.dumps(found, option=orjson.OPT_SORT_KEYS) == body
    except orjson.JSONEncodeError:
        return False


def _nothing_of(body: bytes, reason: str, detail: str) -> Lines:
    return Lines(b"", {}, [Reject(None, reason, detail, body[:REJECT_BYTES_MAX])])


def _escaped(text: str) -> str:
    """Write text as COPY reads it, whatever is in it."""
    return text.replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")


def _flat_lines(rows: bytes, suffix: bytes) -> bytes:
    """Rows of numbers and amounts: the separators become tabs, the quotes go."""
    plain = rows[1:-1].translate(_COMMAS_TO_TABS, b'"')
    return plain.replace(b"]\t[", suffix) + suffix


def _book_lines(rows: bytes, suffix: bytes) -> bytes:
    """Rows with levels: commas inside these stay, brackets become the braces of arrays."""
    lines = [_book_line(row) for row in _ROW_BREAK.split(rows[1:-1])]
    return suffix.join(lines).translate(_BRACKETS_TO_BRACES, b'"') + suffix


#: Only a row begins with a digit; a level begins with a quote.
_ROW_BREAK: Final = re.compile(rb"\],\[(?=[0-9])")


def _book_line(row: bytes) -> bytes:
    *fields, levels = row.split(b",", 4)
    if levels.startswith(b"[],"):
        bids, asks = b"[]", levels[3:]
    else:
        bids, _, asks = levels.partition(b"]],")
        bids += b"]]"
    return b"\t".join([*fields, bids, asks])


_QUOTE: Final = Kind(
    "quotes",
    "copy_quotes",
    "quotes_received",
    (
        ("received_ns", _TIME),
        ("update_id", _ID),
        ("bid", _AMOUNT),
        ("bid_quantity", _AMOUNT),
        ("ask", _AMOUNT),
        ("ask_quantity", _AMOUNT),
    ),
    _flat_lines,
)
_TRADE: Final = Kind(
    "trades",
    "copy_trades",
    "trades_received",
    (
        ("received_ns", _TIME),
        ("exchange_ns", _TIME_OR_NONE),
        ("trade_id", _ID),
        ("price", _AMOUNT),
        ("quantity", _AMOUNT),
        ("is_buyer_maker", "[01]"),
    ),
    _flat_lines,
)
_BOOK: Final = Kind(
    "books",
    "copy_books",
    "books_changed",
    (
        ("received_ns", _TIME),
        ("exchange_ns", _TIME_OR_NONE),
        ("first_update_id", _ID),
        ("last_update_id", _ID),
        ("bids", _LEVELS),
        ("asks", _LEVELS),
    ),
    _book_lines,
)

#: Topic -> what reads its records.
READERS: Final[dict[str, FeedRows]] = {
    BINANCE_QUOTES: FeedRows(_QUOTE, "binance"),
    BINANCE_TRADES: FeedRows(_TRADE, "binance"),
    BINANCE_BOOKS: FeedRows(_BOOK, "binance"),
    BTCTURK_QUOTES: FeedRows(_QUOTE, "btcturk"),
    BTCTURK_TRADES: FeedRows(_TRADE, "btcturk"),
    BTCTURK_BOOKS: FeedRows(_BOOK, "btcturk"),
}
