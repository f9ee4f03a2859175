"""
Balances and trades of the account.
"""

from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import WireError
from spark.exchanges.btcturk.wire_account import balances, fills, fills_query, order_fills_query
from spark.exchanges.port import BalanceSeen, FillSeen
from spark.names import Side, Symbol

BALANCE: Final[dict[str, Any]] = {
    "asset": "TRY",
    "assetname": "Lira",
    "balance": "1500.5000000000000001",
    "locked": "500",
    "free": "1000.5000000000000001",
    "orderFund": "500",
    "requestFund": "0",
    "precision": 2,
}
TRADE: Final[dict[str, Any]] = {
    "price": "3842925.0000",
    "numeratorSymbol": "BTC",
    "denominatorSymbol": "TRY",
    "orderType": "sell",
    "orderId": 61912740,
    "orderClientId": None,
    "id": 7,
    "timestamp": 1543996112263,
    "amount": "-0.0100000000000000",
    "preciseAmount": -0.01,
    "fee": "-3.25",
    "tax": "-0.58",
}


def test_balances_keep_every_digit() -> None:
    """Amounts are text with up to 16 decimals."""
    assert balances([BALANCE]) == (
        BalanceSeen(asset="TRY", free=Decimal("1000.5000000000000001"), locked=Decimal(500)),
    )


def test_a_balance_with_a_comma_is_refused() -> None:
    """The documents show a comma once; what it separates nobody knows."""
    with pytest.raises(WireError):
        balances([{**BALANCE, "free": "1,5"}])


def test_an_asset_stands_there_once() -> None:
    """Which of two balances holds nobody can tell."""
    with pytest.raises(WireError):
        balances([BALANCE, BALANCE])


def test_a_sale_has_a_positive_quantity_and_its_cost_is_fee_and_tax() -> None:
    """Amounts of sales and costs are below zero there; here they are what they mean."""
    assert fills([TRADE]) == (
        FillSeen(
            symbol=Symbol("BTCTRY"),
            trade_id="7",
            exchange_order_id="61912740",
            client_order_id="",
            side=Side.SELL,
            quantity=Decimal("0.01"),
            price=Decimal(3842925),
            commission=Decimal("3.83"),
            commission_asset="TRY",
            exchange_ns=1543996112263 * 1_000_000,
        ),
    )


def test_numbers_are_read_as_texts_are() -> None:
    """Older replies carry numbers."""
    numbers = {**TRADE, "amount": Decimal("-0.01"), "fee": 0, "tax": Decimal("-0.0"), "price": 10}
    (seen,) = fills([numbers])
    assert (seen.quantity, seen.price) == (Decimal("0.01"), Decimal(10))
    assert str(seen.commission) == "0"


def test_trades_come_oldest_first() -> None:
    """By time, then by id as a number."""
    rows = [{**TRADE, "id": number} for number in (10, 9)]
    later = {**TRADE, "id": 1, "timestamp": TRADE["timestamp"] + 1}
    assert [one.trade_id for one in fills([later, *rows])] == ["9", "10", "1"]


def test_trades_are_asked_in_milliseconds_or_by_order_alone() -> None:
    """Trap 6: beside `allOrders` in seconds, trades are asked for in ms."""
    assert fills_query("BTCTRY", 1_763_700_000_999_999_999) == (
        "pairSymbol=BTCTRY&startDate=1763700000999"
    )
    assert fills_query("BTCTRY", 0) == "pairSymbol=BTCTRY"
    assert order_fills_query("77") == "orderId=77"


_VALUES: Final = st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.just("-0.01")


@given(st.dictionaries(st.sampled_from(sorted({*BALANCE, *TRADE})), _VALUES))
def test_any_fields_are_read_or_a_typed_error(changes: dict[str, Any]) -> None:
    """Anything in any field: a balance, a trade, or a `WireError`."""
    for read in (balances, fills):
        with suppress(WireError):
            read([{**BALANCE, **TRADE, **changes}])
