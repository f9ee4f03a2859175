"""
The local book: a chain of change sets on a full book.
"""

from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.events.market import BookRow
from spark.exchanges.btcturk.local_book import LocalBook
from spark.exchanges.btcturk.wire_frames import BookDifference, BookFull, market_frame
from spark.names import Side
from tests.recordings import recorded

Levels = tuple[tuple[str, str], ...]
BIDS: Final[Levels] = (("10", "1"), ("9", "2"))
ASKS: Final[Levels] = (("11", "3"), ("12", "4"))


def full(change_set: int, bids: Levels = BIDS, asks: Levels = ASKS) -> BookRow:
    return (1, 0, 0, change_set, bids, asks)


def change(change_set: int, bids: Levels = (), asks: Levels = ()) -> BookRow:
    return (2, 0, change_set, change_set, bids, asks)


def kept(*rows: BookRow) -> LocalBook:
    book = LocalBook()
    for row in rows:
        book.apply(row)
    return book


def levels(book: LocalBook, side: Side) -> list[tuple[str, str]]:
    return [(f"{one.price:f}", f"{one.quantity:f}") for one in book.offers(side)]


def test_differences_change_new_and_old_levels() -> None:
    """A replaced, a new and a removed level, best first on each side."""
    book = kept(
        full(7), change(8, (("10", "5"), ("9.5", "1"), ("9", "0"))), change(9, (), (("11", "0"),))
    )
    assert book.is_whole
    assert (book.last_id, book.heard_ns) == (9, 2)
    assert levels(book, Side.BUY) == [("10", "5"), ("9.5", "1")]
    assert levels(book, Side.SELL) == [("12", "4")]


@pytest.mark.parametrize("change_set", [9, 7, 6, 100])
def test_a_change_set_that_does_not_follow_is_a_gap(change_set: int) -> None:
    """Trap 17: missed, repeated or from another numbering: there is no book until a full one."""
    book = kept(full(7), change(change_set, (("10", "5"),)))
    seen = [book.is_whole]
    for row in (change(8, (("10", "5"),)), full(3)):
        book.apply(row)
        seen.append(book.is_whole)
    assert seen == [False, False, True]
    assert levels(book, Side.BUY) == [("10", "1"), ("9", "2")]


def test_a_difference_before_the_full_book_is_dropped() -> None:
    """Each full book begins a numbering of its own, so nothing can wait for it."""
    book = kept(change(8, (("10", "5"),)), full(7), change(8, (("9", "0"),)))
    assert levels(book, Side.BUY) == [("10", "1")]


def test_a_full_book_overwrites_whatever_stood_there() -> None:
    """Trap 17: levels that stuck go with the next full book, whatever its number."""
    book = kept(full(7), full(2, (("8", "1"),), (("13", "1"),)))
    assert (book.is_whole, book.last_id) == (True, 2)
    assert levels(book, Side.BUY) == [("8", "1")]


def test_deleting_what_is_not_there_changes_nothing() -> None:
    """Trap 17: a deletion of an unknown price is seen in the wild."""
    book = kept(full(7), change(8, (("9.99", "0"),), (("50", "0.00"),)))
    assert book.is_whole
    assert levels(book, Side.BUY) == [("10", "1"), ("9", "2")]


@pytest.mark.parametrize("bid", ["11", "11.0", "11.5", "100"])
def test_a_crossed_book_is_seen(bid: str) -> None:
    """Trap 17: a bid at the best ask or above says that a level stuck."""
    book = kept(full(7), change(8, ((bid, "1"),)))
    assert book.is_crossed
    book.doubt()
    assert not book.is_whole
    assert not kept(full(7)).is_crossed


def test_one_price_is_one_level_however_it_is_written() -> None:
    """Zeros behind the point make no other price."""
    book = kept(full(7), change(8, (("10.00", "5"), ("9.0", "0"))))
    assert [one.quantity for one in book.offers(Side.BUY)] == [Decimal(5)]
    assert book.quantity_at(Side.BUY, Decimal("10.0")) == Decimal(5)


def test_what_is_taken_is_gone_until_the_exchange_speaks() -> None:
    """Paper's fills use a level up, and no more of it."""
    book = kept(full(7))
    book.take(Side.SELL, Decimal(11), Decimal(1))
    book.take(Side.SELL, Decimal(12), Decimal(5))
    assert levels(book, Side.SELL) == [("11", "2")]
    book.apply(change(8, (), (("11", "3"),)))
    assert levels(book, Side.SELL) == [("11", "3")]


def test_books_of_two_subscriptions_are_compared_by_their_levels() -> None:
    """Their numbers are unrelated."""
    assert not kept(full(7)).differs(kept(full(1)))
    assert kept(full(7)).differs(kept(full(7), change(8, (("9", "0"),))))


@given(
    st.lists(
        st.tuples(st.sampled_from(["8", "9", "9.5", "10", "11", "12"]), st.integers(0, 3)),
        max_size=30,
    )
)
def test_a_book_is_what_its_changes_say(changes: list[tuple[str, int]]) -> None:
    """Any changes, one after another: each level has its last amount, and none has nothing."""
    book = kept(full(7, (), ()))
    expected: dict[Decimal, Decimal] = {}
    for number, (price, quantity) in enumerate(changes, start=8):
        book.apply(change(number, ((price, str(quantity)),)))
        expected[Decimal(price)] = Decimal(quantity)
    found = {one.price: one.quantity for one in book.offers(Side.BUY)}
    assert found == {price: quantity for price, quantity in expected.items() if quantity}
    assert list(found) == sorted(found, reverse=True)


def test_recorded_books_are_kept() -> None:
    """The live exchange's book holds what it says; another chain's difference ends it."""
    lines = recorded("btcturk-ws-frames.jsonl").read_bytes().splitlines()
    events = [market_frame(line) for line in lines]
    for event in events:
        if isinstance(event, BookFull):
            book = kept(full(event.change_set, event.bids, event.asks))
            assert not book.is_crossed
            assert tuple(levels(book, Side.BUY)) == event.bids
            assert tuple(levels(book, Side.SELL)) == event.asks
        if isinstance(event, BookDifference):
            row = change(event.change_set, event.bids, event.asks)
            assert kept(full(event.change_set - 1, (), ()), row).is_whole
            assert not kept(full(event.change_set, (), ()), row).is_whole
