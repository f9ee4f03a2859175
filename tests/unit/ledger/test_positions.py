"""
Positions folded from what the exchange proved: conservation, repetitions, any order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from spark.events import Event, OrderFilled
from spark.ledger.positions import MEMORY_NS, SETTLED_NS, Position, Positions, fold_positions
from spark.names import BOOK_OF, Book, Reason, Side, StrategyId, Symbol, TradingMode
from tests.made import NOW_NS, Life, events_of

_D = Decimal


def fill(life: Life, trade: str, quantity: str, cumulative: str, **changes: Any) -> OrderFilled:  # noqa: ANN401
    """Show one execution of an order."""
    return replace(life.filled(quantity, cumulative, trade), **changes)


def folded(events: Iterable[Event], at_ns: int = NOW_NS) -> Positions:
    positions = Positions()
    for event in events:
        fold_positions(positions, event, at_ns)
    return positions


def only(positions: Positions) -> Position:
    (position,) = positions.by_key.values()
    return position


def amounts(position: Position, *names: str) -> tuple[object, ...]:
    return tuple(getattr(position, name) for name in names or ("quantity", "cash"))


def told(positions: Positions) -> list[tuple[object, ...]]:
    """Tell what must not depend on the order of records."""
    return sorted(
        (key, one.quantity, one.cash, sorted(item for item in one.fees.items() if item[1]))
        for key, one in positions.by_key.items()
    )


def test_a_position_has_its_quantity_cost_and_fees() -> None:
    """B5: two buys average, and each fee stays in its asset."""
    life = Life(quantity=_D(4))
    position = only(
        folded(
            [
                life.claimed(),
                fill(life, "1", "1", "1", price=_D(100), commission=_D("0.1")),
                fill(life, "2", "3", "4", price=_D(104), commission=_D("0.3")),
            ]
        )
    )

    assert amounts(position) == (4, -412)
    assert position.average_cost == 103
    assert position.realised == 0
    assert position.fees == {"BNB": _D("0.4")}


def test_a_sale_realises_against_the_average_cost() -> None:
    """B5: what is closed is realised, the rest keeps its cost; through zero it starts anew."""
    bought, sold, more = (Life(text, quantity=_D(4)) for text in ("one", "two", "three"))
    sale = {"side": Side.SELL, "price": _D(120)}
    events = [
        fill(bought, "1", "4", "4", price=_D(100)),
        fill(sold, "2", "1", "1", **sale),
    ]
    position = only(folded(events))
    assert amounts(position, "quantity", "average_cost", "realised") == (3, 100, 20)

    events.append(fill(more, "3", "4", "4", **sale))
    position = only(folded(events))
    assert amounts(position, "quantity", "average_cost", "realised") == (-1, 120, 80)


def test_books_accounts_strategies_and_symbols_never_mix() -> None:
    """A10: a paper fill moves no live position; neither does another strategy's."""
    lives = [Life(text) for text in ("one", "two", "three", "four")]
    positions = folded(
        [
            fill(lives[0], "1", "1", "1"),
            fill(lives[1], "2", "1", "1", mode=TradingMode.PAPER),
            fill(lives[2], "3", "1", "1", strategy=StrategyId("op-local")),
            fill(lives[3], "4", "1", "1", symbol=Symbol("ETHUSDT")),
        ]
    )

    assert [amounts(one, "book", "quantity") for one in positions.by_key.values()] == [
        (Book.LIVE, 1),
        (Book.PAPER, 1),
        (Book.LIVE, 1),
        (Book.LIVE, 1),
    ]


def test_trickle_and_live_are_one_book() -> None:
    """B1: what was bought in trickle is held in live."""
    one, two = Life("one"), Life("two")
    position = only(
        folded([fill(one, "1", "1", "1", mode=TradingMode.TRICKLE), fill(two, "2", "1", "1")])
    )

    assert amounts(position, "book", "quantity") == (Book.LIVE, 2)


