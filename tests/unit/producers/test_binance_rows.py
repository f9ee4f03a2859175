"""Binance's frames to market records."""

import gzip
from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.bus.port import Record
from spark.codec import decode, encode
from spark.consumers.feed_rows import READERS
from spark.errors import WireError
from spark.events import BooksChanged, QuotesReceived, TradesReceived
from spark.exchanges.binance.wire_market import ControlReply, DepthSnapshot, ServerShutdown
from spark.names import Symbol, Venue
from spark.producers.binance_rows import Gathering
from spark.producers.feed_lanes import RECORD_BYTES_MAX, ROW_BYTES_MAX
from spark.topics import BINANCE_BOOKS, BINANCE_QUOTES, BINANCE_TRADES
from tests.recordings import recorded

_NOW = 1_763_700_000_000_000_000
_QUOTE = {"u": 7, "s": "BTCUSDT", "b": "61837.63", "B": "3.78", "a": "61837.64", "A": "1.5"}
_TRADE = {
    "e": "trade",
    "E": 1723161255343,
    "s": "BTCUSDT",
    "t": 3735683259,
    "p": "61837.63000000",
    "q": "0.02000000",
    "T": 1723161255342,
    "m": True,
    "M": True,
}
_DEPTH = {
    "e": "depthUpdate",
    "E": 1723161255208,
    "s": "BTCUSDT",
    "U": 5,
    "u": 9,
    "b": [["61837.63", "0.00000000"]],
    "a": [],
}


def frame(kind: str, data: Mapping[str, object]) -> bytes:
    return orjson.dumps({"stream": f"btcusdt@{kind}", "data": data})


def gathered(*frames: bytes) -> Gathering:
    gathering = Gathering()
    for one in frames:
        gathering.add(one, _NOW)
    return gathering


def test_each_kind_becomes_its_record() -> None:
    """One record for each symbol and kind, in the canonical form of its event."""
    quote, trade, book = frame("bookTicker", _QUOTE), frame("trade", _TRADE), frame("depth", _DEPTH)
    other = frame("bookTicker", {**_QUOTE, "s": "ETHUSDT"})

    records = gathered(quote, trade, book, quote, other).take()

    events = {(record.partition.topic, record.key): decode(record.value) for record in records}
    assert events == {
        (BINANCE_QUOTES, b"BTCUSDT"): QuotesReceived(
            venue=Venue.BINANCE,
            symbol=Symbol("BTCUSDT"),
            rows=2 * ((_NOW, 7, "61837.63", "3.78", "61837.64", "1.5"),),
        ),
        (BINANCE_QUOTES, b"ETHUSDT"): QuotesReceived(
            venue=Venue.BINANCE,
            symbol=Symbol("ETHUSDT"),
            rows=((_NOW, 7, "61837.63", "3.78", "61837.64", "1.5"),),
        ),
        (BINANCE_TRADES, b"BTCUSDT"): TradesReceived(
            venue=Venue.BINANCE,
            symbol=Symbol("BTCUSDT"),
            rows=((_NOW, 1723161255342000000, 3735683259, "61837.63000000", "0.02000000", 1),),
        ),
        (BINANCE_BOOKS, b"BTCUSDT"): BooksChanged(
            venue=Venue.BINANCE,
            symbol=Symbol("BTCUSDT"),
            rows=((_NOW, 1723161255208000000, 5, 9, (("61837.63", "0.00000000"),), ()),),
        ),
    }
    assert all(encode(decode(record.value)) == record.value for record in records)


def test_taking_leaves_nothing() -> None:
    """A row is handed over once."""
    gathering = gathered(frame("trade", _TRADE))

    assert (len(gathering.take()), gathering.rows, gathering.take()) == (1, 0, [])


_amounts = st.decimals(min_value=0, max_value=10**9, places=8).map(lambda d: f"{d:f}")
_ids = st.integers(0, 10**18 - 2)
_ms = st.integers(10**12, 9 * 10**12 - 1)


