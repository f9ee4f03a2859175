"""What of a fill is told for the first time."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.events import OrderFilled
from spark.ledger.executions import Execution, uncovered
from tests.made import Life

LIFE = Life(quantity=Decimal(10))


def fill(quantity: int, cumulative: int, price: int = 10, trade_id: str = "") -> OrderFilled:
    made = LIFE.filled(str(quantity), str(cumulative), trade_id)
    return OrderFilled(
        **{name: getattr(made, name) for name in made.__dataclass_fields__}
        | {"price": Decimal(price)}
    )


def told(*fills: OrderFilled) -> list[Execution]:
    known: list[Execution] = []
    for one in fills:
        known += uncovered(known, one)
    return known


def stretches(*fills: OrderFilled) -> list[tuple[int, int, Decimal]]:
    return [(int(one.start), int(one.cumulative), one.price) for one in told(*fills)]


@pytest.mark.parametrize(
    ("fills", "expected"),
    [
        ([fill(1, 1), fill(1, 1)], [(0, 1, 10)]),
        ([fill(1, 2, 12), fill(1, 1)], [(1, 2, 12), (0, 1, 10)]),
        ([fill(1, 1, 10), fill(2, 2, 11)], [(0, 1, 10), (1, 2, 12)]),
        ([fill(2, 2, 11), fill(1, 1, 10, "a"), fill(1, 2, 12, "b")], [(0, 2, 11)]),
        ([fill(1, 2, 10), fill(3, 3, 11)], [(1, 2, 10), (0, 1, "11.5"), (2, 3, "11.5")]),
        ([fill(1, 1, 10, "a"), fill(1, 2, 10, "a")], [(0, 1, 10)]),
        ([fill(1, 1, 90), fill(2, 2, 10)], [(0, 1, 90), (1, 2, 10)]),
        ([fill(2, 1, 10)], [(0, 1, 10)]),
    ],
    ids=[
        "again", "out-of-order", "average-after-a-trade", "trades-after-their-average",
        "two-gaps", "same-trade-id", "contradiction", "more-than-was-filled",
    ],
)  # fmt: skip
def test_a_stretch_counts_once(
    fills: list[OrderFilled], expected: list[tuple[int, int, int | str]]
) -> None:
    """R4: what a fill says that was said before does not count again; the worth comes out."""
    assert stretches(*fills) == [(low, high, Decimal(price)) for low, high, price in expected]


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 10), st.integers(1, 99)), max_size=8))
def test_stretches_never_overlap(fills: list[tuple[int, int, int]]) -> None:
    """R4: however fills come, no part of an order trades twice."""
    found = sorted(
        told(*(fill(quantity, cumulative, price) for quantity, cumulative, price in fills)),
        key=lambda one: one.cumulative,
    )
    assert all(one.quantity > 0 and one.price > 0 for one in found)
    assert all(low.cumulative <= high.start for low, high in pairwise(found))


@given(st.permutations(range(5)), st.permutations(range(5)))
def test_the_order_of_trades_changes_nothing(one: list[int], other: list[int]) -> None:
    """R4: executions may come in any order."""
    fills = [fill(1, n + 1, 10 + n, f"t{n}") for n in range(5)]

    def cover(order: list[int]) -> set[Execution]:
        return set(told(*(fills[n] for n in order)))

    assert cover(one) == cover(other)
