"""BTCTurk's frames to market records: books by change set, quotes of the book, trades once."""

import json
from collections.abc import Mapping
from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.bus.port import Record
from spark.codec import decode
from spark.consumers.feed_rows import READERS
from spark.errors import WireError
from spark.events import BooksChanged, FeedGapped, QuotesReceived, TradesReceived
from spark.names import Symbol
from spark.producers.btcturk_rows import TurkGathering
from tests.recordings import recorded

_NOW = 1_763_700_000_000_000_000
_S = 1_000_000_000
_BTC = Symbol("BTCTRY")
_Side = dict[str, str]


def began() -> TurkGathering:
    gathering = TurkGathering((_BTC,), first_ns_max=5 * _S)
    gathering.begin((_BTC,), "start", _NOW)
    return gathering


def say(
    gathering: TurkGathering, kind: int, model: Mapping[str, object], *, at_ns: int = _NOW
) -> None:
    body = {"type": kind, "PS": "BTCTRY", "event": "BTCTRY", **model}
    gathering.add(orjson.dumps([kind, body]), at_ns)


def full(
    gathering: TurkGathering, number: int, bids: _Side, asks: _Side, *, channel: str = "obdiff"
) -> None:
    sides = {
        name: [{"P": price, "A": amount} for price, amount in levels.items()]
        for name, levels in (("BO", bids), ("AO", asks))
    }
    say(gathering, 431, {"CS": number, "channel": channel, **sides})


def change(gathering: TurkGathering, number: int, operation: int, price: str, amount: str) -> None:
    row = {"CP": operation, "P": price, "A": amount}
    say(gathering, 432, {"CS": number, "BO": [row], "AO": [], "channel": "obdiff"})


def trade(gathering: TurkGathering, number: int) -> None:
    say(gathering, 422, {**_trade(number), "channel": "trade"})


def _trade(number: int) -> dict[str, object]:
    return {"D": str(1647357507716 + number), "I": str(number), "A": "0.5", "P": "591468", "S": 1}


def told(gathering: TurkGathering) -> list[tuple[str, object]]:
    """Name what was taken: book rows by ids, quotes by best prices, trades by id, gaps."""
    found: list[tuple[str, object]] = []
    for record in gathering.take():
        match decode(record.value):
            case FeedGapped() as gap:
                found.append((gap.kind, gap.cause))
            case BooksChanged() as books:
                found += [("books", row[2:4]) for row in books.rows]
            case QuotesReceived() as quotes:
                found += [("quotes", (row[1], row[2], row[4])) for row in quotes.rows]
            case TradesReceived() as trades:
                found += [("trades", row[2]) for row in trades.rows]
    return found


_BIDS, _ASKS = {"590951": "1", "590948": "0.2"}, {"591468": "1", "591469": "2"}


def whole() -> TurkGathering:
    gathering = began()
    full(gathering, 10, _BIDS, _ASKS)
    told(gathering)
    return gathering


def test_a_book_and_its_quotes() -> None:
    """C1: a whole book is a row from 0; each change of the best prices is a quote."""
    gathering = began()
    full(gathering, 10, _BIDS, _ASKS)
    change(gathering, 11, 1, "591000", "3")
    change(gathering, 12, 1, "590000", "3")
    found = told(gathering)
    assert [what for kind, what in found if kind == "books"] == [
        "start",
        (0, 10),
        (11, 11),
        (12, 12),
    ]
    assert [what for kind, what in found if kind == "quotes"] == [
        "start",
        (10, "590951", "591468"),
        (11, "591000", "591468"),
    ]
    assert gathering.tops == {b"BTCTRY": (b'"591000"', b'"591468"')}


def test_a_deleted_level_is_gone_whatever_its_amount() -> None:
    """Trap 17: CP 3 deletes although its amount is not 0; a level that is not there is no fault."""
    gathering = whole()
    change(gathering, 11, 3, "590951", "1.5")
    change(gathering, 12, 3, "123456", "9")
    quotes = [what for kind, what in told(gathering) if kind == "quotes"]
    assert quotes == [(11, "590948", "591468")]
    assert gathering.take_unsynced() == set()