@given(_ids, st.tuples(*[_amounts] * 4))
def test_a_quote_is_the_same_either_way(update_id: int, amounts: tuple[str, str, str, str]) -> None:
    """Recognising a frame by its bytes and decoding it give the same row."""
    data = {"u": update_id, "s": "BTCUSDT", **dict(zip("bBaA", amounts, strict=True))}
    turned = dict(reversed(data.items()))

    quick = gathered(frame("bookTicker", data)).take()
    slow = gathered(frame("bookTicker", turned)).take()

    assert quick == slow


@given(_ids, _amounts, _amounts, _ms, st.booleans())
def test_a_trade_is_the_same_either_way(
    trade_id: int, price: str, quantity: str, trade_ms: int, is_maker: bool
) -> None:
    """As for quotes."""
    data = {**_TRADE, "t": trade_id, "p": price, "q": quantity, "T": trade_ms, "m": is_maker}
    turned = dict(reversed(data.items()))

    assert gathered(frame("trade", data)).take() == gathered(frame("trade", turned)).take()


@given(
    _ids.map(lambda n: n + 1),
    _ids.map(lambda n: n + 1),
    _ms,
    *[st.lists(st.tuples(_amounts, _amounts), max_size=4)] * 2,
)
def test_a_depth_update_is_the_same_either_way(
    one_id: int,
    other_id: int,
    event_ms: int,
    bids: list[tuple[str, str]],
    asks: list[tuple[str, str]],
) -> None:
    """As for quotes."""
    first_id, last_id = sorted((one_id, other_id))
    data = {**_DEPTH, "E": event_ms, "U": first_id, "u": last_id, "b": bids, "a": asks}
    turned = dict(reversed(data.items()))

    quick, slow = gathered(frame("depth@100ms", data)), gathered(frame("depth@100ms", turned))

    assert quick.unsynced == slow.unsynced == {"BTCUSDT"}
    assert quick.take() == slow.take()


_BAD_FRAMES = {
    "not JSON": b"{",
    "nothing": b"",
    "another stream": frame("kline", _QUOTE),
    "NaN": frame("bookTicker", {**_QUOTE, "b": "NaN"}),
    "a tab": frame("bookTicker", {**_QUOTE, "b": "1\t2"}),
    "a number": frame("bookTicker", {**_QUOTE, "b": 1.5}),
    "negative": frame("trade", {**_TRADE, "p": "-1"}),
    "a missing field": frame("trade", {k: v for k, v in _TRADE.items() if k != "p"}),
    "a symbol with a tab": frame("bookTicker", {**_QUOTE, "s": "BTC\tUSDT"}),
    "a symbol in lower case": frame("bookTicker", {**_QUOTE, "s": "btcusdt"}),
    "ids the wrong way": frame("depth", {**_DEPTH, "U": 10}),
    "ids from nothing": frame("depth", {**_DEPTH, "U": 0}),
    "a level of three": frame("depth", {**_DEPTH, "a": [["1", "2", "3"]]}),
    "beyond 64 bits": frame("bookTicker", {**_QUOTE, "u": "@"}).replace(b'"@"', b"9" * 30),
    "a huge row": frame("depth", {**_DEPTH, "a": [["1.00000000", "2.00000000"]] * 40_000}),
}


@pytest.mark.parametrize("bad", _BAD_FRAMES.values(), ids=_BAD_FRAMES)
def test_a_bad_frame_is_refused_alone(bad: bytes) -> None:
    """H5: a frame that cannot be used raises, and changes nothing of what waits."""
    gathering = gathered(frame("trade", _TRADE))

    with pytest.raises(WireError):
        gathering.add(bad, _NOW)

    assert gathering.rows == 1
    assert gathering.take() == gathered(frame("trade", _TRADE)).take()


