"""Market records to lines of COPY."""

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.bus.port import Partition, Record
from spark.codec import encode
from spark.consumers.feed_rows import READERS, FeedRows, Lines
from spark.events import BooksChanged, FeedGapped, QuotesReceived, TradesReceived
from spark.names import Symbol, Venue
from spark.topics import BINANCE_BOOKS, BINANCE_QUOTES, BINANCE_TRADES

_NOW = 1_763_700_000_000_000_000
_OLDEST, _NEWEST = _NOW - 10**15, _NOW + 10**15
_QUOTE = (_NOW, 7, "61837.63000000", "3.78826000", "61837.64000000", "1.54698000")
_TRADE = (_NOW, _NOW - 10**6, 3735683259, "61837.63000000", "0.02000000", 1)
_BOOK = (_NOW, _NOW - 10**6, 5, 9, (("61837.63", "3.7"), ("1", "0")), ())


def record(topic: str, body: bytes | None, offset: int = 41) -> Record:
    return Record(Partition(topic, 0), offset, 0, None, body, ())


def read(topic: str, body: bytes | None) -> Lines:
    return READERS[topic].read(record(topic, body), oldest_ns=_OLDEST, newest_ns=_NEWEST)


def quotes(*rows: object) -> bytes:
    return orjson.dumps(
        {"rows": rows, "symbol": "BTCUSDT", "type": "quotes_received", "v": 1, "venue": "binance"}
    )


def test_a_quote_is_a_line() -> None:
    """Decimals stand in the line as the venue wrote them; the origin follows."""
    event = QuotesReceived(venue=Venue.BINANCE, symbol=Symbol("BTCUSDT"), rows=(_QUOTE, _QUOTE))

    found = read(BINANCE_QUOTES, encode(event))

    line = b"%d\t7\t61837.63000000\t3.78826000\t61837.64000000\t1.54698000" % _NOW
    assert found.text == 2 * (line + b"\tbinance\tBTCUSDT\t0\t41\n")
    assert found.received == {_NOW: 2}
    assert found.rejects == []


def test_a_trade_is_a_line() -> None:
    """A trade keeps the exchange's time and which side was the maker."""
    event = TradesReceived(venue=Venue.BINANCE, symbol=Symbol("BTCUSDT"), rows=(_TRADE,))

    found = read(BINANCE_TRADES, encode(event))

    assert found.text == (
        b"%d\t%d\t3735683259\t61837.63000000\t0.02000000\t1\tbinance\tBTCUSDT\t0\t41\n"
        % (_NOW, _NOW - 10**6)
    )


def test_a_depth_update_is_one_line_with_arrays() -> None:
    """Levels become arrays of pairs; no level is an empty array."""
    event = BooksChanged(venue=Venue.BINANCE, symbol=Symbol("BTCUSDT"), rows=(_BOOK, _BOOK))

    found = read(BINANCE_BOOKS, encode(event))

    line = b"%d\t%d\t5\t9\t{{61837.63,3.7},{1,0}}\t{}" % (_NOW, _NOW - 10**6)
    assert found.text == 2 * (line + b"\tbinance\tBTCUSDT\t0\t41\n")
    assert found.received == {_NOW: 2}


