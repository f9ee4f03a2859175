"""
Builds and signs Binance requests from approvals. Pure; the signer process owns it.

Two keys (S4): the trade key signs approved places and cancels, the read key
signs questions. A signed request is good for `recvWindow` on the exchange's clock
and its denial is final 10 s later, when the exchange's own processing timeout
is over, plus our uncertainty of its clock. Source: rest-api.md "General Info on
Endpoints" (10 s), facts: reliability.md §0 finding 5.

Paper and shadow sign with a third, the dummy key: its id and its secret stand below for
everybody to read, no exchange has it, so what it signs opens nothing anywhere (S5).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from spark.events import CancelApproved, OrderApproved
from spark.exchanges.binance.auth import API_KEY_HEADER, Params, SecretKey, signed_query
from spark.exchanges.binance.wire import CLIENT_ORDER_ID
from spark.exchanges.binance.wire_account import (
    ACCOUNT_PATH,
    COMMISSION_PATH,
    TRADES_PATH,
    account_params,
    commission_params,
    trades_params,
)
from spark.exchanges.binance.wire_orders import (
    ALL_ORDERS_PATH,
    OPEN_ORDERS_PATH,
    ORDER_PATH,
    Place,
    Stamp,
    all_orders_params,
    cancel_params,
    open_orders_params,
    place_params,
    query_by_id_params,
    query_params,
)
from spark.exchanges.binance.wire_private import login_message
from spark.exchanges.keyed import ApiKey
from spark.exchanges.port import Asked, Question, SignedRequest, VenueCannotError

_NS_PER_MS: Final = 1_000_000
#: Of an id that fits in 64 bits.
_ID_DIGITS_MAX: Final = 18
_PROCESSING_NS_MAX: Final = 10_000_000_000
#: From a start the venue lists a day and no more: what came later would be missed.
_WINDOW_MS_MAX: Final = 86_400_000
#: Public, as long as a real one, and nobody's.
DUMMY_API_KEY: Final = "SparkPublicDummyKeyOpensNothing".ljust(64, "0")
DUMMY_SECRET: Final = b"a public secret that opens nothing"
#: More than the venue watch ever accepts as an uncertainty of the clock.
_CLOCK_ERROR_NS_MAX: Final = 1_000_000_000


class BinanceKey(ApiKey[SecretKey]):
    """One API key of Binance."""

    __slots__ = ()


def dummy_key() -> BinanceKey:
    """Make the key that paper and shadow sign with."""
    return BinanceKey(DUMMY_API_KEY, SecretKey(DUMMY_SECRET))


@dataclass(frozen=True, slots=True)
class _Call:
    """A request but for its signature."""

    method: str
    path: str
    params: Params


class BinanceSigner:
    """The OrderSigner of Binance spot."""

    stamps_increase = False

    def __init__(self, trade: BinanceKey, read: BinanceKey, recv_window_ms: int) -> None:
        self._trade = trade
        self._read = read
        self._recv_window_ms = recv_window_ms

    def __repr__(self) -> str:
        return "BinanceSigner()"

    def place(self, order: OrderApproved, exchange_ns: int) -> SignedRequest:
        """Sign a place with the trade key."""
        asked = Place(
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            quantity=order.quantity,
            price=order.price,
            client_order_id=order.client_order_id,
        )
        params = place_params(asked, self._stamp(exchange_ns))
        return self._signed(_Call("POST", ORDER_PATH, params), self._trade, exchange_ns)

    def cancel(
        self, cancel: CancelApproved, exchange_ns: int, *, exchange_order_id: str
    ) -> SignedRequest:
        """Sign a cancel with the trade key; Binance cancels by our own id."""
        del exchange_order_id
        params = cancel_params(cancel.symbol, cancel.client_order_id, self._stamp(exchange_ns))
        return self._signed(_Call("DELETE", ORDER_PATH, params), self._trade, exchange_ns)

    def ask(self, asked: Asked, exchange_ns: int) -> SignedRequest:
        """Sign a question, or a login, with the read key."""
        stamp = self._stamp(exchange_ns)
        if asked.question is Question.LOGIN:
            return self._login(stamp, exchange_ns)
        path, params = _CALLS[asked.question](asked, stamp)
        return self._signed(_Call("GET", path, params), self._read, exchange_ns)

    def _login(self, stamp: Stamp, exchange_ns: int) -> SignedRequest:
        return SignedRequest(
            method="",
            path="",
            query="",
            headers={},
            body=login_message(self._read.secret, self._read.api_key, stamp),
            stamp_ns=exchange_ns,
            final_after_ns=0,
            key=self._read.mark,
        )

    def _stamp(self, exchange_ns: int) -> Stamp:
        return Stamp(exchange_ns // _NS_PER_MS, self._recv_window_ms)

    def _signed(self, call: _Call, key: BinanceKey, exchange_ns: int) -> SignedRequest:
        window_ns = self._recv_window_ms * _NS_PER_MS
        return SignedRequest(
            method=call.method,
            path=call.path,
            query=signed_query(key.secret, call.params),
            headers={API_KEY_HEADER: key.api_key},
            body="",
            stamp_ns=exchange_ns,
            final_after_ns=exchange_ns + window_ns + _PROCESSING_NS_MAX + _CLOCK_ERROR_NS_MAX,
            key=key.mark,
        )


def _order(asked: Asked, stamp: Stamp) -> tuple[str, Params]:
    symbol = _symbol(asked)
    # By our own id first: it is what nothing but our order has.
    if asked.client_order_id:
        if not CLIENT_ORDER_ID.fullmatch(asked.client_order_id):
            raise VenueCannotError("Binance has no order of such a client id")
        return ORDER_PATH, query_params(symbol, asked.client_order_id, stamp)
    number = _number(asked.exchange_order_id)
    if number is None:
        raise VenueCannotError("Binance knows an order by an id, and there is none")
    return ORDER_PATH, query_by_id_params(symbol, number, stamp)


def _open_orders(asked: Asked, stamp: Stamp) -> tuple[str, Params]:
    return OPEN_ORDERS_PATH, open_orders_params(asked.symbol or None, stamp)


def _all_orders(asked: Asked, stamp: Stamp) -> tuple[str, Params]:
    params = all_orders_params(
        _symbol(asked),
        stamp,
        order_id=_number(asked.exchange_order_id),
        since_ms=_since_ms(asked, stamp),
    )
    return ALL_ORDERS_PATH, params


def _fills(asked: Asked, stamp: Stamp) -> tuple[str, Params]:
    known = _number(asked.after_id)
    params = trades_params(
        _symbol(asked),
        stamp,
        order_id=_number(asked.exchange_order_id),
        from_id=None if known is None else known + 1,
        since_ms=_since_ms(asked, stamp),
    )
    return TRADES_PATH, params


def _balances(_: Asked, stamp: Stamp) -> tuple[str, Params]:
    return ACCOUNT_PATH, account_params(stamp)


def _fees(asked: Asked, stamp: Stamp) -> tuple[str, Params]:
    return COMMISSION_PATH, commission_params(_symbol(asked), stamp)


_CALLS: Final[dict[Question, Callable[[Asked, Stamp], tuple[str, Params]]]] = {
    Question.ORDER: _order,
    Question.OPEN_ORDERS: _open_orders,
    Question.ORDERS: _all_orders,
    Question.FILLS: _fills,
    Question.BALANCES: _balances,
    Question.FEES: _fees,
}


def _symbol(asked: Asked) -> str:
    if not asked.symbol:
        raise VenueCannotError(f"Binance answers {asked.question} for one symbol alone")
    return asked.symbol


def _number(venue_id: str) -> int | None:
    if not venue_id:
        return None
    if not (venue_id.isascii() and venue_id.isdigit() and len(venue_id) <= _ID_DIGITS_MAX):
        raise VenueCannotError("Binance's own ids are whole numbers")
    return int(venue_id)


def _since_ms(asked: Asked, stamp: Stamp) -> int | None:
    """Give the time to ask from; None where the newest rows reach further than a window does."""
    since_ms = asked.since_ns // _NS_PER_MS
    return since_ms if stamp.timestamp_ms - since_ms < _WINDOW_MS_MAX else None
