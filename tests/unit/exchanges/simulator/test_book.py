"""
The order book: its best prices, its levels, and the trail of its changes.
"""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from spark.exchanges.simulator.orders import Order
from spark.names import Side
from tests.unit.exchanges.simulator.trading import exact, limit, new_account, new_venue


def test_walking_starts_at_the_best_price() -> None:
    """Bids fall, asks rise."""
    venue, one = new_venue(), new_account("one")
    for number, price in enumerate((98, 96, 97)):
        venue.place(one, limit(Side.BUY, price, 1, f"b{number}"))
        venue.place(one, limit(Side.SELL, price + 10, 1, f"s{number}"))
    book = venue.books["BTCUSDT"]
    assert [price for price, _ in book.bids.walk()] == [98, 97, 96]
    assert [price for price, _ in book.asks.walk()] == [106, 107, 108]


def test_an_empty_side_has_a_top_of_zeros() -> None:
    """A venue writes zeros where nobody quotes."""
    book = new_venue().books["BTCUSDT"]
    assert book.top(Side.BUY) == exact(0, 0)
    assert book.quantity_at(Side.SELL, Decimal(5)) == 0


@given(
    st.lists(
        st.tuples(st.sampled_from([Side.BUY, Side.SELL]), st.integers(95, 105), st.integers(1, 4)),
        max_size=40,
    )
)
def test_the_trail_of_changes_rebuilds_the_book(
    placed: list[tuple[Side, int, int]],
) -> None:
    """Whoever applies each touched level's quantity now has the book."""
    venue, one = new_venue(), new_account("one", usdt=10**9, btc=10**6)
    book = venue.books["BTCUSDT"]
    rebuilt: dict[tuple[Side, Decimal], Decimal] = {}
    orders: list[Order] = []
    for number, (side, price, quantity) in enumerate(placed):
        before = book.update_id
        if number % 5 == 4 and orders[-1].is_alive:
            venue.cancel(one, orders[-1])
        orders.append(venue.place(one, limit(side, price, quantity, f"o{number}")))
        assert book.update_id - before >= len(book.touched)
        for level in book.touched:
            rebuilt[level] = book.quantity_at(*level)
        book.touched.clear()
    shown = {
        (side, price): level.total
        for side in (Side.BUY, Side.SELL)
        for price, level in book.side(side).walk()
    }
    assert {level: quantity for level, quantity in rebuilt.items() if quantity} == shown
