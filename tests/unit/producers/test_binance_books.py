"""The feed's own copy of a Binance book: what is found wrong with it, and how it begins anew."""

import orjson
import pytest

from spark.codec import decode
from spark.events import BooksChanged, FeedGapped
from spark.exchanges.binance.wire_market import DepthSnapshot, Levels
from spark.names import Side, Symbol
from spark.producers.binance_rows import Gathering

_NOW = 1_763_700_000_000_000_000
_SYMBOLS = (Symbol("BTCUSDT"),)


def began() -> Gathering:
    gathering = Gathering()
    gathering.begin(_SYMBOLS, "start", _NOW)
    return gathering


def update(
    gathering: Gathering, ids: tuple[int, int], bids: Levels = (), asks: Levels = ()
) -> None:
    data = {"e": "depthUpdate", "E": 1723161255208, "s": "BTCUSDT", "U": ids[0], "u": ids[1]}
    frame = {"stream": "btcusdt@depth@100ms", "data": {**data, "b": bids, "a": asks}}
    gathering.add(orjson.dumps(frame), _NOW)


def full(gathering: Gathering, last_id: int, bids: Levels = (), asks: Levels = ()) -> None:
    gathering.add_snapshot("BTCUSDT", DepthSnapshot(last_id, bids, asks), _NOW)


def told(gathering: Gathering) -> list[str | tuple[int, int]]:
    """Name what was taken: rows by their ids, gaps by their cause."""
    found: list[str | tuple[int, int]] = []
    for record in gathering.take():
        match decode(record.value):
            case FeedGapped() as gap:
                found.append(gap.cause)
            case BooksChanged() as event:
                found += [(row[2], row[3]) for row in event.rows]
    return found


_BID, _ASK = (("99.00", "1.0"),), (("101.00", "1.0"),)


def test_the_first_update_after_a_full_book_may_straddle_it() -> None:
    """Trap 15: U <= lastUpdateId + 1 <= u is enough; a strict U would begin again for ever."""
    gathering = began()
    update(gathering, (5, 12), (("98.00", "1.0"),))
    assert gathering.take_unsynced() == {"BTCUSDT"}
    full(gathering, 9, _BID, _ASK)
    update(gathering, (13, 14), (("97.00", "1.0"),))
    assert gathering.take_unsynced() == set()
    assert told(gathering) == ["start", (5, 12), (0, 9), (13, 14)]


def test_an_update_that_does_not_follow_is_a_gap_and_brings_a_full_book() -> None:
    """Trap 15, fault M2: U beyond u + 1 is told of, and the book begins from scratch."""
    gathering = began()
    update(gathering, (5, 6))
    full(gathering, 6, _BID, _ASK)
    gathering.take_unsynced()
    update(gathering, (9, 9))
    assert gathering.take_unsynced() == {"BTCUSDT"}
    assert told(gathering)[-2:] == ["sequence", (9, 9)]
    full(gathering, 9, _BID, _ASK)
    update(gathering, (10, 10))
    assert gathering.take_unsynced() == set()


def test_a_crossed_book_is_told_of_and_asked_for_anew() -> None:
    """
    Trap 15: a bid at an ask's price means that a level is wrong, whatever the numbers say.

    Fault M4.
    """
    gathering = began()
    update(gathering, (5, 6))
    full(gathering, 6, _BID, _ASK)
    gathering.take_unsynced()
    update(gathering, (7, 7), (("101.00", "2.0"),))
    assert gathering.take_unsynced() == {"BTCUSDT"}
    assert told(gathering)[-2:] == [(7, 7), "crossed"]
    full(gathering, 7, _BID, (("102.00", "1.0"),))
    update(gathering, (8, 8))
    assert gathering.take_unsynced() == set()


def test_a_full_book_older_than_the_updates_is_asked_for_again_and_they_are_kept() -> None:
    """
    Trap 16: the buffer stays; throwing it away with each old full book would never end.

    Fault M2.
    """
    gathering = began()
    for number in (20, 21, 22):
        update(gathering, (number, number), ((f"{number}.00", "1.0"),))
    gathering.take_unsynced()
    full(gathering, 15, _BID, _ASK)
    assert gathering.take_unsynced() == {"BTCUSDT"}
    full(gathering, 20, _BID, _ASK)
    assert gathering.take_unsynced() == set()
    assert told(gathering) == ["start", (20, 20), (21, 21), (22, 22), (0, 20)]
    book = gathering.book("BTCUSDT")
    assert [int(one.price) for one in book.offers(Side.BUY)] == [99, 22, 21]


def test_what_another_connection_left_is_no_bridge() -> None:
    """Trap 15: updates of the old socket and of the new one do not join up by themselves."""
    gathering = began()
    update(gathering, (5, 6))
    full(gathering, 6, _BID, _ASK)
    gathering.take_unsynced()
    gathering.begin(_SYMBOLS, "connection_lost", _NOW)
    update(gathering, (7, 7))
    assert gathering.take_unsynced() == {"BTCUSDT"}
    assert told(gathering)[-2:] == ["connection_lost", (7, 7)]


@pytest.mark.parametrize("is_late", [False, True])
def test_a_full_book_that_is_another_is_found(is_late: bool) -> None:
    """C2: now and then a fresh full book is compared at the same id; a difference begins anew."""
    gathering = began()
    update(gathering, (5, 6))
    full(gathering, 6, (("99.00", "1.0"), ("98.00", "1.0")), _ASK)
    update(gathering, (7, 8), (("97.00", "4.0"),))
    gathering.take_unsynced()
    # The updates may reach further than the full book, or not as far yet.
    same = (("99.00", "1.0"), ("98.00", "1.0"))
    full(gathering, 9 if is_late else 7, same, _ASK)
    update(gathering, (9, 9), (("99.00", "2.0"),))
    assert (gathering.take_unsynced(), gathering.books_agreed()) == (
        {"BTCUSDT"} if is_late else set(),
        0 if is_late else 1,
    )
    told(gathering)
    full(gathering, 9, (("99.00", "2.0"), ("98.00", "7.0")), _ASK)
    if not is_late:
        assert gathering.take_unsynced() == {"BTCUSDT"}
        assert told(gathering) == ["differs_from_snapshot"]


def test_levels_beyond_either_full_book_are_not_compared() -> None:
    """C2: what stood beyond a full book's last level is not known, so it is no difference."""
    gathering = began()
    update(gathering, (5, 6))
    full(gathering, 6, _BID, _ASK)
    gathering.take_unsynced()
    full(gathering, 6, (("99.00", "1.0"), ("90.00", "5.0")), (("101.00", "1.0"), ("120.00", "5.0")))
    assert (gathering.take_unsynced(), gathering.books_agreed()) == (set(), 1)
