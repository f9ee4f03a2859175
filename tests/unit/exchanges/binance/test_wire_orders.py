"""
Order and account requests and replies.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Final
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import WireError
from spark.exchanges.binance.auth import payload_of
from spark.exchanges.binance.wire_orders import (
    Execution,
    Place,
    Progress,
    Stamp,
    VenueStatus,
    cancel_params,
    open_orders_params,
    order_reply,
    place_params,
    query_params,
)
from spark.exchanges.fields import (
    decode,
)
from spark.names import OrderType, Side, TimeInForce

STAMP: Final = Stamp(timestamp_ms=1499827319559, recv_window_ms=1000)
FULL: Final = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "orderListId": -1,
    "clientOrderId": "mine",
    "transactTime": 1507725176595,
    "price": "0.00000000",
    "origQty": "10.00000000",
    "executedQty": "10.00000000",
    "origQuoteOrderQty": "0.000000",
    "cummulativeQuoteQty": "10.00000000",
    "status": "FILLED",
    "timeInForce": "GTC",
    "type": "MARKET",
    "side": "SELL",
    "workingTime": 1507725176595,
    "selfTradePreventionMode": "NONE",
    "fills": [
        {
            "price": "4000.00000000",
            "qty": "1.00000000",
            "commission": "4.00000000",
            "commissionAsset": "USDT",
            "tradeId": 56,
        }
    ],
}


def limit_order() -> Place:
    return Place(
        symbol="BTCUSDT",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal("1E-5"),
        price=Decimal("61800.10"),
        client_order_id="abc-1",
    )


def test_a_limit_order_is_one_exact_text() -> None:
    """Parameters have one order and amounts one spelling, without an exponent."""
    assert payload_of(place_params(limit_order(), STAMP)) == (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.00001&price=61800.10"
        "&newClientOrderId=abc-1&newOrderRespType=FULL&recvWindow=1000&timestamp=1499827319559"
    )


def test_a_market_order_has_neither_price_nor_time_in_force() -> None:
    """The venue refuses both (-1106), so they are not written."""
    order = Place(
        symbol="BTCUSDT",
        side=Side.SELL,
        order_type=OrderType.MARKET,
        time_in_force=None,
        quantity=Decimal(2),
        price=None,
        client_order_id="abc-2",
    )
    assert payload_of(place_params(order, STAMP)) == (
        "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=2"
        "&newClientOrderId=abc-2&newOrderRespType=FULL&recvWindow=1000&timestamp=1499827319559"
    )


#: Bodies that another client was seen to send for spot, but for what is its own: time, window,
#: client id and signature. Source: ccxt (MIT), static request fixtures of binance.
THEIRS: Final = {
    ("LTCUSDT", "0.2", "50"): "symbol=LTCUSDT&side=BUY&newOrderRespType=FULL&type=LIMIT"
    "&quantity=0.2&price=50&timeInForce=GTC",
    ("BTCUSDT", "0.00078", "55000"): "symbol=BTCUSDT&side=BUY&newOrderRespType=FULL&type=LIMIT"
    "&quantity=0.00078&price=55000&timeInForce=GTC",
    ("LTCUSDT", "0.423", "55.32"): "symbol=LTCUSDT&side=BUY&newOrderRespType=FULL&type=LIMIT"
    "&quantity=0.423&price=55.32&timeInForce=GTC",
}


@pytest.mark.parametrize("given_order", THEIRS)
def test_another_client_writes_the_same_order(given_order: tuple[str, str, str]) -> None:
    """Third-party vectors: the same order is the same parameters, in whatever sequence."""
    symbol, quantity, price = given_order
    order = replace(limit_order(), symbol=symbol, quantity=Decimal(quantity), price=Decimal(price))
    own = {"newClientOrderId", "recvWindow", "timestamp"}
    ours = {name: value for name, value in place_params(order, STAMP) if name not in own}
    assert ours == dict(parse_qsl(THEIRS[given_order]))


def test_cancels_and_queries_go_by_client_id() -> None:
    """An order is named by the id that we chose, which exists before any reply."""
    wanted = "symbol=BTCUSDT&origClientOrderId=abc-1&recvWindow=1000&timestamp=1499827319559"
    assert payload_of(cancel_params("BTCUSDT", "abc-1", STAMP)) == wanted
    assert payload_of(query_params("BTCUSDT", "abc-1", STAMP)) == wanted


def test_lists_name_a_symbol_or_none() -> None:
    """Open orders of one symbol weigh 6, of all 80."""
    assert payload_of(open_orders_params("BTCUSDT", STAMP)).startswith("symbol=BTCUSDT&")
    assert payload_of(open_orders_params(None, STAMP)).startswith("recvWindow=")


@pytest.mark.parametrize("client_id", ["", "a" * 37, "a b", "ş", "a&b"])
def test_a_client_id_that_the_venue_refuses_is_a_bug(client_id: str) -> None:
    """Ids are derived by us; one that does not fit must not leave."""
    with pytest.raises(AssertionError):
        cancel_params("BTCUSDT", client_id, STAMP)


def test_a_full_reply_is_read_with_its_trades() -> None:
    """FULL tells status, amounts and each trade."""
    reply = order_reply(FULL)
    assert reply.client_order_id == "mine"
    assert reply.at_ms == 1507725176595
    assert reply.progress == Progress(
        status=VenueStatus.FILLED,
        side=Side.SELL,
        price=Decimal(0),
        quantity=Decimal(10),
        executed=Decimal(10),
        quote_executed=Decimal(10),
        order_type="MARKET",
        time_in_force="GTC",
    )
    assert reply.executions == (Execution(56, Decimal(4000), Decimal(1), Decimal(4), "USDT"),)


def test_a_cancel_reply_names_the_order_not_the_cancel() -> None:
    """In a cancel's reply `clientOrderId` is the cancel's own name."""
    reply = order_reply(
        {
            **FULL,
            "origClientOrderId": "mine",
            "clientOrderId": "the-cancel",
            "status": "CANCELED",
            "fills": [],
        }
    )
    assert reply.client_order_id == "mine"
    assert reply.progress is not None
    assert reply.progress.status is VenueStatus.CANCELED


def test_a_query_reply_carries_the_update_time() -> None:
    """Queries have no transactTime; the last update is the time that counts."""
    row = {key: value for key, value in FULL.items() if key not in ("transactTime", "fills")}
    row |= {"time": 1, "updateTime": 2}
    reply = order_reply(row)
    assert reply.at_ms == 2
    assert reply.executions == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("orderId", "28"),
        ("orderId", True),
        ("orderId", -1),
        ("symbol", None),
        ("status", "SETTLED"),
        ("side", "buy"),
        ("executedQty", 10),
        ("executedQty", "1e5"),
        ("executedQty", "-1"),
        ("executedQty", "NaN"),
        ("transactTime", 1.5),
        ("fills", {}),
        ("fills", [None]),
        ("fills", [{"price": "1"}]),
    ],
)
def test_a_field_of_another_form_is_a_wire_error(field: str, value: object) -> None:
    """H5: nothing is guessed from a reply that the documents do not allow."""
    with pytest.raises(WireError):
        order_reply({**FULL, field: value})


@pytest.mark.parametrize(
    "field", ["symbol", "orderId", "clientOrderId", "price", "origQty", "side"]
)
def test_a_missing_field_is_a_wire_error(field: str) -> None:
    """A reply without one of its fields is not that reply."""
    with pytest.raises(WireError, match="is missing"):
        order_reply({key: value for key, value in FULL.items() if key != field})


def test_fields_of_tomorrow_are_let_through() -> None:
    """Binance adds fields without notice; that must not stop trading."""
    assert order_reply({**FULL, "newField": {"a": 1}}) == order_reply(FULL)


@given(st.binary(max_size=300))
def test_any_bytes_give_an_order_or_a_wire_error(body: bytes) -> None:
    """A decoder raises WireError and nothing else."""
    with pytest.raises(WireError):
        order_reply(decode(body))


@given(st.sampled_from(sorted(FULL)), st.none() | st.booleans() | st.integers() | st.text())
def test_any_value_in_any_field_gives_an_order_or_a_wire_error(field: str, value: object) -> None:
    """The same, one field at a time."""
    try:
        order_reply({**FULL, field: value})
    except WireError:
        return
