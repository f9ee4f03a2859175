"""
Private frames of the stream, as news of the account. Pure.

After a login they come without a subscription. Most carry no time and a match no id, so
that they tell that something happened; the account's own questions tell what (trap 23).

Source: docs.btcturk.com websocket-feed; facts: exchanges.md §1.9.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from spark.errors import WireError
from spark.exchanges.btcturk.unconfirmed import Unconfirmed
from spark.exchanges.btcturk.wire import (
    amount,
    decode_exact,
    folded,
    identifier,
    milliseconds,
    text_or_empty,
)
from spark.exchanges.btcturk.wire_account import fill
from spark.exchanges.btcturk.wire_frames import (
    HELLO,
    LOGIN,
    Hello,
    LoginReply,
    envelope,
    hello,
    login_reply,
)
from spark.exchanges.fields import (
    Object,
    flag,
    text,
    whole,
)
from spark.exchanges.port import BalancesChanged, FillSeen, News, OrderSeen
from spark.ids import is_ours
from spark.names import Side, Symbol, VenueOrderState

_BALANCE_UPDATED: Final = 201
_USER_TRADE: Final = 423
_USER_MATCH: Final = 441
_ORDER_INSERTED: Final = 451
_ORDER_DELETED: Final = 452
_ORDER_UPDATED: Final = 453
_ORDERS: Final = frozenset({_ORDER_INSERTED, _ORDER_DELETED, _ORDER_UPDATED})
_MARKET: Final = 1
_NS_PER_MS: Final = 1_000_000
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a frame came, by our clock, and how to read what the documents leave open."""

    at_ns: int
    unconfirmed: Unconfirmed


def private_frame(frame: bytes | str, arrival: Arrival) -> Hello | LoginReply | tuple[News, ...]:
    """
    Read one frame of the private stream; one that is no news of the account gives none.

    Raises:
        WireError: any other input.

    """
    kind, model = envelope(decode_exact(frame))
    if kind == HELLO:
        return hello(model)
    if kind == LOGIN:
        return login_reply(model)
    fields = folded(model, "a model")
    if kind == _BALANCE_UPDATED:
        return (_changed(arrival),)
    if kind == _USER_TRADE:
        return (fill(fields),)
    if kind == _USER_MATCH:
        return (_match(fields, arrival),)
    return (_order(kind, fields, arrival),) if kind in _ORDERS else ()


def _changed(arrival: Arrival) -> BalancesChanged:
    return BalancesChanged(balances=(), exchange_ns=arrival.at_ns)


def _match(fields: Object, arrival: Arrival) -> FillSeen:
    time_field = arrival.unconfirmed.match_time_field.lower()
    return FillSeen(
        symbol=Symbol(_pair(fields)),
        # It has none, nor a fee: the account's trades tell both later.
        trade_id="",
        exchange_order_id=identifier(fields, "id"),
        client_order_id=text_or_empty(fields, "clientid"),
        side=Side.BUY if flag(fields, "isbid") else Side.SELL,
        quantity=amount(fields, "amount"),
        price=amount(fields, "price"),
        commission=_ZERO,
        commission_asset="",
        exchange_ns=(
            milliseconds(fields, time_field) * _NS_PER_MS if time_field else arrival.at_ns
        ),
    )


def _order(kind: int, fields: Object, arrival: Arrival) -> News:
    client_order_id = text_or_empty(fields, "neworderclientid")
    if not (is_ours(client_order_id) or arrival.unconfirmed.is_order_type_trusted):
        # Funds were locked or released; which order it was, and its side, REST tells.
        return _changed(arrival)
    quantity, left = amount(fields, "amount"), amount(fields, "numleft")
    if left > quantity:
        raise WireError(f"an order of {quantity} has {left} left")
    is_buy = whole(fields, "ordertype") == arrival.unconfirmed.order_type_of_buy
    return OrderSeen(
        symbol=Symbol(_pair(fields)),
        exchange_order_id=identifier(fields, "id"),
        client_order_id=client_order_id,
        side=Side.BUY if is_buy else Side.SELL,
        state=_state(kind, quantity, left),
        quantity=quantity,
        filled=quantity - left,
        quote_filled=None,
        price=None if whole(fields, "method") == _MARKET else amount(fields, "price"),
        exchange_ns=0,
    )


def _state(kind: int, quantity: Decimal, left: Decimal) -> VenueOrderState:
    if not left:
        # Whether 452 is sent for an order that was filled whole is not certain; what is
        # left of it is.
        return VenueOrderState.FILLED
    if kind == _ORDER_DELETED:
        return VenueOrderState.CANCELLED
    return VenueOrderState.PARTIALLY_FILLED if left < quantity else VenueOrderState.OPEN


def _pair(fields: Object) -> str:
    name = "symbol" if fields.get("symbol") is not None else "pair"
    return text(fields, name).replace("_", "").upper()
