"""
Builds and signs BTCTurk requests from approvals. Pure; the signer process owns it.

Two keys (S4): the trade key signs approved places and cancels, the read key signs
questions and the stream's login. A signature covers the key and the stamp alone, so each
stamp is used once and they only grow (R12); who gives the stamps sees to it.

No denial of this venue is ever final, because nothing here finds an order by the client's
id: `final_after_ns` is 0, and the account feed searches.

Paper and shadow sign with a third, the dummy key: its id and its secret stand below for
everybody to read, no exchange has it, so what it signs opens nothing anywhere (S5).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from spark.events import CancelApproved, OrderApproved
from spark.exchanges.btcturk.auth import SecretKey, login_model, signed_headers
from spark.exchanges.btcturk.wire import CLIENT_ORDER_ID, EXCHANGE_ORDER_ID
from spark.exchanges.btcturk.wire_account import (
    BALANCES_PATH,
    FILLS_PATH,
    fills_query,
    order_fills_query,
)
from spark.exchanges.btcturk.wire_frames import login_frame
from spark.exchanges.btcturk.wire_orders import (
    ALL_ORDERS_PATH,
    OPEN_ORDERS_PATH,
    ORDER_PATH,
    Place,
    all_orders_query,
    cancel_query,
    open_orders_query,
    order_path,
    place_body,
)
from spark.exchanges.keyed import ApiKey
from spark.exchanges.port import Asked, Question, SignedRequest, VenueCannotError
from spark.names import OrderType, Side, TimeInForce

_NS_PER_MS: Final = 1_000_000
#: Public, of a real one's form, and nobody's.
DUMMY_API_KEY: Final = "00000000-0000-0000-0000-00000000d0d0"
DUMMY_SECRET: Final = b"YSBwdWJsaWMgc2VjcmV0IHRoYXQgb3BlbnMgbm90aGluZw=="


class BtcturkKey(ApiKey[SecretKey]):
    """One API key of BTCTurk."""

    __slots__ = ()


def dummy_key() -> BtcturkKey:
    """Make the key that paper and shadow sign with."""
    return BtcturkKey(DUMMY_API_KEY, SecretKey(DUMMY_SECRET))


@dataclass(frozen=True, slots=True)
class _Call:
    """A request but for its stamp and signature."""

    method: str
    path: str
    query: str = ""
    body: str = ""


class BtcturkSigner:
    """The OrderSigner of BTCTurk."""

    stamps_increase = True

    def __init__(self, trade: BtcturkKey, read: BtcturkKey) -> None:
        self._trade = trade
        self._read = read

    def __repr__(self) -> str:
        return "BtcturkSigner()"

    def place(self, order: OrderApproved, exchange_ns: int) -> SignedRequest:
        """Sign a place with the trade key."""
        if order.order_type is OrderType.MARKET and order.side is Side.BUY:
            raise VenueCannotError("BTCTurk's market buy spends quote currency (trap 4)")
        if order.time_in_force not in {None, TimeInForce.GTC}:
            raise VenueCannotError(f"BTCTurk has no {order.time_in_force}")
        if not CLIENT_ORDER_ID.fullmatch(order.client_order_id):
            raise VenueCannotError("BTCTurk does not take this client order id")
        asked = Place(
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            quantity=order.quantity,
            price=order.price,
            client_order_id=order.client_order_id,
        )
        try:
            body = place_body(asked)
        except ValueError as error:
            raise VenueCannotError(str(error)) from None
        return _signed(_Call("POST", ORDER_PATH, body=body), self._trade, exchange_ns)

    def cancel(
        self, cancel: CancelApproved, exchange_ns: int, *, exchange_order_id: str
    ) -> SignedRequest:
        """Sign a cancel with the trade key; BTCTurk cancels by its own id alone."""
        del cancel
        query = cancel_query(_known(exchange_order_id))
        return _signed(_Call("DELETE", ORDER_PATH, query), self._trade, exchange_ns)

    def ask(self, asked: Asked, exchange_ns: int) -> SignedRequest:
        """Sign a question, or a login, with the read key."""
        if asked.question is Question.LOGIN:
            return self._login(exchange_ns)
        call = _CALLS.get(asked.question)
        if call is None:
            raise VenueCannotError(f"BTCTurk has no question about {asked.question}")
        return _signed(call(asked), self._read, exchange_ns)

    def _login(self, exchange_ns: int) -> SignedRequest:
        model = login_model(self._read.secret, self._read.api_key, exchange_ns // _NS_PER_MS)
        return SignedRequest(
            method="",
            path="",
            query="",
            headers={},
            body=login_frame(model),
            stamp_ns=exchange_ns,
            final_after_ns=0,
            key=self._read.mark,
        )


def _signed(call: _Call, key: BtcturkKey, exchange_ns: int) -> SignedRequest:
    return SignedRequest(
        method=call.method,
        path=call.path,
        query=call.query,
        headers=signed_headers(key.secret, key.api_key, exchange_ns // _NS_PER_MS),
        body=call.body,
        stamp_ns=exchange_ns,
        final_after_ns=0,
        key=key.mark,
    )


def _order(asked: Asked) -> _Call:
    return _Call("GET", order_path(_known(asked.exchange_order_id)))


def _open_orders(asked: Asked) -> _Call:
    return _Call("GET", OPEN_ORDERS_PATH, open_orders_query(asked.symbol))


def _all_orders(asked: Asked) -> _Call:
    return _Call("GET", ALL_ORDERS_PATH, all_orders_query(asked.symbol, asked.since_ns))


def _fills(asked: Asked) -> _Call:
    # It goes by an order or by a time, and by no trade's id: more than what was asked for
    # comes back, each with its id.
    if asked.exchange_order_id:
        query = order_fills_query(_known(asked.exchange_order_id))
    else:
        query = fills_query(asked.symbol, asked.since_ns)
    return _Call("GET", FILLS_PATH, query)


def _balances(_: Asked) -> _Call:
    return _Call("GET", BALANCES_PATH)


_CALLS: Final[dict[Question, Callable[[Asked], _Call]]] = {
    Question.ORDER: _order,
    Question.OPEN_ORDERS: _open_orders,
    Question.ORDERS: _all_orders,
    Question.FILLS: _fills,
    Question.BALANCES: _balances,
}


def _known(exchange_order_id: str) -> str:
    if not EXCHANGE_ORDER_ID.fullmatch(exchange_order_id):
        raise VenueCannotError("BTCTurk knows an order by its own id, and there is none")
    return exchange_order_id
