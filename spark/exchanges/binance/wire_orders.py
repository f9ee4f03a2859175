"""
Order requests and the replies that describe orders. Pure.

Requests are parameters in one fixed order, ready to be signed (auth.py).
Source: binance-spot-api-docs rest-api.md "Trading endpoints", "Query order".
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from spark.exchanges.binance.auth import Params
from spark.exchanges.binance.wire import CLIENT_ORDER_ID, amount, plain, word, worth
from spark.exchanges.fields import (
    Object,
    as_list,
    as_object,
    moment_ms,
    text,
    whole,
    wrong,
)
from spark.names import OrderType, Side, TimeInForce

ORDER_PATH: Final = "/api/v3/order"
OPEN_ORDERS_PATH: Final = "/api/v3/openOrders"
ALL_ORDERS_PATH: Final = "/api/v3/allOrders"
#: Rows of one reply; the venue gives no more.
ROWS_MAX: Final = 1_000
_ZERO: Final = Decimal(0)


class VenueStatus(StrEnum):
    """An order's status in the venue's words."""

    NEW = "NEW"
    PENDING_NEW = "PENDING_NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    PENDING_CANCEL = "PENDING_CANCEL"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"


class VenueSide(StrEnum):
    """A side in the venue's words."""

    BUY = "BUY"
    SELL = "SELL"


class Stamp(NamedTuple):
    """When a request was made, by the venue's clock, and how long it is good."""

    timestamp_ms: int
    recv_window_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A new order."""

    symbol: str
    side: Side
    order_type: OrderType
    #: None exactly for market orders.
    time_in_force: TimeInForce | None
    quantity: Decimal
    #: None exactly for market orders.
    price: Decimal | None
    client_order_id: str


def place_params(order: Place, stamp: Stamp) -> Params:
    """Return the parameters of `POST /api/v3/order`; the reply then lists fills."""
    is_market = order.order_type is OrderType.MARKET
    assert is_market == (order.price is None), "a price stands exactly in limit orders"
    assert is_market == (order.time_in_force is None), "so does a time in force"
    params = [
        ("symbol", order.symbol),
        ("side", order.side.upper()),
        ("type", order.order_type.upper()),
    ]
    if order.time_in_force is not None:
        params.append(("timeInForce", order.time_in_force.upper()))
    params.append(("quantity", plain(order.quantity)))
    if order.price is not None:
        params.append(("price", plain(order.price)))
    params.append(("newClientOrderId", _client_id(order.client_order_id)))
    params.append(("newOrderRespType", "FULL"))
    return (*params, *timing(stamp))


def cancel_params(symbol: str, client_order_id: str, stamp: Stamp) -> Params:
    """Return the parameters of `DELETE /api/v3/order`."""
    return _by_client_id(symbol, client_order_id, stamp)


def query_params(symbol: str, client_order_id: str, stamp: Stamp) -> Params:
    """Return the parameters of `GET /api/v3/order`."""
    return _by_client_id(symbol, client_order_id, stamp)


def query_by_id_params(symbol: str, order_id: int, stamp: Stamp) -> Params:
    """Return the parameters of `GET /api/v3/order` for an id of the venue's own."""
    return (("symbol", symbol), ("orderId", str(order_id)), *timing(stamp))


def open_orders_params(symbol: str | None, stamp: Stamp) -> Params:
    """Return the parameters of `GET /api/v3/openOrders`; all symbols weigh 80, one 6."""
    return timing(stamp) if symbol is None else (("symbol", symbol), *timing(stamp))


def all_orders_params(
    symbol: str, stamp: Stamp, *, order_id: int | None = None, since_ms: int | None = None
) -> Params:
    """Return the parameters of `GET /api/v3/allOrders`, from an order or a time on; weighs 20."""
    params = [("symbol", symbol)]
    if order_id is not None:
        params.append(("orderId", str(order_id)))
    elif since_ms is not None:
        params.append(("startTime", str(since_ms)))
    return (*params, ("limit", str(ROWS_MAX)), *timing(stamp))


def _by_client_id(symbol: str, client_order_id: str, stamp: Stamp) -> Params:
    return (
        ("symbol", symbol),
        ("origClientOrderId", _client_id(client_order_id)),
        *timing(stamp),
    )


def timing(stamp: Stamp) -> Params:
    """Return the two parameters that every signed request ends with."""
    return (
        ("recvWindow", str(stamp.recv_window_ms)),
        ("timestamp", str(stamp.timestamp_ms)),
    )


def _client_id(value: str) -> str:
    assert CLIENT_ORDER_ID.fullmatch(value), "a client order id that the venue would refuse"
    return value


@dataclass(frozen=True, slots=True)
class Execution:
    """One of an order's trades."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReply:
    """What a place, cancel or query reply, or a list's row, says of one order."""

    symbol: str
    order_id: int
    #: The order's own, also in the reply to a cancel.
    client_order_id: str
    #: Transaction or update time.
    at_ms: int
    #: None where the venue only acknowledged.
    progress: "Progress | None"
    #: Empty in replies that do not list trades.
    executions: tuple[Execution, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an order is."""

    status: VenueStatus
    side: Side
    price: Decimal
    quantity: Decimal
    executed: Decimal
    #: Quote asset paid or got for what was executed.
    quote_executed: Decimal
    #: In the venue's words, some of which no order of ours has; empty where it says none.
    order_type: str = ""
    time_in_force: str = ""


def order_reply(value: object) -> OrderReply:
    """
    Read one order from a decoded reply.

    Raises:
        WireError: not an order.
    """
    fields = as_object(value, "an order")
    # A cancel's `clientOrderId` names the cancel; the order's stands beside it.
    own_id = "origClientOrderId" if "origClientOrderId" in fields else "clientOrderId"
    return OrderReply(
        symbol=text(fields, "symbol"),
        order_id=whole(fields, "orderId"),
        client_order_id=text(fields, own_id),
        at_ms=moment_ms(fields, "transactTime" if "transactTime" in fields else "updateTime"),
        progress=_progress(fields) if "status" in fields else None,
        executions=tuple(
            execution(as_object(row, "a fill"), "tradeId")
            for row in as_list(fields.get("fills", []), "fills")
        ),
    )


def _progress(fields: Object) -> Progress:
    side = word(fields, "side", VenueSide)
    executed = amount(fields, "executedQty")
    paid = worth(fields, "cummulativeQuoteQty", executed)
    if paid < _ZERO:
        raise wrong(fields, "cummulativeQuoteQty", "an amount")
    return Progress(
        status=word(fields, "status", VenueStatus),
        side=Side.BUY if side is VenueSide.BUY else Side.SELL,
        price=amount(fields, "price"),
        quantity=amount(fields, "origQty"),
        executed=executed,
        quote_executed=paid,
        order_type=_text_or_empty(fields, "type"),
        time_in_force=_text_or_empty(fields, "timeInForce"),
    )


def _text_or_empty(fields: Object, name: str) -> str:
    return text(fields, name) if name in fields else ""


def execution(fields: Object, id_name: str) -> Execution:
    """Read one trade; its id has another name in each reply. Raises `WireError`."""
    return Execution(
        trade_id=whole(fields, id_name),
        price=amount(fields, "price"),
        quantity=amount(fields, "qty"),
        commission=amount(fields, "commission"),
        commission_asset=text(fields, "commissionAsset"),
    )
