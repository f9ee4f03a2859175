"""
Frames of the WebSocket API, as news of the account. Pure.

A cancel's report names the cancel in `c` and the order in `C`; every other report has the
order's own id in `c`. A refusal counts only with a documented reason: a second order under
an id that is taken is refused too, and that says nothing of the first.

Source: binance-spot-api-docs user-data-stream.md, web-socket-api.md "Response format".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from spark.exchanges.binance.auth import SecretKey, signed_message
from spark.exchanges.binance.wire import amount, signed_amount
from spark.exchanges.binance.wire_account import price_of, quote_of, side_of, state_of
from spark.exchanges.binance.wire_orders import Stamp
from spark.exchanges.fields import (
    Object,
    as_list,
    as_object,
    decode,
    encode,
    moment_ms,
    signed_whole,
    text,
    whole,
)
from spark.exchanges.port import (
    BalancesChanged,
    BalanceSeen,
    FillSeen,
    FundsMoved,
    News,
    OrderSeen,
)
from spark.names import Symbol, VenueOrderState

#: Numbers of our requests on a connection: each has one answer.
LOGIN_ID: Final = 1
STATUS_ID: Final = 2
_SUBSCRIBE: Final = "userDataStream.subscribe.signature"
_OK: Final = 200
_WEIGHT: Final = "REQUEST_WEIGHT"
_TRADE: Final = "TRADE"
_REASONS: Final = frozenset(
    {
        "INSUFFICIENT_BALANCES",
        "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
        "WOULD_MATCH_IMMEDIATELY",
        "OCO_BAD_PRICES",
    }
)
_NS_PER_MS: Final = 1_000_000

STATUS_REQUEST: Final = encode({"id": STATUS_ID, "method": "session.status"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiReply:
    """The answer to one of our requests."""

    #: 0 where the venue could not tell which.
    request_id: int
    #: As in HTTP.
    status: int
    #: Error code; 0 for a success.
    code: int
    #: Milliseconds that the venue asks to stay away.
    retry_after_ms: int
    #: Of this minute; -1 where it is not told.
    weight_used: int
    #: The answer to a status request: whether the stream is there.
    is_subscribed: bool

    @property
    def is_ok(self) -> bool:
        """Whether it was done."""
        return self.status == _OK


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The venue says that nothing more comes."""

    event: str


PrivateFrame: TypeAlias = ApiReply | StreamEnded | tuple[News, ...]


def login_message(key: SecretKey, api_key: str, stamp: Stamp) -> str:
    """Write the request that opens the private stream; weighs 2."""
    params = signed_message(
        key,
        {
            "apiKey": api_key,
            "recvWindow": str(stamp.recv_window_ms),
            "timestamp": str(stamp.timestamp_ms),
        },
    )
    numbers = {name: int(params[name]) for name in ("recvWindow", "timestamp")}
    return encode({"id": LOGIN_ID, "method": _SUBSCRIBE, "params": {**params, **numbers}})


def private_frame(frame: bytes | str) -> PrivateFrame:
    """
    Read one frame; an event that is no news of orders or money gives none.

    Raises:
        WireError: any other input.

    """
    fields = as_object(decode(frame), "a frame")
    if "event" not in fields:
        return _reply(fields)
    event = as_object(fields["event"], "an event")
    kind = text(event, "e")
    if kind in _ENDS:
        return StreamEnded(kind)
    read = _READERS.get(kind)
    return () if read is None else read(event)


def _reply(fields: Object) -> ApiReply:
    status, result = whole(fields, "status"), fields.get("result")
    code = retry_after_ms = 0
    if status != _OK:
        code, retry_after_ms = _error(as_object(fields.get("error"), "error"))
    return ApiReply(
        request_id=0 if fields.get("id") is None else whole(fields, "id"),
        status=status,
        code=code,
        retry_after_ms=retry_after_ms,
        weight_used=_weight(as_list(fields.get("rateLimits", []), "rateLimits")),
        is_subscribed=isinstance(result, dict) and result.get("userDataStream") is True,
    )


def _error(error: Object) -> tuple[int, int]:
    code = signed_whole(error, "code")
    data = error.get("data")
    if not isinstance(data, dict) or "retryAfter" not in data:
        return code, 0
    # A time of the venue's clock, beside what that clock said.
    return code, max(0, whole(data, "retryAfter") - whole(data, "serverTime"))


def _weight(limits: list[object]) -> int:
    for row in limits:
        limit = as_object(row, "a rate limit")
        if text(limit, "rateLimitType") == _WEIGHT:
            return whole(limit, "count")
    return -1


def _report(event: Object) -> tuple[News, ...]:
    is_cancel = bool(text(event, "C"))
    client_order_id = text(event, "C" if is_cancel else "c")
    state = state_of(event, "X")
    if state is VenueOrderState.REJECTED and text(event, "r") not in _REASONS:
        return ()
    filled = amount(event, "z")
    seen = OrderSeen(
        symbol=Symbol(text(event, "s")),
        exchange_order_id=_order_id(event),
        client_order_id=client_order_id,
        side=side_of(event, "S"),
        state=state,
        quantity=amount(event, "q"),
        filled=filled,
        quote_filled=quote_of(event, "Z", filled),
        price=price_of(event, ("p", "o")),
        exchange_ns=moment_ms(event, "T") * _NS_PER_MS,
    )
    if text(event, "x") != _TRADE:
        return (seen,)
    # First what traded, then how the order stands with it.
    return (_fill(event, seen), seen)


def _fill(event: Object, order: OrderSeen) -> FillSeen:
    return FillSeen(
        symbol=order.symbol,
        trade_id=str(whole(event, "t")),
        exchange_order_id=order.exchange_order_id,
        client_order_id=order.client_order_id,
        side=order.side,
        quantity=amount(event, "l"),
        price=amount(event, "L"),
        commission=amount(event, "n"),
        commission_asset=_asset(event),
        exchange_ns=order.exchange_ns,
    )


def _asset(event: Object) -> str:
    """Read the commission's asset; there is none where nothing was taken."""
    return "" if event.get("N") is None else text(event, "N")


def _order_id(event: Object) -> str:
    number = signed_whole(event, "i")
    # What never was an order may have no id.
    return str(number) if number >= 0 else ""


def _position(event: Object) -> tuple[News, ...]:
    rows = [as_object(row, "a balance") for row in as_list(event.get("B"), "B")]
    balances = tuple(
        BalanceSeen(asset=text(row, "a"), free=amount(row, "f"), locked=amount(row, "l"))
        for row in rows
    )
    return (BalancesChanged(balances=balances, exchange_ns=moment_ms(event, "u") * _NS_PER_MS),)


def _moved(event: Object) -> tuple[News, ...]:
    moved = signed_amount(event, "d")
    return (FundsMoved(asset=text(event, "a"), amount=moved, exchange_ns=_at_ns(event)),)


def _locked(event: Object) -> tuple[News, ...]:
    # It moves between free and locked outside of every order: ask.
    return (BalancesChanged(balances=(), exchange_ns=_at_ns(event)),)


def _at_ns(event: Object) -> int:
    return moment_ms(event, "T") * _NS_PER_MS


_READERS: Final[dict[str, Callable[[Object], tuple[News, ...]]]] = {
    "executionReport": _report,
    "outboundAccountPosition": _position,
    "balanceUpdate": _moved,
    "externalLockUpdate": _locked,
}
_ENDS: Final = frozenset({"eventStreamTerminated", "serverShutdown"})
