"""
What Spark asks of an exchange, role by role.

A signer builds signed requests and touches no network; a gateway sends what it
is given and reads the answer; the venue watch asks public questions. Each venue
implements them in `exchanges/<venue>/`.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from spark.events import CancelApproved, Evidence, InstrumentPublished, Mark, OrderApproved
from spark.names import (
    AccountId,
    ClientOrderId,
    IntentId,
    OrderType,
    Side,
    StrategyId,
    Symbol,
    TimeInForce,
    TradingMode,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """A request as it goes out; the signature and the key are in it, so it is a secret."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: str
    #: Exchange time in the signature.
    stamp_ns: int
    #: Exchange time after which the exchange's denial is final; 0 where it never is.
    final_after_ns: int

    def __repr__(self) -> str:
        return f"SignedRequest({self.method} {self.path})"


def unsigned(stamp_ns: int) -> SignedRequest:
    """Make a request that says no more than its time, for a venue that reads no more of it."""
    return SignedRequest(
        method="", path="", query="", headers={}, body="", stamp_ns=stamp_ns, final_after_ns=0
    )


class OrderSigner(Protocol):
    """Pure: builds and signs; holds the keys inside keyed objects. Never blocks."""

    def place(self, order: OrderApproved, exchange_ns: int) -> SignedRequest:
        """Sign a place with the trade key."""

    def cancel(self, cancel: CancelApproved, exchange_ns: int) -> SignedRequest:
        """Sign a cancel with the trade key."""

    def query(self, symbol: Symbol, order: ClientOrderId, exchange_ns: int) -> SignedRequest:
        """Sign a question about one order with the read key."""


class Answer(StrEnum):
    """What an exchange's reply is worth."""

    #: Documented success.
    DEFINITE = "definite"
    #: Documented refusal: it has no such order.
    REJECTED = "rejected"
    #: It says that it has none by this id (queries only).
    ABSENT = "absent"
    #: Everything else: it may have acted.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The order that a request concerns, as the gateway knows it."""

    account: AccountId
    strategy: StrategyId
    #: Of the order; for a cancel its target's.
    intent_id: IntentId
    client_order_id: ClientOrderId
    symbol: Symbol
    side: Side | None
    quantity: Decimal | None
    mode: TradingMode
    #: Of a place alone, for a venue that carries it out itself.
    order_type: OrderType | None = None
    time_in_force: TimeInForce | None = None
    price: Decimal | None = None
    #: The cancel's own intent id; empty for a place or a query.
    cancel_intent_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A reply, or the lack of one, as events."""

    answer: Answer
    #: What the exchange proved, in the order in which it happened.
    evidence: tuple[Evidence, ...] = ()
    #: Class of an unknown: `timeout`, `http_5xx`, `connection_lost`, `garbled`.
    cause: str = ""
    #: Seconds that the exchange asks to stay away; 0 for none.
    retry_after_s: float = 0.0


class LastCheck(Protocol):
    """Asked with the connection in hand and no `await` before the first byte (design §4.2)."""

    def __call__(self) -> bool:
        """Say whether it may still go."""


class NotSentError(Exception):
    """The last check said no, or no connection could be had: not a byte left."""


class OrderVenue(Protocol):
    """The gateway's way to an exchange: sends a signed request once, never again by itself."""

    async def place(self, request: SignedRequest, about: About, check: LastCheck) -> Outcome:
        """
        Send a place and read what the exchange says.

        Raises:
            NotSentError: not a byte left.

        """

    async def cancel(self, request: SignedRequest, about: About, check: LastCheck) -> Outcome:
        """Send a cancel; raises as `place`."""

    async def query(self, request: SignedRequest, about: About) -> Outcome:
        """
        Ask for one order.

        Raises:
            VenueUnavailable: no usable answer; ask again with a new signature.

        """

    async def close(self) -> None:
        """Let go of the connections; idempotent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """One look at an exchange's clock."""

    offset_ns: int
    #: Half the round trip.
    uncertainty_ns: int


class PublicVenue(Protocol):
    """Public questions; idempotent, may be repeated."""

    async def clock(self) -> ClockReading:
        """
        Compare clocks.

        Raises:
            VenueUnavailable: no usable answer.

        """

    async def instruments(self, symbols: tuple[Symbol, ...]) -> tuple[InstrumentPublished, ...]:
        """Ask for symbols' rules; raises as `clock`. A symbol that it does not have is left out."""

    async def marks(self, symbols: tuple[Symbol, ...]) -> tuple[Mark, ...]:
        """
        Ask for the best prices of symbols that it has; raises as `clock`.

        Prices that cannot be prices are left out.
        """

    async def close(self) -> None:
        """Let go of the connections; idempotent."""
