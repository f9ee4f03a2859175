"""
Market data as it came from the socket: `market.<venue>.<kind>`.
"""

from typing import Literal, TypeAlias

from spark.events.parts import event
from spark.names import Symbol, Venue

#: received_ns, update id, bid, bid quantity, ask, ask quantity (decimals as the venue wrote them).
QuoteRow: TypeAlias = tuple[int, int, str, str, str, str]
#: received_ns, exchange_ns, trade id, price, quantity, 1 where the buyer was the maker.
TradeRow: TypeAlias = tuple[int, int, int, str, str, int]
#: received_ns, exchange_ns, first id, last id, bids [[price, quantity]…], asks.
BookRow: TypeAlias = tuple[
    int, int, int, int, tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]
]


@event
class QuotesReceived:
    """Best bid and ask of one symbol, one row for each change, in the order of the socket."""

    type: Literal["quotes_received"] = "quotes_received"
    v: Literal[1] = 1
    venue: Venue
    symbol: Symbol
    rows: tuple[QuoteRow, ...]


@event
class TradesReceived:
    """Public trades of one symbol."""

    type: Literal["trades_received"] = "trades_received"
    v: Literal[1] = 1
    venue: Venue
    symbol: Symbol
    rows: tuple[TradeRow, ...]


@event
class BooksChanged:
    """Order book differences of one symbol; quantity 0 removes a level."""

    type: Literal["books_changed"] = "books_changed"
    v: Literal[1] = 1
    venue: Venue
    symbol: Symbol
    rows: tuple[BookRow, ...]


@event
class FeedGapped:
    """
    Something of a symbol's data is missing: what came between these two is not on the topic.
    """

    type: Literal["feed_gapped"] = "feed_gapped"
    v: Literal[1] = 1
    venue: Venue
    symbol: Symbol
    #: `quotes`, `trades`, `books`.
    kind: str
    #: `connection_lost`, `mute`, `sequence`, `crossed`, `differs_from_snapshot`, `start`.
    cause: str
    #: Last that was received before, and when the feed went on; local clock, ns.
    last_ns: int
    resumed_ns: int
    #: Sequence numbers before and after, as the venue counts; -1 where it does not.
    last_id: int
    next_id: int
