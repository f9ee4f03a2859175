"""
What accounts and strategies are worth: `risk.equity`.
"""

from decimal import Decimal
from typing import Literal

from spark.events.parts import event
from spark.names import AccountId, Book


@event
class Equity:
    """Worth of one strategy or account: its capital plus what was won or lost, marked."""

    equity_usd: Decimal
    #: The highest of the last 24 h, this one included.
    peak_usd: Decimal
    #: What it was given to trade with; part of both.
    capital_usd: Decimal


@event
class EquityMarked:
    """One account's equity, by the sentinel, about once a second."""

    type: Literal["equity_marked"] = "equity_marked"
    v: Literal[1] = 1
    account: AccountId
    #: Which orders count: paper is never mixed with live.
    book: Book
    total: Equity
    #: By strategy.
    strategies: dict[str, Equity]
    marked_ns: int
