"""
What an exchange says of itself, and what things are worth there: `venue.state`, marks.
"""

from decimal import Decimal
from typing import Literal

from spark.events.parts import event
from spark.names import Symbol, Venue


@event
class InstrumentPublished:
    """One symbol's rules as the exchange publishes them."""

    type: Literal["instrument_published"] = "instrument_published"
    v: Literal[1] = 1
    venue: Venue
    symbol: Symbol
    base_asset: str
    quote_asset: str
    is_trading: bool
    #: 0 where the venue has no such rule.
    tick_size: Decimal
    price_min: Decimal
    price_max: Decimal
    step_size: Decimal
    quantity_min: Decimal
    quantity_max: Decimal
    notional_min: Decimal
    published_ns: int


@event
class ClockMeasured:
    """How far the exchange's clock is ahead of ours, and how sure that is."""

    type: Literal["clock_measured"] = "clock_measured"
    v: Literal[1] = 1
    venue: Venue
    offset_ns: int
    uncertainty_ns: int
    measured_ns: int


@event
class Mark:
    """Best bid and ask of a symbol."""

    symbol: Symbol
    bid: Decimal
    ask: Decimal
    #: When its writer learnt it, or learnt that it still holds.
    measured_ns: int


@event
class PricesMarked:
    """
    Prices that guards may use, a sample of what the venue quotes.

    Two principals write it, the feed from its socket and the venue watch from REST, each
    on its own topic: alone neither prices anything (S8).
    """

    type: Literal["prices_marked"] = "prices_marked"
    v: Literal[1] = 1
    venue: Venue
    marks: tuple[Mark, ...]
    marked_ns: int


@event
class Session:
    """One trading day of an exchange that closes."""

    #: `2026-10-28`, local.
    day: str
    opens_ns: int
    closes_ns: int


@event
class SessionsPublished:
    """The next sessions of an exchange; a day that is not listed has none."""

    type: Literal["sessions_published"] = "sessions_published"
    v: Literal[1] = 1
    venue: Venue
    sessions: tuple[Session, ...]
    #: Days from `first_day` to `last_day` are covered, and no other.
    first_day: str
    last_day: str
    published_ns: int
