"""
`account.events`: what an exchange says of an account, and whether the log agrees with it.

One writer, the account feed. Its evidence about our own orders is the evidence of
`orders.events` (gateway.py) learnt on another way; what stands here beside it is about the
account. Opinions carry the epoch of the feed's fence and count in that epoch alone.
"""

from decimal import Decimal
from typing import Literal, TypeAlias

from spark.events.parts import event
from spark.names import (
    AccountId,
    DifferenceKind,
    DifferenceRule,
    Side,
    Symbol,
    VenueOrderState,
)


@event
class AccountDoubted:
    """From here on the account is not reconciled, until `AccountReconciled` says so again."""

    type: Literal["account_doubted"] = "account_doubted"
    v: Literal[1] = 1
    epoch: int
    account: AccountId
    #: `start`, `stream_lost`, `difference`.
    cause: str
    at_ns: int


@event
class AccountReconciled:
    """Log and exchange were compared; what still differs has its own records."""

    type: Literal["account_reconciled"] = "account_reconciled"
    v: Literal[1] = 1
    epoch: int
    account: AccountId
    #: `start`, `reconnect`, `background`, `asked`.
    cause: str
    #: How many of each were compared.
    orders: int
    fills: int
    balances: int
    #: Differences that are open, and those among them that halt new risk.
    differences_open: int
    halting: int
    #: When the first question left, and when the last answer was compared.
    asked_ns: int
    done_ns: int


@event
class DifferenceFound:
    """Log and exchange differ; the same difference keeps its id until it is closed."""

    type: Literal["difference_found"] = "difference_found"
    v: Literal[1] = 1
    epoch: int
    account: AccountId
    #: Derived from account, kind and subject.
    difference: str
    kind: DifferenceKind
    rule: DifferenceRule
    #: What it is about: a client order id, a trade id, an asset.
    subject: str
    #: Empty for a balance.
    symbol: Symbol
    #: Both sides, in words a person can read.
    ours: str
    theirs: str
    #: Amount by which they differ, exchange less log; 0 where it is no amount.
    amount: Decimal
    at_ns: int


@event
class DifferenceClosed:
    """A difference is none any more, or a person took it over."""

    type: Literal["difference_closed"] = "difference_closed"
    v: Literal[1] = 1
    epoch: int
    account: AccountId
    difference: str
    #: `agreed`, `adopted`, or who accepted it.
    how: str
    at_ns: int


@event
class ForeignOrderSeen:
    """An order on the account that Spark did not place: shown, and counted as exposure."""

    type: Literal["foreign_order_seen"] = "foreign_order_seen"
    v: Literal[1] = 1
    account: AccountId
    symbol: Symbol
    exchange_order_id: str
    #: As its placer chose it; nobody's namespace of ours.
    client_order_id: str
    side: Side
    state: VenueOrderState
    quantity: Decimal
    filled: Decimal
    #: None for a market order.
    price: Decimal | None
    exchange_ns: int
    at_ns: int


@event
class Balance:
    """One asset."""

    asset: str
    free: Decimal
    locked: Decimal


@event
class BalancesSeen:
    """Balances as the exchange told them."""

    type: Literal["balances_seen"] = "balances_seen"
    v: Literal[1] = 1
    account: AccountId
    balances: tuple[Balance, ...]
    #: Whether an asset that is not listed is empty, rather than unchanged.
    is_complete: bool
    #: 0 where the exchange says no time.
    exchange_ns: int
    at_ns: int


@event
class FeesSeen:
    """What the account pays, as fractions of what is traded."""

    type: Literal["fees_seen"] = "fees_seen"
    v: Literal[1] = 1
    account: AccountId
    #: Empty for all symbols.
    symbol: Symbol
    maker: Decimal
    taker: Decimal
    at_ns: int


AccountEvent: TypeAlias = (
    AccountDoubted
    | AccountReconciled
    | DifferenceFound
    | DifferenceClosed
    | ForeignOrderSeen
    | BalancesSeen
    | FeesSeen
)
