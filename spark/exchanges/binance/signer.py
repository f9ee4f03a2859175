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

from dataclasses import dataclass
from typing import Final

from spark.events import CancelApproved, OrderApproved
from spark.exchanges.binance.auth import API_KEY_HEADER, Params, SecretKey, signed_query
from spark.exchanges.binance.wire_orders import (
    ORDER_PATH,
    Place,
    Stamp,
    cancel_params,
    place_params,
    query_params,
)
from spark.exchanges.port import Asked, Question, SignedRequest, VenueCannotError

_NS_PER_MS: Final = 1_000_000
_PROCESSING_NS_MAX: Final = 10_000_000_000
#: Public, as long as a real one, and nobody's.
DUMMY_API_KEY: Final = "SparkPublicDummyKeyOpensNothing".ljust(64, "0")
DUMMY_SECRET: Final = b"a public secret that opens nothing"
#: More than the venue watch ever accepts as an uncertainty of the clock.
_CLOCK_ERROR_NS_MAX: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class BinanceKey:
    """One API key; the secret lives inside a keyed object."""

    api_key: str
    secret: SecretKey

    def __repr__(self) -> str:
        return "BinanceKey()"


def dummy_key() -> BinanceKey:
    """Make the key that paper and shadow sign with."""
    return BinanceKey(DUMMY_API_KEY, SecretKey(DUMMY_SECRET))


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
        return self._signed("POST", self._trade, params, exchange_ns=exchange_ns)

    def cancel(
        self, cancel: CancelApproved, exchange_ns: int, *, exchange_order_id: str
    ) -> SignedRequest:
        """Sign a cancel with the trade key; Binance cancels by our own id."""
        del exchange_order_id
        params = cancel_params(cancel.symbol, cancel.client_order_id, self._stamp(exchange_ns))
        return self._signed("DELETE", self._trade, params, exchange_ns=exchange_ns)

    def ask(self, asked: Asked, exchange_ns: int) -> SignedRequest:
        """Sign a question with the read key."""
        if asked.question is not Question.ORDER:
            raise VenueCannotError(asked.question)
        params = query_params(asked.symbol, asked.client_order_id, self._stamp(exchange_ns))
        return self._signed("GET", self._read, params, exchange_ns=exchange_ns)

    def _stamp(self, exchange_ns: int) -> Stamp:
        return Stamp(exchange_ns // _NS_PER_MS, self._recv_window_ms)

    def _signed(
        self, method: str, key: BinanceKey, params: Params, *, exchange_ns: int
    ) -> SignedRequest:
        window_ns = self._recv_window_ms * _NS_PER_MS
        return SignedRequest(
            method=method,
            path=ORDER_PATH,
            query=signed_query(key.secret, params),
            headers={API_KEY_HEADER: key.api_key},
            body="",
            stamp_ns=exchange_ns,
            final_after_ns=exchange_ns + window_ns + _PROCESSING_NS_MAX + _CLOCK_ERROR_NS_MAX,
        )
