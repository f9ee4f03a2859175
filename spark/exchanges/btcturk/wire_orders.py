"""
Order requests, and the replies that describe orders. Pure.

The client's id is `newOrderClientId` in a submit and its reply, and `orderClientId` in
every list (trap 3). Filled is `amount - leftAmount`; there is no average price.

Source: docs.btcturk.com submit-order, open-orders, all-orders, get-single-order, cancel-order.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from spark.errors import WireError
from spark.exchanges.btcturk.wire import (
    CLIENT_ORDER_ID,
    EXCHANGE_ORDER_ID,
    amount,
    folded,
    identifier,
    milliseconds,
    plain,
    text_or_empty,
)
from spark.exchanges.fields import (
    Object,
    as_list,
    encode,
    text,
)
from spark.exchanges.port import OrderSeen
from spark.names import OrderType, Side, Symbol, VenueOrderState
from spark.quoting import shown

ORDER_PATH: Final = "/api/v1/order"
OPEN_ORDERS_PATH: Final = "/api/v1/openOrders"
ALL_ORDERS_PATH: Final = "/api/v1/allOrders"
#: The most that one answer lists.
ALL_ORDERS_MAX: Final = 1000
_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_MARKET: Final = "market"


class VenueStatus(StrEnum):
    """An order's status in the venue's words."""

    UNTOUCHED = "untouched"
    PARTIAL = "partial"
    CLOSED = "closed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A new order."""

    symbol: str
    side: Side
    order_type: OrderType
    #: In the base asset.
    quantity: Decimal
    #: None exactly for market orders.
    price: Decimal | None
    client_order_id: str


def place_body(order: Place) -> str:
    """
    Write the body of `POST /api/v1/order`.

    Raises:
        ValueError: an amount that the venue does not have.

    """
    is_market = order.order_type is OrderType.MARKET
    assert is_market == (order.price is None), "a price stands exactly in limit orders"
    # In a market buy the venue reads the quantity as quote currency to spend (trap 4).
    assert not (is_market and order.side is Side.BUY), "a market buy that a signer refuses"
    assert CLIENT_ORDER_ID.fullmatch(order.client_order_id), "an id that the venue would refuse"
    return encode(
        {
            "pairSymbol": order.symbol,
            "orderMethod": order.order_type.value,
            "orderType": order.side.value,
            "quantity": plain(order.quantity),
            "price": "0" if order.price is None else plain(order.price),
            "newOrderClientId": order.client_order_id,
        }
    )


def cancel_query(exchange_order_id: str) -> str:
    """Write the query of `DELETE /api/v1/order`; the venue does not read the id in a body."""
    assert EXCHANGE_ORDER_ID.fullmatch(exchange_order_id), "an id that the venue never gave"
    return f"id={exchange_order_id}"


def order_path(exchange_order_id: str) -> str:
    """Write the path of one order."""
    assert EXCHANGE_ORDER_ID.fullmatch(exchange_order_id), "an id that the venue never gave"
    return f"{ORDER_PATH}/{exchange_order_id}"


def open_orders_query(symbol: str) -> str:
    """Write the query of `GET /api/v1/openOrders`; all symbols where it is empty."""
    return f"pairSymbol={symbol}" if symbol else ""


def all_orders_query(symbol: str, since_ns: int) -> str:
    """Write the query of `GET /api/v1/allOrders`: its times are seconds, not ms (trap 6)."""
    start = f"&startTime={since_ns // _NS_PER_S}" if since_ns else ""
    return f"pairSymbol={symbol}{start}&limit={ALL_ORDERS_MAX}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What the reply to a place says."""

    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    at_ms: int
    #: `limit`, `market`, or a method that no order of ours has; empty where it says none.
    method: str = ""
    #: None where it says none.
    quantity: Decimal | None = None
    price: Decimal | None = None


def submitted(data: object) -> Submitted:
    """Read the data of a place's reply; raises `WireError`."""
    fields = folded(data, "an order")
    return Submitted(
        order_id=identifier(fields, "id"),
        client_order_id=text(fields, "neworderclientid"),
        symbol=text(fields, "pairsymbol"),
        side=side_of(text(fields, "type")),
        at_ms=milliseconds(fields, "datetime"),
        method=text_or_empty(fields, "method").lower(),
        quantity=_amount_or_none(fields, "quantity"),
        price=_amount_or_none(fields, "price"),
    )


def cancelled(data: object) -> None:
    """Read the data of a cancel's reply, which is nothing: it names no order."""
    del data


def order_seen(data: object) -> OrderSeen:
    """Read one order; raises `WireError`."""
    fields = folded(data, "an order")
    quantity = amount(fields, "amount")
    left = _left(fields, quantity)
    if left > quantity:
        raise WireError(f"an order of {quantity} has {left} left")
    is_market = text(fields, "method").lower() == _MARKET
    return OrderSeen(
        symbol=Symbol(text(fields, "pairsymbol")),
        exchange_order_id=identifier(fields, "id"),
        client_order_id=text_or_empty(fields, "orderclientid"),
        side=side_of(text(fields, "type")),
        state=_state(_status(fields), left),
        quantity=quantity,
        filled=quantity - left,
        quote_filled=None,
        price=None if is_market else amount(fields, "price"),
        # `time` is 0 in open orders.
        exchange_ns=_updated_ms(fields) * _NS_PER_MS,
    )


def one_order(data: object) -> tuple[OrderSeen, ...]:
    """Read `order/{id}`; raises `WireError`."""
    return (order_seen(data),)


def open_orders(data: object) -> tuple[OrderSeen, ...]:
    """Read `openOrders`; raises `WireError`."""
    fields = folded(data, "open orders")
    rows = [*as_list(fields.get("bids"), "bids"), *as_list(fields.get("asks"), "asks")]
    return tuple(order_seen(row) for row in rows)


def all_orders(data: object) -> tuple[OrderSeen, ...]:
    """Read `allOrders`; raises `WireError`."""
    return tuple(order_seen(row) for row in as_list(data, "orders"))


def side_of(word: str) -> Side:
    """Read a side, whatever its case; raises `WireError`."""
    try:
        return Side(word.lower())
    except ValueError:
        raise WireError(f"{shown(word)} is not a side") from None


def _amount_or_none(fields: Object, name: str) -> Decimal | None:
    return None if fields.get(name) is None else amount(fields, name)


def _status(fields: Object) -> VenueStatus:
    word = text(fields, "status")
    try:
        return VenueStatus(word.lower())
    except ValueError:
        raise WireError(f"{shown(word)} is not an order's status") from None


def _left(fields: Object, quantity: Decimal) -> Decimal:
    if fields.get("leftamount") is not None:
        return amount(fields, "leftamount")
    match _status(fields):
        case VenueStatus.UNTOUCHED:
            return quantity
        case VenueStatus.CLOSED:
            return Decimal(0)
        case _:
            raise WireError("an order that is partly done does not say how much is left")


def _state(status: VenueStatus, left: Decimal) -> VenueOrderState:
    match status:
        case VenueStatus.UNTOUCHED:
            return VenueOrderState.OPEN
        case VenueStatus.PARTIAL:
            return VenueOrderState.PARTIALLY_FILLED
        case VenueStatus.CANCELED:
            return VenueOrderState.CANCELLED
        case VenueStatus.CLOSED:
            # A market order stops 5 % away from its first price, whatever is left of it.
            return VenueOrderState.EXPIRED if left else VenueOrderState.FILLED


def _updated_ms(fields: Object) -> int:
    return 0 if fields.get("updatetime") is None else milliseconds(fields, "updatetime")