@pytest.mark.parametrize(
    ("data", "about"),
    [
        ({"result": None, "id": 1}, ControlReply(1, None)),
        (
            {"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 5}},
            ServerShutdown(5),
        ),
    ],
)
def test_what_is_about_the_connection_is_no_row(data: dict[str, Any], about: object) -> None:
    """Control frames are handed back."""
    gathering = Gathering()

    assert gathering.add(orjson.dumps(data), _NOW) == about
    assert gathering.rows == 0


def test_depth_that_does_not_join_up_asks_for_a_book() -> None:
    """C2: the first update of a connection, and one after a gap, needs a full book."""
    gathering = gathered(frame("depth", _DEPTH))
    assert gathering.take_unsynced() == {"BTCUSDT"}

    gathering.add(frame("depth", {**_DEPTH, "U": 10, "u": 12}), _NOW)
    assert gathering.take_unsynced() == set()

    gathering.add(frame("depth", {**_DEPTH, "U": 14, "u": 15}), _NOW)
    assert gathering.take_unsynced() == {"BTCUSDT"}

    gathering.begin((Symbol("BTCUSDT"),), "connection_lost", _NOW)
    gathering.add(frame("depth", {**_DEPTH, "U": 16, "u": 17}), _NOW)
    assert gathering.take_unsynced() == {"BTCUSDT"}


def test_a_full_book_is_the_update_from_nothing() -> None:
    """Its first id is 0, so a reader of the topic can tell it from a difference."""
    gathering = Gathering()
    gathering.add_snapshot("BTCUSDT", DepthSnapshot(99, (("1", "2"),), (("3", "4"),)), _NOW)

    (record,) = gathering.take()

    event = decode(record.value)
    assert isinstance(event, BooksChanged)
    assert event.rows == ((_NOW, 0, 0, 99, (("1", "2"),), (("3", "4"),)),)


def test_large_records_are_cut() -> None:
    """No record grows beyond its limit, and no row is lost at a cut."""
    gathering = gathered(*[frame("bookTicker", {**_QUOTE, "u": n}) for n in range(10_000)])

    records = gathering.take()

    assert len(records) > 1
    assert all(len(record.value) <= RECORD_BYTES_MAX + 200 for record in records)
    rows = [row for record in records for row in orjson.loads(record.value)["rows"]]
    assert [row[1] for row in rows] == list(range(10_000))


def test_a_row_that_fits_a_record_fits_its_topic() -> None:
    """Even the largest row, with its envelope, is below what the topic takes (R20)."""
    data = {**_DEPTH, "a": [["1.00000000", "2.00000000"]] * 30_000}

    (record,) = gathered(frame("depth", data)).take()

    assert RECORD_BYTES_MAX < len(record.value) < ROW_BYTES_MAX + 200


@pytest.mark.parametrize("symbol", ["btcusdt", "ethusdt"])
def test_recorded_frames_become_rows_that_the_writer_takes(symbol: str) -> None:
    """Every recorded frame is a row, digit by digit, and the writer rejects none of them."""
    path = recorded(f"binance-spot-{symbol}-20240808.frames.gz")
    gathering = Gathering()
    expected: Counter[str] = Counter()
    with gzip.open(path) as lines:
        for line in lines:
            received, _, text = line.rstrip().partition(b" ")
            if text.startswith(b'{"stream"'):
                assert gathering.add(text, int(received)) is None
                expected[orjson.loads(text)["stream"].split("@")[1]] += 1

    found: Counter[str] = Counter()
    kinds = {BINANCE_QUOTES: "bookTicker", BINANCE_TRADES: "trade", BINANCE_BOOKS: "depth"}
    for out in gathering.take():
        record = Record(out.partition, 0, 0, out.key, out.value, ())
        lines_made = READERS[out.partition.topic].read(record, oldest_ns=0, newest_ns=2**63)
        assert lines_made.rejects == []
        found[kinds[out.partition.topic]] += lines_made.text.count(b"\n")
        decode(out.value)
    assert found == expected


def test_amounts_keep_their_spelling() -> None:
    """What the venue wrote is what stands on the topic, trailing zeros included."""
    (record,) = gathered(frame("bookTicker", {**_QUOTE, "b": "0.10000000"})).take()

    assert orjson.loads(record.value)["rows"][0][2] == "0.10000000"