_BAD_ROWS: Mapping[str, tuple[object, ...]] = {
    "tab": (_NOW, 1, "1\t2", "1", "1", "1"),
    "newline": (_NOW, 1, "1\n2", "1", "1", "1"),
    "backslash": (_NOW, 1, "\\N", "1", "1", "1"),
    "end of copy": (_NOW, 1, "\\.", "1", "1", "1"),
    "NaN": (_NOW, 1, "NaN", "1", "1", "1"),
    "infinity": (_NOW, 1, "Infinity", "1", "1", "1"),
    "negative": (_NOW, 1, "-1", "1", "1", "1"),
    "exponent": (_NOW, 1, "1e5", "1", "1", "1"),
    "empty": (_NOW, 1, "", "1", "1", "1"),
    "two dots": (_NOW, 1, "1.2.3", "1", "1", "1"),
    "dot first": (_NOW, 1, ".5", "1", "1", "1"),
    "dot last": (_NOW, 1, "5.", "1", "1", "1"),
    "other digits": (_NOW, 1, "\N{ARABIC-INDIC DIGIT ONE}", "1", "1", "1"),
    "too long": (_NOW, 1, "1" * 31, "1", "1", "1"),
    "a number": (_NOW, 1, 1.5, "1", "1", "1"),
    "null": (_NOW, None, "1", "1", "1", "1"),
    "true": (_NOW, True, "1", "1", "1", "1"),
    "negative id": (_NOW, -1, "1", "1", "1", "1"),
    "id beyond 64 bits": (_NOW, 2**63, "1", "1", "1", "1"),
    "milliseconds": (_NOW // 10**6, 1, "1", "1", "1", "1"),
    "too old": (_OLDEST - 1, 1, "1", "1", "1", "1"),
    "from the future": (_NEWEST + 1, 1, "1", "1", "1", "1"),
    "short": (_NOW, 1, "1"),
    "a list too deep": (_NOW, 1, ["1"], "1", "1", "1"),
}


@pytest.mark.parametrize("row", _BAD_ROWS.values(), ids=_BAD_ROWS)
def test_a_bad_row_is_kept_apart_and_its_neighbours_are_stored(row: tuple[object, ...]) -> None:
    """
    Nothing that COPY would read as syntax, or the server refuse, gets through (R19, H5).

    Fault K8.
    """
    found = read(BINANCE_QUOTES, quotes(_QUOTE, row, _QUOTE))

    alone = read(BINANCE_QUOTES, quotes(_QUOTE))
    assert found.text == 2 * alone.text
    assert [reject.row_number for reject in found.rejects] == [1]
    assert found.rejects[0].body == orjson.dumps(row)[:4096]


_BAD_RECORDS: Mapping[str, bytes | None] = {
    "no value": None,
    "nothing": b"",
    "not JSON": b'{"rows":',
    "NaN": quotes(_QUOTE).replace(b'"61837.63000000"', b"NaN"),
    "a list": b"[]",
    "unknown field": quotes(_QUOTE).replace(b'"v":1', b'"v":1,"w":1'),
    "missing field": quotes(_QUOTE).replace(b'"v":1,', b""),
    "doubled key": quotes(_QUOTE).replace(b'"v":1', b'"v":1,"v":1'),
    "blank": quotes(_QUOTE).replace(b'"v":1', b'"v": 1'),
    "unsorted": quotes(_QUOTE).replace(b',"v":1', b"").replace(b'{"rows"', b'{"v":1,"rows"'),
    "other type": quotes(_QUOTE).replace(b"quotes_received", b"trades_received"),
    "other venue": quotes(_QUOTE).replace(b"binance", b"btcturk"),
    "symbol with a tab": quotes(_QUOTE).replace(b"BTCUSDT", b"BTC\\tUSDT"),
    "symbol in lower case": quotes(_QUOTE).replace(b"BTCUSDT", b"btcusdt"),
    "no rows": quotes(),
    "rows no list": quotes(_QUOTE).replace(b'"rows":[', b'"rows":[[').replace(b'],"sy', b']],"sy'),
    "deep": quotes([[]]).replace(b"[]", b"[" * 500 + b"]" * 500),
}


@pytest.mark.parametrize("body", _BAD_RECORDS.values(), ids=_BAD_RECORDS)
def test_a_bad_record_is_one_reject_without_lines(body: bytes | None) -> None:
    """A record that cannot be read is kept apart as a whole, and nothing is raised (H5)."""
    found = read(BINANCE_QUOTES, body)

    assert found.text == b""
    assert len(found.rejects) == 1
    assert found.rejects[0].reason in {"malformed", "bad_row"}


@pytest.mark.parametrize("version", [b"2", b"true", b'"1"', b"1.0"])
def test_another_schema_version_has_its_own_reason(version: bytes) -> None:
    """An unknown version is told from rubbish."""
    found = read(BINANCE_QUOTES, quotes(_QUOTE).replace(b'"v":1', b'"v":' + version))

    assert [reject.reason for reject in found.rejects] == ["unknown_schema_version"]


def test_a_large_reject_is_cut() -> None:
    """A reject keeps at most 4 KiB."""
    found = read(BINANCE_QUOTES, b"x" * 100_000)

    assert len(found.rejects[0].body) == 4096


_amounts = st.decimals(min_value=0, max_value=10**9, places=8).map(lambda d: f"{d:f}")
_texts = _amounts | st.text(max_size=8) | st.sampled_from(["", ".", "\t", "1\\n", "NaN", "0"])
_ids = st.integers(0, 9 * 10**18 - 1) | st.integers()
_times = st.integers(_OLDEST - 5, _NEWEST + 5)
_levels = st.lists(st.tuples(_texts, _texts), max_size=4)
_rows = {
    "quotes": st.tuples(_times, _ids, _texts, _texts, _texts, _texts),
    "trades": st.tuples(_times, _times, _ids, _texts, _texts, st.integers(0, 2)),
    "books": st.tuples(_times, _times, _ids, _ids, _levels, _levels),
}
_LINE = re.compile(rb"[0-9.{},\t]+\t(?:binance|btcturk)\tBTCUSDT\t0\t41\n")


@pytest.mark.parametrize("topic", READERS)
@given(data=st.data())
def test_every_row_is_stored_or_rejected(topic: str, data: st.DataObject) -> None:
    """Rows out = rows in, and no line holds a character that its grammar lacks."""
    rows = data.draw(st.lists(_rows[READERS[topic].kind.name], min_size=1, max_size=5))
    kind = READERS[topic].kind
    try:
        body = orjson.dumps(
            {
                "rows": rows,
                "symbol": "BTCUSDT",
                "type": kind.event_type,
                "v": 1,
                "venue": topic.split(".")[1],
            }
        )
    except orjson.JSONEncodeError:
        return

    found = read(topic, body)

    stored = found.text.count(b"\n")
    assert stored == sum(found.received.values())
    if not (len(found.rejects) == 1 and found.rejects[0].row_number is None):
        assert stored + len(found.rejects) == len(rows)
    assert _LINE.sub(b"", found.text) == b""


@pytest.mark.parametrize("topic", READERS)
@given(data=st.data())
def test_the_quick_way_and_the_slow_way_agree(topic: str, data: st.DataObject) -> None:
    """One match over the whole record gives what taking it apart gives."""
    good = {
        "quotes": st.tuples(_times, st.integers(0, 9 * 10**18 - 1), *[_amounts] * 4),
        "trades": st.tuples(
            _times, _times, st.integers(0, 9 * 10**18 - 1), _amounts, _amounts, st.integers(0, 1)
        ),
        "books": st.tuples(
            _times,
            _times,
            st.integers(0, 9 * 10**18 - 1),
            st.integers(0, 9 * 10**18 - 1),
            *[st.lists(st.tuples(_amounts, _amounts), max_size=4)] * 2,
        ),
    }[READERS[topic].kind.name]
    kind, venue = READERS[topic].kind, topic.split(".")[1]
    body = orjson.dumps(
        {
            "rows": data.draw(st.lists(good, min_size=1, max_size=6)),
            "symbol": "BTCUSDT",
            "type": kind.event_type,
            "v": 1,
            "venue": venue,
        }
    )

    quick = read(topic, body)
    slow = FeedRows(kind, venue)._read_by_row(record(topic, body), body, _OLDEST, newest_ns=_NEWEST)

    assert (quick.text, quick.received, quick.rejects) == (slow.text, slow.received, slow.rejects)


def test_a_gap_becomes_its_line() -> None:
    """C2: what is missing is kept beside the rows, on every topic; other fields are no gap."""
    for topic, reader in READERS.items():
        gap = FeedGapped(
            venue=Venue(topic.split(".")[1]),
            symbol=Symbol("BTCUSDT"),
            kind=reader.kind.name,
            cause="sequence",
            last_ns=0,
            resumed_ns=_NOW,
            last_id=-1,
            next_id=638_000_000_000_000_007,
        )
        found = read(topic, encode(gap))
        start = f"sequence\t{gap.kind}\t-1\t0\t638000000000000007\t{_NOW}\t{gap.venue}\tBTCUSDT"
        assert found.text == f"{start}\t0\t41\n".encode()
        assert (found.copy, found.received, found.rejects) == ("copy_gaps", {}, [])
        for other in (
            replace(gap, kind="marks"),
            replace(gap, resumed_ns=1),
            replace(gap, cause=""),
        ):
            assert len(read(topic, encode(other)).rejects) == 1


@given(st.binary(max_size=200))
def test_any_bytes_are_served(body: bytes) -> None:
    """No bytes raise (H5)."""
    for topic in READERS:
        assert len(read(topic, body).rejects) == 1


def test_amounts_keep_every_digit() -> None:
    """What the venue wrote is what the database gets, trailing zeros included."""
    amount = "12345678901234567890.12345678901234567890"
    found = read(BINANCE_QUOTES, quotes((_NOW, 1, amount, "1", "1", "1")))

    assert Decimal(found.text.split(b"\t")[2].decode()) == Decimal(amount)
