"""
Market stream frames and the depth snapshot. Pure.

Amounts stay the strings that they are on the wire, checked but not converted:
they go to the database as text. Events are named tuples, which Python builds
three times as fast as frozen dataclasses; this is the one hot path of a decoder.

Source: binance-spot-api-docs web-socket-streams.md.
"""

import re
from collections.abc import Callable
from itertools import chain
from typing import Final, NamedTuple, TypeAlias

from spark.errors import WireError
from spark.exchanges.binance.wire import AMOUNT, amount_text
from spark.exchanges.fields import (
    Object,
    as_list,
    as_object,
    decode,
    flag,
    text,
    whole,
)
from spark.quoting import shown

DEPTH_PATH: Final = "/api/v3/depth"

Levels: TypeAlias = tuple[tuple[str, str], ...]
_AMOUNTS: Final = re.compile(rf"{AMOUNT.pattern}(?: {AMOUNT.pattern})*")


class BookTicker(NamedTuple):
    """Best bid and ask; carries no time."""

    symbol: str
    update_id: int
    bid: str
    bid_quantity: str
    ask: str
    ask_quantity: str


class Trade(NamedTuple):
    """One public trade."""

    symbol: str
    event_ms: int
    trade_id: int
    price: str
    quantity: str
    trade_ms: int
    buyer_is_maker: bool


class DepthUpdate(NamedTuple):
    """Levels that changed from one update id to another; quantity 0 removes a level."""

    symbol: str
    event_ms: int
    first_id: int
    last_id: int
    bids: Levels
    asks: Levels


class ControlReply(NamedTuple):
    """The reply to SUBSCRIBE or UNSUBSCRIBE; None where it was done."""

    request_id: int
    error: str | None


class ServerShutdown(NamedTuple):
    """The server is about to close the connection."""

    event_ms: int


class DepthSnapshot(NamedTuple):
    """`GET /api/v3/depth`."""

    last_update_id: int
    bids: Levels
    asks: Levels


MarketEvent: TypeAlias = BookTicker | Trade | DepthUpdate | ControlReply | ServerShutdown


def parse_frame(frame: bytes | str) -> MarketEvent:
    """
    Read one frame of a combined stream.

    Raises:
        WireError: any other input.
    """
    fields = as_object(decode(frame), "a frame")
    stream = fields.get("stream")
    if stream is None:
        return _control(fields)
    if not isinstance(stream, str):
        raise WireError("stream is not a string")
    # `btcusdt@depth@100ms` and `btcusdt@depth` carry the same event.
    name = stream.partition("@")[2].partition("@")[0] or stream
    read = _READERS.get(name)
    if read is None:
        raise WireError(f"stream {shown(stream)} was not asked for")
    return read(as_object(fields.get("data"), "data"))


def depth_snapshot(body: bytes) -> DepthSnapshot:
    """
    Read a depth snapshot.

    Raises:
        WireError: any other input.
    """
    fields = as_object(decode(body), "a depth snapshot")
    return DepthSnapshot(
        whole(fields, "lastUpdateId"), _levels(fields, "bids"), _levels(fields, "asks")
    )


def _book_ticker(data: Object) -> BookTicker:
    return BookTicker(
        text(data, "s"),
        whole(data, "u"),
        amount_text(data, "b"),
        amount_text(data, "B"),
        amount_text(data, "a"),
        amount_text(data, "A"),
    )


def _trade(data: Object) -> Trade:
    _expect(data, "trade")
    return Trade(
        text(data, "s"),
        whole(data, "E"),
        whole(data, "t"),
        amount_text(data, "p"),
        amount_text(data, "q"),
        whole(data, "T"),
        flag(data, "m"),
    )


def _depth_update(data: Object) -> DepthUpdate:
    _expect(data, "depthUpdate")
    first_id, last_id = whole(data, "U"), whole(data, "u")
    if first_id > last_id:
        raise WireError(f"a depth update from {first_id} to {last_id}")
    return DepthUpdate(
        text(data, "s"),
        whole(data, "E"),
        first_id,
        last_id,
        _levels(data, "b"),
        _levels(data, "a"),
    )


def _shutdown(data: Object) -> ServerShutdown:
    _expect(data, "serverShutdown")
    return ServerShutdown(whole(data, "E"))


def _control(fields: Object) -> ControlReply:
    if "error" in fields:
        error = as_object(fields["error"], "error")
        return ControlReply(_request_id(fields), text(error, "msg"))
    if "code" in fields:
        # Older form of the same refusal.
        return ControlReply(_request_id(fields), text(fields, "msg"))
    if "result" not in fields or fields["result"] is not None:
        raise WireError("a frame without a stream is the reply to a subscription")
    return ControlReply(whole(fields, "id"), None)


def _request_id(fields: Object) -> int:
    return whole(fields, "id") if fields.get("id") is not None else 0


def _expect(data: Object, event: str) -> None:
    if data.get("e") != event:
        raise WireError(f"event is {shown(data.get('e'))}, {event} is due")


def _levels(fields: Object, name: str) -> Levels:
    rows = as_list(fields.get(name), name)
    if not rows:
        return ()
    # One match over all levels: this runs for every level of every difference.
    try:
        joined = " ".join(chain.from_iterable(rows))  # type: ignore[arg-type]
    except TypeError:
        raise WireError(f"{name} is not a list of [price, quantity]") from None
    is_pairs = {*map(type, rows)} == {list} and {*map(len, rows)} == {2}  # type: ignore[arg-type]
    # A blank inside an amount would make two of it, so the blanks are counted.
    if not (is_pairs and joined.count(" ") == 2 * len(rows) - 1 and _AMOUNTS.fullmatch(joined)):
        raise WireError(f"{name} is not a list of [price, quantity]")
    return tuple(map(tuple, rows))  # type: ignore[arg-type]


_READERS: Final[dict[str, Callable[[Object], MarketEvent]]] = {
    "bookTicker": _book_ticker,
    "trade": _trade,
    "depth": _depth_update,
    "!serverShutdown": _shutdown,
}