@pytest.mark.parametrize("number", [10, 13, 9, 1])
def test_a_number_that_does_not_follow_gives_the_book_up(number: int) -> None:
    """
    Trap 17: the change set is checked; what comes until the next whole book is not used.

    Fault M2.
    """
    gathering = whole()
    change(gathering, 11, 1, "591000", "3")
    told(gathering)
    change(gathering, number, 1, "591001", "3")
    change(gathering, 12, 1, "591002", "3")
    assert gathering.take_unsynced() == {_BTC}
    assert (told(gathering), gathering.tops) == ([], {})
    gathering.books[_BTC].joined(_NOW)
    full(gathering, 500, _BIDS, _ASKS)
    assert told(gathering) == [
        ("books", "sequence"),
        ("quotes", "sequence"),
        ("quotes", (500, "590951", "591468")),
        ("books", (0, 500)),
    ]


def test_the_same_difference_twice_is_one() -> None:
    """A repeated message is no gap."""
    gathering = whole()
    for _ in range(2):
        change(gathering, 11, 1, "591000", "3")
    assert told(gathering).count(("books", (11, 11))) == 1
    assert gathering.take_unsynced() == set()


def test_a_crossed_book_is_joined_again() -> None:
    """Trap 17: sticky levels show as a bid at an ask's price."""
    gathering = whole()
    change(gathering, 11, 1, "591468", "3")
    assert gathering.take_unsynced() == {_BTC}
    assert gathering.tops == {}
    assert told(gathering) == [("books", (11, 11))]
    assert gathering.books[_BTC].best() is None


def test_a_difference_before_its_whole_book_is_of_no_use() -> None:
    """Trap 20: nothing is built on nothing; the timer finds a whole book that stays away."""
    gathering = began()
    change(gathering, 11, 1, "591000", "3")
    kept = gathering.books[_BTC]
    assert (told(gathering), kept.is_awaited) == ([], True)
    assert [kept.is_silent(_NOW + s * _S) for s in (5, 6, 10)] == [False, True, False]
    kept.joined(_NOW + 6 * _S)
    # Twice as long each time, for a symbol that does not exist.
    assert [kept.is_silent(_NOW + s * _S) for s in (16, 17)] == [False, True]
    full(gathering, 10, _BIDS, _ASKS)
    assert (kept.is_awaited, kept.silent) == (False, 0)


def test_a_level_that_another_book_shows_otherwise_each_time_is_wrong() -> None:
    """Trap 17: whole books of `orderbook`, whose numbers are their own, find a sticky level."""
    gathering = whole()
    kept = gathering.books[_BTC]
    kept.begin_check()
    for number in range(3):
        full(gathering, 900 + number, {"590951": "1"}, _ASKS, channel="orderbook")
    gathering.doubt(_BTC, kept.end_check(), _NOW)
    assert (gathering.looks, gathering.take_unsynced()) == (3, {_BTC})
    assert told(gathering) == []


def test_a_book_that_is_only_a_moment_apart_is_right() -> None:
    """Trap 17: a level that moved meanwhile is no difference; one look proves nothing."""
    gathering = whole()
    kept = gathering.books[_BTC]
    kept.begin_check()
    full(gathering, 900, {**_BIDS, "590000": "7"}, _ASKS, channel="orderbook")
    change(gathering, 11, 1, "590000", "7")
    full(gathering, 901, {**_BIDS, "590000": "8"}, _ASKS, channel="orderbook")
    change(gathering, 12, 0, "590000", "8")
    assert kept.end_check() is None
    assert kept.agreed == 1


def test_a_ticker_that_shows_other_prices_for_long_tells_of_a_dead_book() -> None:
    """Trap 18: differences stop while the socket lives; the ticker still moves."""
    gathering = whole()
    ticker = {"B": "590900", "BA": "1", "A": "591468.0", "AA": "1", "LA": "590951"}
    say(gathering, 402, {**ticker, "B": "590951.00"})
    say(gathering, 402, ticker, at_ns=_NOW + _S)
    say(gathering, 402, ticker, at_ns=_NOW + 11 * _S)
    assert gathering.take_unsynced() == set()
    say(gathering, 402, ticker, at_ns=_NOW + 12 * _S)
    assert gathering.take_unsynced() == {_BTC}


