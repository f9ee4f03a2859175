"""
Public frames of the stream, and what is said to it. Pure.

A frame is `[type, model]`; it is told by its first element, because one model has no type
of its own. Amounts stay the strings that they are on the wire, checked but not converted.
A book's difference comes with an operation for each level: what is deleted still carries
an amount, which means nothing, so a deletion is told as amount 0 (trap 17).

Source: docs.btcturk.com websocket-feed; facts: exchanges.md §1.9.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from spark.errors import WireError
from spark.exchanges.btcturk.wire import (
    AMOUNT,
    Levels,
    amount_text,
    milliseconds,
    text_or_empty,
)
from spark.exchanges.fields import (
    Object,
    as_list,
    as_object,
    decode,
    encode,
    flag,
    text,
    whole,
)
from spark.quoting import shown

RESULT: Final = 100
LOGIN: Final = 114
SUBSCRIPTION: Final = 151
HELLO: Final = 991

#: Operations on a level: its amount is replaced, it is new, it is gone.
_PUT: Final = frozenset({0, 1})
_GONE: Final = 3
_NOTHING: Final = "0"
_AMOUNTS: Final = re.compile(rf"{AMOUNT.pattern}(?: {AMOUNT.pattern})*")
_TAKER_BUYS: Final = 1


class Hello(NamedTuple):
    """The first frame of a connection: the versions that the server speaks."""

    current: str
    oldest: str


class Result(NamedTuple):
    """The answer to a subscription; a symbol that does not exist is `ok` too (trap 20)."""

    is_ok: bool
    message: str


class LoginReply(NamedTuple):
    """The answer to a login."""

    is_ok: bool
    message: str


class Ticker(NamedTuple):
    """Best prices of one symbol; carries no time, and repeats itself."""

    symbol: str
    bid: str
    bid_quantity: str
    ask: str
    ask_quantity: str
    last: str


class Tickers(NamedTuple):
    """Best prices of every symbol."""

    items: tuple[Ticker, ...]


class Trade(NamedTuple):
    """One public trade."""

    symbol: str
    trade_id: int
    price: str
    quantity: str
    at_ms: int
    #: Whether the taker sold, so that the buyer had been in the book.
    buyer_is_maker: bool


class TradeList(NamedTuple):
    """The last trades, sent once on joining; oldest first as a rule."""

    symbol: str
    items: tuple[Trade, ...]


class BookFull(NamedTuple):
    """A whole book, best first; of `obdiff` it begins a chain of differences."""

    symbol: str
    change_set: int
    bids: Levels
    asks: Levels
    #: `orderbook` counts its change sets by itself.
    channel: str


class BookDifference(NamedTuple):
    """Levels that changed in one step; quantity 0 removes a level."""

    symbol: str
    change_set: int
    bids: Levels
    asks: Levels


class Other(NamedTuple):
    """A frame of a kind that nobody here needs."""

    kind: int


MarketEvent: TypeAlias = (
    Hello
    | Result
    | LoginReply
    | Ticker
    | Tickers
    | Trade
    | TradeList
    | BookFull
    | BookDifference
    | Other
)


def market_frame(frame: bytes | str) -> MarketEvent:
    """
    Read one frame of the public stream.

    Raises:
        WireError: any other input.

    """
    kind, model = envelope(decode(frame))
    read = _READERS.get(kind)
    return Other(kind) if read is None else read(model)


def subscription(channel: str, symbol: str, *, is_join: bool) -> str:
    """Write a frame that joins or leaves one channel of one symbol, in upper case."""
    model = {"type": SUBSCRIPTION, "channel": channel, "event": symbol, "join": is_join}
    return encode([SUBSCRIPTION, model])


def login_frame(model: dict[str, str | int]) -> str:
    """Write a login."""
    return encode([LOGIN, {"type": LOGIN, **model}])


def envelope(value: object) -> tuple[int, Object]:
    """Take a decoded frame apart; raises `WireError`."""
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004  (type and model)
        raise WireError("a frame is not [type, model]")
    kind, model = value
    if type(kind) is not int:
        raise WireError(f"a frame's type is {shown(kind)}")
    return kind, as_object(model, f"the model of {shown(kind)}")


def hello(model: Object) -> Hello:
    """Read 991; raises `WireError`."""
    return Hello(text(model, "current"), text(model, "min"))


def result(model: Object) -> Result:
    """Read 100; raises `WireError`."""
    return Result(flag(model, "ok"), text_or_empty(model, "message"))


def login_reply(model: Object) -> LoginReply:
    """Read the answer to 114; raises `WireError`."""
    return LoginReply(flag(model, "ok"), text_or_empty(model, "message"))


def _ticker(model: Object) -> Ticker:
    return Ticker(
        text(model, "PS"),
        amount_text(model, "B"),
        amount_text(model, "BA"),
        amount_text(model, "A"),
        amount_text(model, "AA"),
        amount_text(model, "LA"),
    )


def _tickers(model: Object) -> Tickers:
    rows = as_list(model.get("items"), "items")
    return Tickers(tuple(_ticker(as_object(row, "a ticker")) for row in rows))


def _trade(model: Object) -> Trade:
    return _trade_of(text(model, "PS"), model)


def _trade_of(symbol: str, model: Object) -> Trade:
    written = text(model, "I")
    if not (written.isascii() and written.isdigit() and len(written) <= 18):  # noqa: PLR2004
        raise WireError(f"I is {shown(written)}, a trade's id is due")
    return Trade(
        symbol,
        int(written),
        amount_text(model, "P"),
        amount_text(model, "A"),
        milliseconds(model, "D"),
        # 0 sell, 1 buy: what the taker did, and not as orders count.
        whole(model, "S") != _TAKER_BUYS,
    )


def _trade_list(model: Object) -> TradeList:
    symbol = text(model, "symbol")
    rows = as_list(model.get("items"), "items")
    return TradeList(symbol, tuple(_trade_of(symbol, as_object(row, "a trade")) for row in rows))


def _book_full(model: Object) -> BookFull:
    return BookFull(
        text(model, "PS"),
        whole(model, "CS"),
        _levels(model, "BO"),
        _levels(model, "AO"),
        text_or_empty(model, "channel"),
    )


def _book_difference(model: Object) -> BookDifference:
    return BookDifference(
        text(model, "PS"), whole(model, "CS"), _changes(model, "BO"), _changes(model, "AO")
    )


def _levels(model: Object, name: str) -> Levels:
    rows = as_list(model.get(name), name)
    try:
        levels = tuple([(row["P"], row["A"]) for row in rows])  # type: ignore[index]
    except (TypeError, KeyError):
        raise WireError(f"{name} is not a list of levels") from None
    return _checked(levels, name)


def _changes(model: Object, name: str) -> Levels:
    rows = as_list(model.get(name), name)
    levels = []
    try:
        for row in rows:
            operation = row["CP"]  # type: ignore[index]
            if operation in _PUT:
                levels.append((row["P"], row["A"]))  # type: ignore[index]
            elif operation == _GONE:
                levels.append((row["P"], _NOTHING))  # type: ignore[index]
            else:
                raise WireError(f"CP is {shown(operation)}, 0, 1 or 3 is due")
    except (TypeError, KeyError):
        raise WireError(f"{name} is not a list of changes") from None
    return _checked(tuple(levels), name)


def _checked(levels: Levels, name: str) -> Levels:
    if not levels:
        return levels
    # One match over all levels: this runs for every level of every difference.
    try:
        joined = " ".join([part for level in levels for part in level])
    except TypeError:
        raise WireError(f"{name} holds what is no amount") from None
    # A blank inside an amount would make two of it, so the blanks are counted.
    if joined.count(" ") != 2 * len(levels) - 1 or not _AMOUNTS.fullmatch(joined):
        raise WireError(f"{name} holds what is no amount")
    return levels


_READERS: Final[dict[int, Callable[[Object], MarketEvent]]] = {
    RESULT: result,
    LOGIN: login_reply,
    401: _tickers,
    402: _ticker,
    421: _trade_list,
    422: _trade,
    431: _book_full,
    432: _book_difference,
    HELLO: hello,
}
