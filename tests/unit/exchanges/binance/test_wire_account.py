"""
The account over REST: its orders, trades, balances and commission.
"""

from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import WireError
from spark.exchanges.binance import wire_account
from spark.exchanges.binance.auth import payload_of
from spark.exchanges.binance.wire_orders import Stamp, VenueStatus, all_orders_params
from spark.exchanges.port import BalanceSeen, FillSeen, OrderSeen
from spark.names import Side, Symbol, VenueOrderState
from tests.unit.exchanges.binance.values import ANY_JSON

STAMP: Final = Stamp(timestamp_ms=5, recv_window_ms=1_000)
TIMED: Final = "&limit=1000&recvWindow=1000&timestamp=5"
#: A row of `allOrders`, as documented.
ORDER: Final[dict[str, Any]] = {
    "symbol": "LTCBTC",
    "orderId": 1,
    "orderListId": -1,
    "clientOrderId": "myOrder1",
    "price": "0.1",
    "origQty": "1.0",
    "executedQty": "0.4",
    "cummulativeQuoteQty": "0.04",
    "status": "PARTIALLY_FILLED",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "BUY",
    "stopPrice": "0.0",
    "icebergQty": "0.0",
    "time": 1499827319559,
    "updateTime": 1499827319560,
    "isWorking": True,
    "origQuoteOrderQty": "0.000000",
}
TRADE: Final[dict[str, Any]] = {
    "symbol": "BNBBTC",
    "id": 28457,
    "orderId": 100234,
    "orderListId": -1,
    "price": "4.00000100",
    "qty": "12.00000000",
    "quoteQty": "48.000012",
    "commission": "10.10000000",
    "commissionAsset": "BNB",
    "time": 1499865549590,
    "isBuyer": True,
    "isMaker": False,
    "isBestMatch": True,
}
RATES: Final = {"maker": "0.001", "taker": "0.002", "buyer": "0.0003", "seller": "0.0004"}
NONE: Final = dict.fromkeys(RATES, "0")
COMMISSION: Final[dict[str, Any]] = {
    "symbol": "BTCUSDT",
    "standardCommission": RATES,
    "specialCommission": NONE,
    "taxCommission": {**NONE, "taker": "0.01"},
    "discount": {"enabledForAccount": True, "discount": "0.75"},
}


def test_an_order_is_read() -> None:
    """A9: an order of the account, with how far it is and since when."""
    assert wire_account.orders([ORDER]) == wire_account.one_order(ORDER)
    (found,) = wire_account.orders([ORDER])
    assert found == OrderSeen(
        symbol=Symbol("LTCBTC"),
        exchange_order_id="1",
        client_order_id="myOrder1",
        side=Side.BUY,
        state=VenueOrderState.PARTIALLY_FILLED,
        quantity=Decimal("1.0"),
        filled=Decimal("0.4"),
        quote_filled=Decimal("0.04"),
        price=Decimal("0.1"),
        exchange_ns=1499827319560_000_000,
    )


@pytest.mark.parametrize("status", VenueStatus)
def test_every_status_has_its_state(status: VenueStatus) -> None:
    """No word of the venue's is without a meaning here."""
    (found,) = wire_account.orders([{**ORDER, "status": status}])
    assert isinstance(found.state, VenueOrderState)


def test_what_the_venue_does_not_know_of_old_orders_is_none() -> None:
    """The documents: a quote below zero is data that is not there; a market order has no price."""
    (old,) = wire_account.orders([{**ORDER, "cummulativeQuoteQty": "-1.0"}])
    (market,) = wire_account.orders([{**ORDER, "type": "MARKET", "price": "0"}])
    assert (old.quote_filled, market.price) == (None, None)


def test_trades_are_read_oldest_first() -> None:
    """A9: each trade has the venue's id, and no client's."""
    found = wire_account.fills([TRADE, {**TRADE, "id": 9, "isBuyer": False}])
    assert [(one.trade_id, one.side) for one in found] == [("9", Side.SELL), ("28457", Side.BUY)]
    assert found[1] == FillSeen(
        symbol=Symbol("BNBBTC"),
        trade_id="28457",
        exchange_order_id="100234",
        client_order_id="",
        side=Side.BUY,
        quantity=Decimal(12),
        price=Decimal("4.000001"),
        commission=Decimal("10.1"),
        commission_asset="BNB",
        exchange_ns=1499865549590_000_000,
    )


def test_balances_are_read() -> None:
    """Balances are exact, by asset; one asset twice contradicts itself."""
    row = {"asset": "BTC", "free": "1.50000000", "locked": "0.1"}
    (found,) = wire_account.balances({"canTrade": True, "balances": [row]})
    assert found == BalanceSeen(asset="BTC", free=Decimal("1.5"), locked=Decimal("0.1"))
    with pytest.raises(WireError, match="twice"):
        wire_account.balances({"balances": [row, row]})


def test_the_commission_is_the_most_that_can_be_taken() -> None:
    """Standard, special and tax parts add up, the dearer side counts, no discount does."""
    assert wire_account.fees(COMMISSION) == (Decimal("0.0014"), Decimal("0.0124"))


def test_questions_name_where_to_begin() -> None:
    """By the venue's own ids where they are known, else by time; a thousand rows at most."""
    trades = wire_account.trades_params
    assert payload_of(trades("A", STAMP)) == f"symbol=A{TIMED}"
    assert payload_of(trades("A", STAMP, since_ms=7)) == f"symbol=A&startTime=7{TIMED}"
    assert payload_of(trades("A", STAMP, from_id=9, since_ms=7)) == f"symbol=A&fromId=9{TIMED}"
    assert payload_of(trades("A", STAMP, order_id=3, since_ms=7)) == f"symbol=A&orderId=3{TIMED}"
    assert payload_of(all_orders_params("A", STAMP, since_ms=7)) == f"symbol=A&startTime=7{TIMED}"
    assert payload_of(all_orders_params("A", STAMP, order_id=3)) == f"symbol=A&orderId=3{TIMED}"
    account = "omitZeroBalances=true&recvWindow=1000&timestamp=5"
    assert payload_of(wire_account.account_params(STAMP)) == account
    commission = "symbol=A&recvWindow=1000&timestamp=5"
    assert payload_of(wire_account.commission_params("A", STAMP)) == commission


_READERS: Final = {
    wire_account.one_order: ORDER,
    wire_account.orders: [ORDER],
    wire_account.fills: [TRADE],
    wire_account.balances: {"balances": [{"asset": "BTC", "free": "1", "locked": "0"}]},
    wire_account.fees: COMMISSION,
}


@pytest.mark.parametrize("read", _READERS)
@given(value=ANY_JSON)
def test_any_json_is_read_or_refused(read: Any, value: object) -> None:  # noqa: ANN401
    """Whatever a reply holds, it is what was asked for or a WireError."""
    try:
        read(value)
    except WireError:
        return


@pytest.mark.parametrize("sample", [ORDER, TRADE], ids=["order", "trade"])
@given(data=st.data(), value=ANY_JSON)
def test_any_value_in_any_field_is_read_or_refused(
    sample: dict[str, Any], data: st.DataObject, value: object
) -> None:
    """The same, one field at a time."""
    row = {**sample, data.draw(st.sampled_from(sorted(sample))): value}
    try:
        wire_account.orders([row]) if sample is ORDER else wire_account.fills([row])
    except WireError:
        return
