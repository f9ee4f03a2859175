"""A position over its trades."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.ledger.holdings import Holding, trade
from spark.names import Side

B, S = Side.BUY, Side.SELL
Trades = list[tuple[Side, str, str]]


def after(trades: Trades) -> tuple[Holding, list[Decimal | None]]:
    holding, pnls = Holding(), list[Decimal | None]()
    for side, quantity, price in trades:
        holding, pnl = trade(holding, side, quantity=Decimal(quantity), price=Decimal(price))
        pnls.append(pnl)
    return holding, pnls


@pytest.mark.parametrize(
    ("trades", "expected", "pnl"),
    [
        ([(B, "1", "10")], ("1", "10", "0"), None),
        ([(B, "1", "10"), (B, "3", "14")], ("4", "13", "0"), None),
        ([(B, "2", "10"), (S, "1", "13")], ("1", "10", "3"), "3"),
        ([(B, "2", "10"), (S, "2", "9")], ("0", None, "-2"), "-2"),
        ([(B, "1", "10"), (S, "3", "12")], ("-2", "12", "2"), "2"),
        ([(S, "2", "10"), (B, "1", "7")], ("-1", "10", "3"), "3"),
        ([(S, "1", "10"), (S, "1", "20")], ("-2", "15", "0"), None),
        ([(S, "1", "10"), (B, "2", "11")], ("1", "11", "-1"), "-1"),
    ],
    ids=["open", "add", "reduce", "close", "turn", "cover", "add-short", "turn-short"],
)
def test_a_trade_opens_or_realises(
    trades: Trades, expected: tuple[str, str | None, str], pnl: str | None
) -> None:
    """D1: quantity, average price and realised profit; null where a trade only opens."""
    quantity, average, realised = expected
    holding, pnls = after(trades)
    assert holding == Holding(
        Decimal(quantity), None if average is None else Decimal(average), Decimal(realised)
    )
    assert pnls[-1] == (None if pnl is None else Decimal(pnl))


_AMOUNTS = st.decimals(min_value="0.00000001", max_value="1000000", places=8)


@given(st.lists(st.tuples(st.sampled_from(list(Side)), _AMOUNTS, _AMOUNTS), max_size=12))
def test_cash_and_quantity_are_conserved(trades: list[tuple[Side, Decimal, Decimal]]) -> None:
    """What was paid less what was received is the open worth less the profit."""
    holding, paid, held = Holding(), Decimal(0), Decimal(0)
    for side, quantity, price in trades:
        holding, _ = trade(holding, side, quantity=quantity, price=price)
        sign = 1 if side is B else -1
        paid += sign * quantity * price
        held += sign * quantity
    assert holding.quantity == held
    assert (holding.average_price is None) == (held == 0)
    open_worth = (holding.average_price or Decimal(0)) * holding.quantity
    assert abs(open_worth - holding.realised_pnl - paid) < Decimal("1e-9")
