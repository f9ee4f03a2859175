"""
The life of one order as a table: (state, what was seen) -> state.

Two sorts of sight. Evidence of the exchange is always applied, however odd: a
fill implies its ack, a fill after the end still moved money (R5). An opinion of
ours that does not fit is impossible, and an error. A pair that is not in the
table is exactly that: `step` raises for opinions, and the tests walk the whole
cross product.

    pending ──► claimed ──► submitted ──► partially_filled ──► filled ──► settled
       │           │             └──────────────┴──► cancelled / expired / rejected
       │           └──► unknown ──► (any of the above, by evidence) / not_found
       └──► rejected / expired / cancelled: it ended before a byte was sent
"""

from enum import StrEnum
from typing import Final

from spark.names import OrderState as State


class Seen(StrEnum):
    """What a record says about an order."""

    # Opinions: ours, possible or not.
    REFUSED = "refused"
    LAPSED = "lapsed"
    DROPPED = "dropped"
    CLAIM = "claim"
    SILENCE = "silence"
    DENIAL = "denial"
    BOOKED = "booked"
    # Evidence: the exchange's, always applied.
    ACK = "ack"
    REJECT = "reject"
    PART_FILL = "part_fill"
    FULL_FILL = "full_fill"
    CANCEL = "cancel"
    EXPIRY = "expiry"


EVIDENCE: Final = frozenset(
    {Seen.ACK, Seen.REJECT, Seen.PART_FILL, Seen.FULL_FILL, Seen.CANCEL, Seen.EXPIRY}
)
#: States that can still change the position.
OPEN: Final = frozenset({State.CLAIMED, State.UNKNOWN, State.SUBMITTED, State.PARTIALLY_FILLED})
#: States in which nothing more is expected.
CLOSED: Final = frozenset(
    {State.FILLED, State.SETTLED, State.REJECTED, State.EXPIRED, State.CANCELLED, State.NOT_FOUND}
)