def test_trades_that_were_missed_come_with_the_list() -> None:
    """C2: the list on joining reaches back to the last trade: nothing is missing, none twice."""
    gathering = began()
    items = [_trade(number) for number in (1, 2)]
    say(gathering, 421, {"symbol": "BTCTRY", "items": items})
    trade(gathering, 3)
    assert told(gathering) == [("trades", "start"), ("trades", 3)]
    gathering.begin((_BTC,), "connection_lost", _NOW + _S)
    say(gathering, 421, {"symbol": "BTCTRY", "items": [_trade(n) for n in (5, 4, 3, 2)]})
    trade(gathering, 5)
    trade(gathering, 6)
    assert told(gathering) == [("trades", 4), ("trades", 5), ("trades", 6)]
    gathering.begin((_BTC,), "connection_lost", _NOW + 2 * _S)
    say(gathering, 421, {"symbol": "BTCTRY", "items": [_trade(n) for n in (90, 91)]})
    assert told(gathering) == [("trades", "connection_lost"), ("trades", 90), ("trades", 91)]


def test_a_frame_of_another_symbol_touches_no_book() -> None:
    """Trap 17: a whole book belongs to the symbol that it names, and to no other."""
    gathering = whole()
    say(gathering, 431, {"PS": "ETHTRY", "CS": 1, "BO": [], "AO": [], "channel": "obdiff"})
    assert gathering.books[_BTC].book.last_id == 10
    assert told(gathering) == []


def test_h5_a_frame_of_no_symbol_is_passed_over() -> None:
    """H5: a frame whose symbol is empty is about no book; the feed goes on."""
    gathering = whole()
    gathering.take()
    level = {"CS": 11, "BO": [], "AO": []}
    for kind, model in (
        (402, {"B": "1", "A": "2", "BA": "1", "AA": "1", "LA": "1"}),
        (422, {**_trade(9), "channel": "trade"}),
        (431, {**level, "channel": "obdiff"}),
        (432, level),
        (421, {"symbol": "", "items": [_trade(9)]}),
    ):
        say(gathering, kind, {**model, "PS": ""})
    assert told(gathering) == []
    trade(gathering, 10)
    assert told(gathering)


def test_a_frame_that_cannot_be_used_is_refused_alone() -> None:
    """H5: it raises, and the book goes on."""
    gathering = whole()
    with pytest.raises(WireError):
        change(gathering, 11, 2, "591000", "3")
    change(gathering, 11, 1, "591000", "3")
    assert gathering.take_unsynced() == set()


_texts = st.one_of(
    st.text(max_size=8), st.sampled_from(["BTCTRY", "591468", "0.5", "1647357507716", "obdiff"])
)
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["P", "A", "CP", "I", "D", "S"]), inner, max_size=4),
    ),
    max_leaves=8,
)
_NAMES = ["type", "PS", "CS", "BO", "AO", "channel", "symbol", "items", "P", "A", "I", "D", "S"]
_models = st.dictionaries(st.sampled_from(_NAMES), _values, max_size=8)
_kinds = st.sampled_from([100, 401, 402, 421, 422, 431, 432, 991, 114, 0])


@given(st.lists(st.tuples(_kinds, _models), max_size=5), st.binary(max_size=60))
def test_any_frame_is_a_row_or_a_typed_error(
    frames: list[tuple[int, dict[str, object]]], noise: bytes
) -> None:
    """H5: whatever comes, the feed goes on: rows that the writer takes, or WireError."""
    gathering = whole()
    spoken = [json.dumps([kind, {"PS": "BTCTRY", **model}]).encode() for kind, model in frames]
    for frame in (*spoken, noise):
        with suppress(WireError):
            gathering.add(frame, _NOW)
    for record in gathering.take():
        out = Record(record.partition, 0, 0, record.key, record.value, ())
        assert not READERS[record.partition.topic].read(out, oldest_ns=0, newest_ns=2**63).rejects


def test_recorded_frames_become_rows_that_the_writer_takes() -> None:
    """C1: the few frames that were recorded are rows, whole books, or nothing to keep."""
    symbols = tuple(map(Symbol, ("BTCTRY", "AVAXUSDT", "AVAXTRY", "BTCUSDT")))
    gathering = TurkGathering(symbols, first_ns_max=5 * _S)
    gathering.begin(symbols, "start", _NOW)
    for line in recorded("btcturk-ws-frames.jsonl").read_bytes().splitlines():
        gathering.add(line, _NOW)
    found = told(gathering)
    trades = [what for kind, what in found if kind == "trades" and what != "start"]
    assert sorted(map(str, trades)) == [
        "101963781951665674",
        "110063781755340883",
        "110063781755411856",
    ]
    assert ("books", (0, 7886177)) in found
