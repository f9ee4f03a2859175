"""
What BTCTurk's documents leave open and nobody has seen on the live exchange. Pure.

Each is the safe reading; who has seen better makes another of these.
Source: facts: exchanges.md §6.
"""

from dataclasses import dataclass
from typing import Final

_UNKNOWN: Final = "unknown"


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


def unconfirmed(stream_buy: str, match_time: str) -> Unconfirmed:
    """
    Read what somebody says to have seen.

    Args:
        stream_buy: `0` or `1`, what a buy is in 45x; `unknown` trusts neither.
        match_time: the name of the time in 441; empty for none.

    """
    if stream_buy == _UNKNOWN:
        return Unconfirmed(match_time_field=match_time)
    return Unconfirmed(
        order_type_of_buy=int(stream_buy), is_order_type_trusted=True, match_time_field=match_time
    )