TABLE: Final[dict[tuple[State, Seen], State]] = {
    # Before the claim: only our own process can end it.
    (State.PENDING, Seen.REFUSED): State.REJECTED,
    (State.PENDING, Seen.LAPSED): State.EXPIRED,
    (State.PENDING, Seen.DROPPED): State.CANCELLED,
    (State.PENDING, Seen.CLAIM): State.CLAIMED,
    # The last check before the first byte may still end a claim (halt, deadline).
    (State.CLAIMED, Seen.REFUSED): State.REJECTED,
    (State.CLAIMED, Seen.LAPSED): State.EXPIRED,
    (State.CLAIMED, Seen.DROPPED): State.CANCELLED,
    # The venue may hold it: reconcile, never resend.
    (State.CLAIMED, Seen.SILENCE): State.UNKNOWN,
    (State.CLAIMED, Seen.ACK): State.SUBMITTED,
    (State.CLAIMED, Seen.REJECT): State.REJECTED,
    # A fill or an end that overtakes its ack implies it (R5).
    (State.CLAIMED, Seen.PART_FILL): State.PARTIALLY_FILLED,
    (State.CLAIMED, Seen.FULL_FILL): State.FILLED,
    (State.CLAIMED, Seen.CANCEL): State.CANCELLED,
    (State.CLAIMED, Seen.EXPIRY): State.EXPIRED,
    # Unknown: left by evidence, or by the exchange's denial after the moment
    # when that is final (Binance only).
    (State.UNKNOWN, Seen.SILENCE): State.UNKNOWN,
    (State.UNKNOWN, Seen.DENIAL): State.NOT_FOUND,
    (State.UNKNOWN, Seen.ACK): State.SUBMITTED,
    (State.UNKNOWN, Seen.REJECT): State.REJECTED,
    (State.UNKNOWN, Seen.PART_FILL): State.PARTIALLY_FILLED,
    (State.UNKNOWN, Seen.FULL_FILL): State.FILLED,
    (State.UNKNOWN, Seen.CANCEL): State.CANCELLED,
    (State.UNKNOWN, Seen.EXPIRY): State.EXPIRED,
    # A denial is reopened by any later evidence.
    (State.NOT_FOUND, Seen.ACK): State.SUBMITTED,
    (State.NOT_FOUND, Seen.REJECT): State.REJECTED,
    (State.NOT_FOUND, Seen.PART_FILL): State.PARTIALLY_FILLED,
    (State.NOT_FOUND, Seen.FULL_FILL): State.FILLED,
    (State.NOT_FOUND, Seen.CANCEL): State.CANCELLED,
    (State.NOT_FOUND, Seen.EXPIRY): State.EXPIRED,
    # Alive.
    (State.SUBMITTED, Seen.ACK): State.SUBMITTED,
    (State.SUBMITTED, Seen.REJECT): State.REJECTED,
    (State.SUBMITTED, Seen.PART_FILL): State.PARTIALLY_FILLED,
    (State.SUBMITTED, Seen.FULL_FILL): State.FILLED,
    (State.SUBMITTED, Seen.CANCEL): State.CANCELLED,
    (State.SUBMITTED, Seen.EXPIRY): State.EXPIRED,
    (State.PARTIALLY_FILLED, Seen.ACK): State.PARTIALLY_FILLED,
    (State.PARTIALLY_FILLED, Seen.PART_FILL): State.PARTIALLY_FILLED,
    (State.PARTIALLY_FILLED, Seen.FULL_FILL): State.FILLED,
    (State.PARTIALLY_FILLED, Seen.CANCEL): State.CANCELLED,
    (State.PARTIALLY_FILLED, Seen.EXPIRY): State.EXPIRED,
    # Booked into balances.
    (State.FILLED, Seen.BOOKED): State.SETTLED,
    # Repetitions and stragglers after the end: applied, the end stays.
    (State.FILLED, Seen.ACK): State.FILLED,
    (State.FILLED, Seen.PART_FILL): State.FILLED,
    (State.FILLED, Seen.FULL_FILL): State.FILLED,
    (State.SETTLED, Seen.ACK): State.SETTLED,
    (State.SETTLED, Seen.PART_FILL): State.SETTLED,
    (State.SETTLED, Seen.FULL_FILL): State.SETTLED,
    (State.CANCELLED, Seen.ACK): State.CANCELLED,
    (State.CANCELLED, Seen.CANCEL): State.CANCELLED,
    (State.CANCELLED, Seen.EXPIRY): State.CANCELLED,
    (State.CANCELLED, Seen.PART_FILL): State.CANCELLED,
    # The fill that raced the cancel: the whole order traded after all.
    (State.CANCELLED, Seen.FULL_FILL): State.FILLED,
    (State.EXPIRED, Seen.ACK): State.EXPIRED,
    (State.EXPIRED, Seen.EXPIRY): State.EXPIRED,
    (State.EXPIRED, Seen.CANCEL): State.EXPIRED,
    (State.EXPIRED, Seen.PART_FILL): State.EXPIRED,
    (State.EXPIRED, Seen.FULL_FILL): State.FILLED,
    (State.REJECTED, Seen.REJECT): State.REJECTED,
}

#: Evidence in a state that the table does not foresee: still applied, and an alarm.
_ODD: Final[dict[Seen, State]] = {
    Seen.ACK: State.SUBMITTED,
    Seen.REJECT: State.REJECTED,
    Seen.PART_FILL: State.PARTIALLY_FILLED,
    Seen.FULL_FILL: State.FILLED,
    Seen.CANCEL: State.CANCELLED,
    Seen.EXPIRY: State.EXPIRED,
}
#: An end that odd evidence cannot undo: what traded, traded.
_STANDS: Final = frozenset({State.FILLED, State.SETTLED})


class ImpossibleTransitionError(Exception):
    """An opinion that cannot follow from the state; recorded, never applied."""


def step(state: State, seen: Seen) -> State:
    """
    Give the state after a sight.

    Raises:
        ImpossibleTransitionError: an opinion that the table does not allow.

    """
    found = TABLE.get((state, seen))
    if found is not None:
        return found
    if seen not in EVIDENCE:
        raise ImpossibleTransitionError(f"{state.value} cannot see {seen.value}")
    return state if state in _STANDS else _ODD[seen]


def is_odd(state: State, seen: Seen) -> bool:
    """Tell whether evidence is applied although the table does not foresee it: an alarm."""
    return seen in EVIDENCE and (state, seen) not in TABLE
