"""Rows on their way to the topics, with the gaps between them."""

from spark.codec import decode
from spark.events import BooksChanged, FeedGapped, QuotesReceived
from spark.names import Venue
from spark.producers.feed_lanes import BOOKS, QUOTES, Lanes, Stream

_NOW = 1_763_700_000_000_000_000
_QUOTES = Stream(QUOTES, b"BTCUSDT")
_BOOKS = Stream(BOOKS, b"BTCUSDT")


def quote(number: int, at_ns: int = _NOW) -> bytes:
    return b'[%d,%d,"1","2","3","4"]' % (at_ns, number)


def told(lanes: Lanes) -> list[tuple[str, object]]:
    """Name what was taken: the ids of rows, or a gap's cause and both its ids."""
    found: list[tuple[str, object]] = []
    for record in lanes.take():
        match decode(record.value):
            case FeedGapped() as gap:
                found.append((gap.cause, (gap.last_id, gap.next_id)))
            case QuotesReceived() as event:
                found.append(("rows", [row[1] for row in event.rows]))
            case BooksChanged() as event:
                found.append(("rows", [row[3] for row in event.rows]))
    return found


def test_a_gap_stands_before_the_first_row_after_it() -> None:
    """C2: what came before, what is missing and what comes after are in order on the topic."""
    lanes = Lanes(Venue.BINANCE)
    lanes.put(QUOTES, b"BTCUSDT", quote(7, _NOW - 5))
    lanes.resume([_QUOTES], "connection_lost", _NOW)
    lanes.put(QUOTES, b"BTCUSDT", quote(11, _NOW + 9))
    lanes.put(QUOTES, b"BTCUSDT", quote(12, _NOW + 9))

    records = lanes.take()

    gap = decode(records[1].value)
    assert isinstance(gap, FeedGapped)
    assert (gap.last_ns, gap.resumed_ns, gap.last_id, gap.next_id) == (_NOW - 5, _NOW, 7, 11)
    assert [decode(r.value).type for r in records] == [
        "quotes_received",
        "feed_gapped",
        "quotes_received",
    ]
    assert [one.cause for one in lanes.take_gaps()] == ["connection_lost"]
    assert lanes.take_gaps() == []


def test_a_gap_that_waits_goes_on_until_the_last_connection() -> None:
    """Two connections lost in a row are one gap, from the last row to the first again."""
    lanes = Lanes(Venue.BINANCE)
    lanes.put(QUOTES, b"BTCUSDT", quote(7))
    for at_ns in (_NOW + 1, _NOW + 2):
        lanes.resume([_QUOTES], "connection_lost", at_ns)
    lanes.put(QUOTES, b"BTCUSDT", quote(9))
    assert told(lanes) == [("rows", [7]), ("connection_lost", (7, 9)), ("rows", [9])]


def test_a_gap_within_a_read_is_where_it_belongs() -> None:
    """C2: rows of one read before and after a gap are two records with the gap between."""
    lanes = Lanes(Venue.BINANCE)
    lanes.put_fields(BOOKS, "BTCUSDT", (_NOW, 0, 3, 4, [], []))
    lanes.interrupt(_BOOKS, "sequence", next_id=8, now_ns=_NOW)
    lanes.put_fields(BOOKS, "BTCUSDT", (_NOW, 0, 8, 9, [], []))
    assert told(lanes) == [("rows", [4]), ("sequence", (4, 8)), ("rows", [9])]


def test_a_gap_that_was_none_is_taken_back() -> None:
    """What was missing came after all, so nothing is said."""
    lanes = Lanes(Venue.BINANCE)
    lanes.resume([_QUOTES], "start", _NOW)
    lanes.forget_break(_QUOTES)
    lanes.put(QUOTES, b"BTCUSDT", quote(9))
    assert told(lanes) == [("rows", [9])]


def test_a_full_book_ends_a_gap_with_its_own_id() -> None:
    """Its first id is 0, which the venue never counted."""
    lanes = Lanes(Venue.BTCTURK)
    lanes.resume([_BOOKS], "start", _NOW)
    lanes.put_fields(BOOKS, "BTCUSDT", (_NOW, 0, 0, 42, [], []))
    assert told(lanes) == [("start", (-1, 42)), ("rows", [42])]
