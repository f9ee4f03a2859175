"""
What an exchange knows of an order: its terms, its progress and its fills.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from spark.names import Side, TimeInForce

if TYPE_CHECKING:
    from spark.exchanges.simulator.accounts import Account

ZERO: Final = Decimal(0)


def spelled(value: Decimal) -> str:
    """Write an amount in its one spelling: no exponent, no trailing zeros."""
    return f"{value.normalize():f}"


class Kind(StrEnum):
    """How an order meets the book."""

    LIMIT = "limit"
    MARKET = "market"
    #: A limit that is refused when it would trade at once (post only).
    MAKER = "maker"


class Status(StrEnum):
    """Where the venue holds an order; the last three are final."""

    OPEN = "open"
    PARTLY_FILLED = "partly_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


#: Statuses in which an order rests in the book and holds its client id.
ALIVE: Final = frozenset({Status.OPEN, Status.PARTLY_FILLED})


@dataclass(frozen=True, slots=True)
class Terms:
    """What was asked for, already through the venue's filters."""

    symbol: str
    side: Side
    kind: Kind
    time_in_force: TimeInForce
    client_id: str
    #: Base quantity; None when a market order names `quote_quantity`.
    quantity: Decimal | None
    #: None for a market order.
    price: Decimal | None
    quote_quantity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """One order's half of a trade."""

    trade_id: int
    order_id: int
    symbol: str
    is_buyer: bool
    is_maker: bool
    price: Decimal
    quantity: Decimal
    quote: Decimal
    commission: Decimal
    commission_asset: str
    at_ns: int


@dataclass(slots=True, eq=False)
class Order:
    """One accepted order; `venue.py` alone changes it."""

    order_id: int
    account: "Account"
    terms: Terms
    created_ns: int
    updated_ns: int
    #: Base quantity: as asked, or what a quote quantity bought.
    quantity: Decimal
    status: Status = Status.OPEN
    executed: Decimal = ZERO
    executed_quote: Decimal = ZERO
    #: What is still locked of the account's paying asset.
    locked: Decimal = ZERO
    fills: list[Fill] = field(default_factory=list)
    #: What its canceller called the cancel; empty where nobody gave it a name.
    cancel_name: str = ""

    @property
    def remaining(self) -> Decimal:
        """Base quantity not yet traded."""
        return self.quantity - self.executed

    @property
    def is_alive(self) -> bool:
        """Whether it rests in the book."""
        return self.status in ALIVE
