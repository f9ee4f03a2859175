"""
The book kept from its topic: whole or none, in the order of the ids, whatever comes when.
"""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from spark.events.market import BookRow
from spark.exchanges.binance.local_book import LocalBook
from spark.names import Side

Levels = dict[int, int]


def full(last_id: int, bids: Levels, asks: Levels, at_ns: int = 1) -> BookRow:
    return (at_ns, 0, 0, last_id, _texts(bids), _texts(asks))


def update(ids: tuple[int, int], bids: Levels, asks: Levels, at_ns: int = 1) -> BookRow:
    return (at_ns, at_ns, *ids, _texts(bids), _texts(asks))


def _texts(levels: Levels) -> tuple[tuple[str, str], ...]:
    return tuple((f"{price}.00", f"{quantity}.0") for price, quantity in levels.items())


def shown(book: LocalBook, side: Side) -> list[tuple[int, int]]:
    return [(int(one.price), int(one.quantity)) for one in book.offers(side)]


def kept(*rows: BookRow) -> LocalBook:
    book = LocalBook()
    for row in rows:
        book.apply(row)
    return book


def test_updates_change_levels_and_zero_takes_one_away() -> None:
    """Best first on both sides; a level is replaced, never added to."""
    book = kept(full(5, {99: 1, 98: 2}, {101: 1, 102: 2}), update((6, 7), {98: 0, 97: 4}, {101: 9}))
    assert shown(book, Side.BUY) == [(99, 1), (97, 4)]
    assert shown(book, Side.SELL) == [(101, 9), (102, 2)]
    assert book.quantity_at(Side.BUY, Decimal(97)) == 4
    assert book.quantity_at(Side.BUY, Decimal(98)) == 0


def test_updates_that_came_before_their_full_book_wait_for_it() -> None:
    """The full book was asked for while updates ran: the older are dropped, the newer applied."""
    early = [
        update((3, 4), {90: 1}, {}),
        update((5, 6), {91: 1}, {}),
        update((7, 8), {92: 1}, {}, 7),
    ]
    assert not kept(*early).is_whole
    book = kept(*early, full(6, {99: 1}, {}))
    assert shown(book, Side.BUY) == [(99, 1), (92, 1)]
    assert book.heard_ns == 7


def test_a_gap_leaves_no_book_until_the_next_full_one() -> None:
    """C2: what does not join up is not guessed."""
    rows = [full(5, {99: 1}, {}), update((7, 8), {98: 1}, {}), update((9, 9), {97: 1}, {})]
    assert [kept(*rows[:count]).is_whole for count in (1, 2, 3)] == [True, False, False]
    book = kept(*rows, full(8, {99: 2, 98: 1}, {}))
    assert shown(book, Side.BUY) == [(99, 2), (98, 1), (97, 1)]


def test_what_is_old_changes_nothing() -> None:
    """Fault M2: a repeated update, and a full book that is behind."""
    book = kept(full(5, {99: 1}, {}, 1), update((6, 6), {99: 3}, {}, 2))
    for row in (update((4, 6), {99: 7}, {}, 3), full(5, {1: 1}, {}, 3)):
        book.apply(row)
        assert (shown(book, Side.BUY), book.heard_ns) == ([(99, 3)], 2)


def test_a_newer_full_book_replaces_what_there_is() -> None:
    """The feed writes one now and then, so that a reader can begin."""
    book = kept(full(5, {99: 1}, {}), full(9, {98: 2}, {}), update((8, 10), {98: 3}, {}))
    assert shown(book, Side.BUY) == [(98, 3)]


def test_what_was_taken_is_gone_until_the_level_is_told_again() -> None:
    """One offer fills one order on paper, not each that comes."""
    book = kept(full(5, {}, {101: 5, 102: 5}))
    for offer in book.offers(Side.SELL):
        book.take(Side.SELL, offer.price, Decimal(5 if offer.price == 101 else 2))
    assert shown(book, Side.SELL) == [(102, 3)]
    book.apply(update((6, 6), {}, {101: 4}))
    assert shown(book, Side.SELL) == [(101, 4), (102, 3)]


@given(
    st.lists(st.tuples(st.integers(90, 110), st.integers(0, 5)), max_size=40), st.integers(0, 39)
)
def test_wherever_a_reader_begins_it_ends_with_the_same_book(
    changes: list[tuple[int, int]], begins_at: int
) -> None:
    """C2: full book and updates from anywhere give what all updates give."""
    start = full(0, {}, {})
    updates = [
        update((n, n), {price: quantity}, {}) for n, (price, quantity) in enumerate(changes, 1)
    ]
    whole = kept(start, *updates)
    at = min(begins_at, len(updates))
    before = kept(start, *updates[:at])
    snapshot = full(at, dict(shown(before, Side.BUY)), {})
    # The reader sees some older updates first, and the full book a little late.
    late = kept(*updates[max(0, at - 3) : at + 2], snapshot, *updates[at + 2 :])
    assert shown(late, Side.BUY) == shown(whole, Side.BUY)