def test_an_average_gives_way_to_its_trades() -> None:
    """R4: a question's average, then the trades it was made of: counted once, at their prices."""
    life = Life(quantity=_D(3))
    average = fill(life, "", "3", "3", price=_D("10.3333333333"))
    trades = [
        fill(life, "1", "1", "1", price=_D(10)),
        fill(life, "2", "2", "3", price=_D("10.5"), commission=_D(1)),
    ]

    for events in ([average, *trades], [*trades, average], [trades[1], average, trades[0]]):
        position = only(folded([life.claimed(), *events]))
        assert amounts(position) == (3, -31)
        assert position.fees == {"BNB": 1}
    partly = only(folded([average, trades[0]]))
    assert amounts(partly) == (3, -3 * _D("10.3333333333"))


def test_a_cumulative_quantity_counts_before_its_trades_are_told() -> None:
    """R4: the second trade says how much was traded; the first may come later."""
    life = Life(quantity=_D(1))
    second = fill(life, "2", "0.2", "0.5", price=_D(11))
    first = fill(life, "1", "0.3", "0.3", price=_D(10))

    position = only(folded([second]))
    assert amounts(position) == (_D("0.5"), _D("-5.5"))
    position = only(folded([second, first]))
    assert amounts(position) == (_D("0.5"), _D("-5.2"))


def test_what_only_the_end_tells_is_worth_its_limit() -> None:
    """R5: a cancel's reply says that 0.3 traded, and no trade was told of."""
    life = Life(quantity=_D(1))
    positions = folded([life.claimed(), life.acked(), life.cancelled("0.3")])

    assert amounts(only(positions)) == (_D("0.3"), -3)
    fold_positions(positions, fill(life, "1", "0.3", "0.3", price=_D(9)), NOW_NS)
    assert amounts(only(positions)) == (_D("0.3"), _D("-2.7"))


def test_what_traded_at_no_known_price_is_said() -> None:
    """B5: a market order's end tells a quantity and no price; it is counted, and named."""
    life = Life(quantity=_D(1))
    positions = folded([replace(life.claimed(), price=None), life.expired("0.3")])

    assert only(positions).quantity == _D("0.3")
    assert positions.unpriced == {life.client_order_id}
    fold_positions(positions, fill(life, "1", "0.3", "0.3"), NOW_NS + 2 * MEMORY_NS)
    assert positions.unpriced == set()


def test_a_fill_after_the_end_still_counts() -> None:
    """R5: evidence is always applied: a fill after a rejection, a denial, a cancel."""
    for end in (Life().rejected(), Life().denied(), Life().cancelled()):
        life = Life()
        position = only(folded([life.claimed(), end, fill(life, "1", "1", "1")]))
        assert position.quantity == 1


def test_orders_that_are_over_are_forgotten_and_positions_are_not() -> None:
    """Memory is bounded by what may still come, not by what was."""
    positions = Positions()
    for number in range(50):
        life = Life(f"o{number}")
        at_ns = NOW_NS + number * MEMORY_NS // 10
        fold_positions(positions, life.claimed(), at_ns)
        fold_positions(positions, fill(life, str(number), "1", "1"), at_ns)
        refused = Life(f"r{number}")
        fold_positions(positions, refused.claimed(), at_ns)
        fold_positions(positions, refused.not_sent(Reason.KILL_SWITCH_ACTIVE), at_ns)

    assert only(positions).quantity == 50
    assert len(positions.orders) <= 12


def test_what_is_told_again_long_after_the_end_changes_nothing() -> None:
    """R4: the trades of yesterday, told again on a reconnect; only what is beyond them counts."""
    life = Life(quantity=_D(2))
    trades = [fill(life, "1", "1", "1"), fill(life, "2", "1", "2")]
    positions = folded([life.claimed(), *trades])
    later = NOW_NS + 100 * MEMORY_NS
    for event in [*trades, life.filled("2", "2")]:
        assert fold_positions(positions, event, later) is None
    assert not positions.orders

    fold_positions(positions, fill(life, "3", "0.5", "2.5", price=_D(12)), later)
    assert amounts(only(positions)) == (_D("2.5"), _D(-26))
    for days in (1, 3):
        fold_positions(positions, Life("other").acked(), later + days * SETTLED_NS)
    assert not positions.settled


