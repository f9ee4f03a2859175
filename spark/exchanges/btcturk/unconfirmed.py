"""
What BTCTurk's documents leave open and nobody has seen on the live exchange. Pure.

Each is the safe reading; who has seen better makes another of these.
Source: facts: exchanges.md §6.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconfirmed:
    """One field for each open point that an adapter has to decide about."""

    #: Which `orderType` in 451, 452 and 453 is a buy. The old REST interface said 0, and
    #: trades say 1 (`S` in 422).
    order_type_of_buy: int = 0
    #: Whether that is to be believed. Where it is not, an order that is not ours is not told
    #: from the stream, only that something changed: REST then names its side in words. Of an
    #: order of ours whoever listens knows the side, and takes that.
    is_order_type_trusted: bool = False
    #: The name of the time in 441, in which newer servers are said to send one; empty to take
    #: the time of arrival.
    match_time_field: str = ""
