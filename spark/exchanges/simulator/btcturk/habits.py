"""
The venue's habits that nobody has confirmed, or that a test wants otherwise: one switch each.

Source: facts known of BTCTurk by its users' reports; broker-api-docs issues 371, 395, 529, 595.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What is in force."""

    #: Refuse a stamp that is not above the last one of its key.
    is_stamp_strict: bool = True
    #: What a fill brought can be spent after so long; until then an order is refused 1122.
    fill_lag_ms: int = 150
    #: A fill is among the transactions after so long.
    transactions_lag_ms: int = 150
    #: A cancel is carried out so long after it was accepted.
    cancel_ms: int = 50
    #: A subscription's whole book comes so long after the answer.
    snapshot_ms: int = 200
    #: Pings of the socket, and how long it goes without a pong.
    ping_ms: int = 15_000
    pong_ms: int = 45_400
    #: The end of an order that is filled is told as a deletion (452) with nothing left.
    is_fill_deleted: bool = True
    #: Fills are told a second time, as a transaction (423).
    is_trade_told: bool = True