_ORDERS: Final = [Life(f"p{number}", quantity=_D(10)) for number in range(3)]
_AMOUNTS: Final = st.decimals("0.00000001", "100", places=8)
_MODES: Final = st.sampled_from(list(TradingMode))


@st.composite
def histories(draw: st.DrawFn) -> list[OrderFilled]:
    """Draw the executions of a few orders, told as trades, averages, or both."""
    events: list[OrderFilled] = []
    for number, life in enumerate(_ORDERS):
        side, mode = draw(st.sampled_from(list(Side))), draw(_MODES)
        cumulative = quote = _D(0)
        for trade in range(draw(st.integers(0, 4))):
            quantity, price = draw(_AMOUNTS), draw(_AMOUNTS)
            cumulative += quantity
            quote += quantity * price
            about: dict[str, Any] = {
                "side": side,
                "mode": mode,
                "price": price,
                "commission": quantity,
                "order_quantity": _D(400),
            }
            events.append(fill(life, f"{number}-{trade}", str(quantity), str(cumulative), **about))
            if draw(st.booleans()):
                average = (quote / cumulative).quantize(_D("1e-10"))
                about |= {"price": average, "commission": _D(0)}
                events.append(fill(life, "", str(cumulative), str(cumulative), **about))
    return events


@given(histories())
def test_fills_are_conserved(events: list[OrderFilled]) -> None:
    """
    N: the sum of all trades is the position, and what was paid for them its cash, exactly.

    Fault O4.
    """
    expected: dict[Book, tuple[Decimal, Decimal]] = {}
    for event in events:
        if event.trade_id:
            sign = 1 if event.side is Side.BUY else -1
            quantity, cash = expected.get(BOOK_OF[event.mode], (_D(0), _D(0)))
            expected[BOOK_OF[event.mode]] = (
                quantity + sign * event.quantity,
                cash - sign * event.quantity * event.price,
            )

    found = {one.book: (one.quantity, one.cash) for one in folded(events).by_key.values()}

    assert found == expected
    for position in folded(events).by_key.values():
        assert position.realised == position.cash + position.cost


@given(histories().flatmap(lambda e: st.tuples(st.just(e), st.permutations(e))))
def test_any_order_of_fills_gives_the_same(
    events: tuple[list[OrderFilled], Sequence[OrderFilled]],
) -> None:
    """R4, fault V5: quantity, money and fees do not depend on the order in which fills are told."""
    straight, mixed = events

    assert told(folded(mixed)) == told(folded(straight))


@given(histories(), st.integers(0, 30), st.integers(1, 3))
def test_a_repetition_changes_nothing(events: list[OrderFilled], cut: int, times: int) -> None:
    """R4, fault V5: a fill told again, by trade id or by cumulative quantity, moves nothing."""
    positions = folded(events)

    for event in events[cut:] * times:
        assert fold_positions(positions, event, NOW_NS) is None
    assert told(positions) == told(folded(events))


@given(st.lists(events_of(OrderFilled), max_size=5))
def test_no_numbers_end_a_reader(events: list[OrderFilled]) -> None:
    """H5: what nobody can mean is counted and not applied."""
    positions = folded(events)

    assert positions.absurd + len(positions.orders) <= len(events)


@given(histories())
def test_kept_and_read_again_it_is_the_same(events: list[OrderFilled]) -> None:
    """R8: positions survive being kept on disk."""
    adapter, positions = TypeAdapter(Positions), folded(events)

    assert adapter.validate_json(adapter.dump_json(positions)) == positions


@pytest.mark.parametrize("digits", [46, 60])
def test_amounts_of_too_many_digits_are_not_applied(digits: int) -> None:
    """H5: sums stay exact because such an amount never gets into one."""
    quantity = "1." + "1" * (digits - 1)

    positions = folded([fill(Life(), "1", quantity, quantity)])

    assert positions.absurd == 1
    assert not positions.by_key
