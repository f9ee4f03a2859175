"""One side of a book, against a plain dictionary of numbers."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from spark.exchanges.levels import Levels

_prices = st.decimals(min_value=0, max_value=50, places=2)
_quantities = st.decimals(min_value=0, max_value=3, places=1)
_zeros = st.integers(0, 6)


@given(st.lists(st.tuples(_prices, _quantities, _zeros), max_size=60))
def test_levels_are_what_the_numbers_say(changes: list[tuple[Decimal, Decimal, int]]) -> None:
    """C2: however a price is spelled, it is one level; 0 takes it away; the order holds."""
    levels, plain = Levels(), dict[Decimal, Decimal]()
    for price, quantity, zeros in changes:
        levels.put([(f"{price:f}{'0' * zeros}", f"{quantity:f}{'0' * zeros}")])
        plain[price] = quantity
    expected = sorted((price, quantity) for price, quantity in plain.items() if quantity)
    assert list(levels.ascending()) == expected
    assert list(levels.descending()) == expected[::-1]
    assert len(levels) == len(expected)
    for price, quantity in plain.items():
        assert levels.quantity_at(price) == quantity
    ends = [levels.lowest(), levels.highest()]
    assert [one and Decimal(one[0]) for one in ends] == (
        [expected[0][0], expected[-1][0]] if expected else [None, None]
    )


def test_two_sides_are_compared_within_bounds() -> None:
    """C2: only between prices that both know; numbers count, not their spelling."""
    one, other = Levels(), Levels()
    one.put([("10.0", "1.50"), ("11", "2"), ("12", "3")])
    other.put([("10", "1.5"), ("11.00", "2"), ("13", "1")])
    assert not one.differ(other, "", "11.5")
    assert one.differ(other, "11", "")
    assert one.differ(other, "", "")
    assert {quantity for _, quantity in one.unlike(other)} == {"3", ""}


def test_a_bid_at_an_asks_price_crosses() -> None:
    """C2: equal prices cross, however they are spelled; an empty side crosses nothing."""
    bids, asks = Levels(), Levels()
    bids.put([("10.50", "1")])
    assert not bids.is_above(asks)
    asks.put([("10.6", "1")])
    assert not bids.is_above(asks)
    asks.put([("10.5", "1")])
    assert bids.is_above(asks)
