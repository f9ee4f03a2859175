"""
Orders: what is asked, and what is told of them.
"""

from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import WireError
from spark.exchanges.btcturk.wire_orders import (
    Place,
    Submitted,
    all_orders,
    all_orders_query,
    cancel_query,
    one_order,
    open_orders,
    open_orders_query,
    order_path,
    order_seen,
    place_body,
    submitted,
)
from spark.exchanges.port import OrderSeen
from spark.names import OrderType, Side, Symbol, VenueOrderState

REPLY: Final[dict[str, Any]] = {
    "id": 9932534,
    "datetime": 1543996112263,
    "type": "Buy",
    "method": "Limit",
    "price": "20000.00",
    "stopPrice": None,
    "quantity": "0.001",
    "pairSymbol": "BTCTRY",
    "pairSymbolNormalized": "BTC_TRY",
    "newOrderClientId": "spk1",
}
ORDER: Final[dict[str, Any]] = {
    "id": 61912740,
    "price": "3842925",
    "amount": "0.02",
    "quantity": "0.02",
    "stopPrice": "0",
    "pairsymbol": "BTCTRY",
    "pairSymbolNormalized": "BTC_TRY",
    "type": "sell",
    "method": "limit",
    "orderClientId": "spk1",
    "time": 0,
    "updateTime": 1543996112263,
    "status": "Partial",
    "leftAmount": "0.015",
}


def placed(**changes: object) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "symbol": "BTCTRY",
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "quantity": Decimal("0.0010"),
        "price": Decimal("3842925.0"),
        "client_order_id": "spk1",
        **changes,
    }
    found: dict[str, Any] = orjson.loads(place_body(Place(**fields)))
    return found


def test_a_place_names_its_client_id_as_the_venue_does() -> None:
    """Trap 3: the field is `newOrderClientId`, in the request and in the reply."""
    assert placed() == {
        "pairSymbol": "BTCTRY",
        "orderMethod": "limit",
        "orderType": "buy",
        "quantity": "0.001",
        "price": "3842925",
        "newOrderClientId": "spk1",
    }
    assert submitted(REPLY) == Submitted(
        order_id="9932534",
        client_order_id="spk1",
        symbol="BTCTRY",
        side=Side.BUY,
        at_ms=1543996112263,
        method="limit",
        quantity=Decimal("0.001"),
        price=Decimal(20_000),
    )


@pytest.mark.parametrize("name", ["method", "price", "quantity"])
def test_an_echo_may_lack_a_term(name: str) -> None:
    """Fault V5: left out, or null, it says nothing; of another form it is no reply."""
    lacking = submitted({key: value for key, value in REPLY.items() if key != name})
    assert lacking == submitted({**REPLY, name: None})
    assert lacking != submitted(REPLY)
    with pytest.raises(WireError):
        submitted({**REPLY, name: ["0.001"]})


@pytest.mark.parametrize("name", ["newClientOrderId", "orderClientId", "clientId"])
def test_another_name_for_the_client_id_is_no_echo(name: str) -> None:
    """Trap 3: a reply without `newOrderClientId` does not say whose order it is."""
    reply = {**REPLY, name: "spk1"}
    del reply["newOrderClientId"]
    with pytest.raises(WireError):
        submitted(reply)


def test_a_market_sale_names_no_price() -> None:
    """A price is not read there; the venue wants a 0."""
    sale = placed(order_type=OrderType.MARKET, side=Side.SELL, price=None)
    assert (sale["orderMethod"], sale["price"]) == ("market", "0")


def test_a_market_buy_is_never_written() -> None:
    """Trap 4: its quantity would be read as quote currency to spend."""
    with pytest.raises(AssertionError):
        placed(order_type=OrderType.MARKET, price=None)


def test_all_orders_are_asked_in_seconds() -> None:
    """Trap 6: `startTime` in seconds and `limit`, or the answer is empty or 1038."""
    query = all_orders_query("BTCTRY", 1_763_700_000_999_999_999)
    assert query == "pairSymbol=BTCTRY&startTime=1763700000&limit=1000"
    assert all_orders_query("BTCTRY", 0) == "pairSymbol=BTCTRY&limit=1000"


def test_one_order_stands_in_the_path_and_a_cancel_in_the_query() -> None:
    """An id in a DELETE's body is not read."""
    assert order_path("77") == "/api/v1/order/77"
    assert cancel_query("77") == "id=77"
    assert (open_orders_query("BTCTRY"), open_orders_query("")) == ("pairSymbol=BTCTRY", "")


def test_an_order_in_a_list_is_told() -> None:
    """Filled is the amount less what is left; `time` is 0 in open orders, so it is not read."""
    assert order_seen(ORDER) == OrderSeen(
        symbol=Symbol("BTCTRY"),
        exchange_order_id="61912740",
        client_order_id="spk1",
        side=Side.SELL,
        state=VenueOrderState.PARTIALLY_FILLED,
        quantity=Decimal("0.02"),
        filled=Decimal("0.005"),
        quote_filled=None,
        price=Decimal(3842925),
        exchange_ns=1543996112263 * 1_000_000,
    )


@pytest.mark.parametrize(
    ("status", "left", "state", "filled"),
    [
        ("Untouched", "0.02", VenueOrderState.OPEN, "0"),
        ("Untouched", None, VenueOrderState.OPEN, "0"),
        ("Partial", "0.01", VenueOrderState.PARTIALLY_FILLED, "0.01"),
        ("Closed", "0", VenueOrderState.FILLED, "0.02"),
        ("Closed", None, VenueOrderState.FILLED, "0.02"),
        ("Closed", "0.01", VenueOrderState.EXPIRED, "0.01"),
        ("Canceled", "0.02", VenueOrderState.CANCELLED, "0"),
        ("canceled", "0.005", VenueOrderState.CANCELLED, "0.015"),
    ],
)
def test_each_status_is_a_state(
    status: str, left: str | None, state: VenueOrderState, filled: str
) -> None:
    """What is left of a closed order was given up by the venue's own rule."""
    seen = order_seen({**ORDER, "status": status, "leftAmount": left})
    assert (seen.state, seen.filled) == (state, Decimal(filled))


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "Unknown"},
        {"status": "Canceled", "leftAmount": None},
        {"leftAmount": "0.03"},
        {"type": "hold"},
        {"id": None},
        {"amount": None},
    ],
)
def test_an_order_that_does_not_add_up_is_refused(changes: dict[str, Any]) -> None:
    """What is not documented is not guessed."""
    with pytest.raises(WireError):
        order_seen({**ORDER, **changes})


def test_lists_are_read_whole() -> None:
    """Open orders come by side, all orders in one list; a client id may be missing."""
    foreign = {**ORDER, "id": 1, "orderClientId": None}
    assert len(open_orders({"asks": [ORDER], "bids": [foreign]})) == 2
    assert [one.client_order_id for one in all_orders([ORDER, foreign])] == ["spk1", ""]
    assert one_order(ORDER) == (order_seen(ORDER),)


_VALUES: Final = st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.just("0.01")


@given(st.dictionaries(st.sampled_from(sorted({*ORDER, *REPLY})), _VALUES))
def test_any_fields_are_an_order_or_a_typed_error(changes: dict[str, Any]) -> None:
    """Anything in any field: an order or a `WireError`."""
    for read in (order_seen, submitted, open_orders, all_orders):
        with suppress(WireError):
            read({**ORDER, **REPLY, "updateTime": 1, **changes})
