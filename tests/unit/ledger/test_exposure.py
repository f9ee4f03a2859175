"""Exposure: a sum over a map by order id, of the worst case of each (B5, R5)."""

from dataclasses import replace
from decimal import Decimal

import pytest

from spark.ledger.exposure import Entry, Exposure, Total, worst_case
from spark.ledger.fold import Order
from spark.ledger.rates import ACCOUNT_SCOPE
from spark.names import Book, ClientOrderId, IntentId, OrderState, Side, TradingMode
from tests.made import ACCOUNT, NOW_NS, SECOND_NS, STRATEGY, SYMBOL

ID = ClientOrderId("spk1")
ENTRY = Entry(
    strategy=STRATEGY,
    symbol=SYMBOL,
    side=Side.BUY,
    book=Book.LIVE,
    quantity=Decimal(3),
    worth_usd=Decimal(100),
    open_usd=Decimal(100),
)


def order(state: OrderState, filled: str = "0", mode: TradingMode = TradingMode.LIVE) -> Order:
    return Order(
        client_order_id=ID,
        intent_id=IntentId("one"),
        account=ACCOUNT,
        strategy=STRATEGY,
        symbol=SYMBOL,
        mode=mode,
        state=state,
        side=Side.BUY,
        filled=Decimal(filled),
    )


def approved() -> Exposure:
    made = Exposure()
    # Twice: an approval that is folded again counts once.
    for _ in range(2):
        made.approve(ID, replace(ENTRY))
    return made


def total(of: Exposure, scope: str = ACCOUNT_SCOPE, book: Book = Book.LIVE) -> Total:
    return of.total(book, scope, SYMBOL)


@pytest.mark.parametrize(
    ("state", "filled", "buys", "position", "count"),
    [
        (OrderState.CLAIMED, "0", "100", "0", 1),
        (OrderState.UNKNOWN, "0", "100", "0", 1),
        (OrderState.SUBMITTED, "0", "100", "0", 1),
        (OrderState.PARTIALLY_FILLED, "1", "66.66666667", "1", 1),
        (OrderState.PARTIALLY_FILLED, "2.5", "16.66666667", "2.5", 1),
        (OrderState.FILLED, "3", "0", "3", 0),
        (OrderState.CANCELLED, "1", "0", "1", 0),
        (OrderState.REJECTED, "0", "0", "0", 0),
        (OrderState.NOT_FOUND, "0", "0", "0", 0),
    ],
)
def test_what_may_still_trade_counts_and_what_traded_is_the_position(
    state: OrderState, filled: str, buys: str, position: str, count: int
) -> None:
    """B5: open, in flight and unknown at their worst, rounded up; the rest is held."""
    made = approved()
    # Twice: saying a thing again changes nothing (R5).
    for _ in range(2):
        made.see(order(state, filled), NOW_NS)
    for scope in (ACCOUNT_SCOPE, STRATEGY):
        found = total(made, scope)
        assert (found.buys_usd, found.position) == (Decimal(buys), Decimal(position))
        assert made.open_orders(Book.LIVE, scope) == count


def test_evidence_reopens_what_was_denied() -> None:
    """R5: after "not found" comes an ack: the order counts again, once."""
    made = approved()
    made.see(order(OrderState.NOT_FOUND), NOW_NS)
    made.see(order(OrderState.SUBMITTED), NOW_NS + SECOND_NS)
    assert total(made).buys_usd == 100
    assert made.open_orders(Book.LIVE, ACCOUNT_SCOPE) == 1
    made.see(order(OrderState.CANCELLED), NOW_NS + 2 * SECOND_NS)
    assert total(made).buys_usd == 0


def test_a_fill_of_an_order_that_is_over_is_held() -> None:
    """R5: a fill after the end updates the position, however odd."""
    made = approved()
    made.see(order(OrderState.CANCELLED), NOW_NS)
    made.see(order(OrderState.FILLED, "3"), NOW_NS)
    assert total(made).position == 3


def test_paper_is_never_mixed_with_live() -> None:
    """A10: what was bought on paper is not held."""
    made = Exposure()
    made.see(order(OrderState.FILLED, "3", TradingMode.PAPER), NOW_NS)
    assert total(made).position == 0
    assert total(made, book=Book.PAPER).position == 3


@pytest.mark.parametrize(
    ("position", "buys", "sells", "side", "expected"),
    [
        ("0", "0", "0", Side.BUY, "50"),
        ("2", "30", "0", Side.BUY, "100"),
        ("2", "30", "70", Side.SELL, "100"),
        ("2", "0", "0", Side.SELL, "30"),
        ("-2", "0", "70", Side.SELL, "140"),
        ("-2", "0", "0", Side.BUY, "30"),
    ],
)
def test_everything_on_one_side_trades_and_nothing_on_the_other(
    position: str, buys: str, sells: str, side: Side, expected: str
) -> None:
    """B5: the worse of the two; an order that takes risk away makes nothing worse."""
    found = Total(Decimal(buys), Decimal(sells), Decimal(position))
    worst = worst_case(found, side, Decimal(50), price_usd=Decimal(10))
    assert worst == Decimal(expected)
