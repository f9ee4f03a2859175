"""
What Spark asks of an exchange, role by role.

A signer builds signed requests and touches no network; a gateway sends what it
is given and reads the answer; the venue watch asks public questions; the account
feed asks private ones and listens to the private stream. Each venue implements them
in `exchanges/<venue>/`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, Protocol

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
    VenueOrderState,
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
    #: Tells the key from its successor, without its name; empty where nothing is signed.
    key: str = ""

    def __repr__(self) -> str:
        return f"SignedRequest({self.method} {self.path})"


def unsigned(stamp_ns: int) -> SignedRequest:
    """Make a request that says no more than its time, for a venue that reads no more of it."""
    return SignedRequest(
        method="", path="", query="", headers={}, body="", stamp_ns=stamp_ns, final_after_ns=0
    )


class Question(StrEnum):
    """What the read key may ask or open; never anything that trades (S4)."""

    #: One order, by our client order id or the exchange's own id.
    ORDER = "order"
    #: Every order of the account that is alive.
    OPEN_ORDERS = "open_orders"
    #: Orders of a symbol in any state, since a time.
    ORDERS = "orders"
    #: Trades of a symbol, since a time.
    FILLS = "fills"
    BALANCES = "balances"
    #: Commission of a symbol.
    FEES = "fees"
    #: Opens the private stream.
    LOGIN = "login"


_NO_SYMBOL: Final = Symbol("")
_NO_ORDER: Final = ClientOrderId("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question with its subject; what a question does not need stays empty."""

    question: Question
    account: AccountId
    symbol: Symbol = _NO_SYMBOL
    client_order_id: ClientOrderId = _NO_ORDER
    exchange_order_id: str = ""
    #: Exchange time; 0 for as far back as the exchange goes by itself.
    since_ns: int = 0
    #: The exchange's last trade id that is known, for `FILLS`; empty to go by time.
    after_id: str = ""


#: A stamp further ahead of the exchange's clock than this is not worth signing.
STAMP_AHEAD_NS_MAX: Final = 2_000_000_000
_NS_PER_MS: Final = 1_000_000


def next_stamp(exchange_ns: int, last_ns: int) -> int:
    """Give the exchange's time in whole milliseconds, or one more than the last stamp's."""
    return max(exchange_ns // _NS_PER_MS, last_ns // _NS_PER_MS + 1) * _NS_PER_MS


class OrderSigner(Protocol):
    """
    Pure: builds and signs; holds the keys inside keyed objects. Never blocks.

    `exchange_ns` is what the venue's stamp is made of.
    """

    #: Whether the exchange wants whole milliseconds, each above the last one of its key, also
    #: across restarts (R12); the process that signs sees to it.
    stamps_increase: bool

    def place(self, order: OrderApproved, exchange_ns: int) -> SignedRequest:
        """
        Sign a place with the trade key.

        Raises:
            VenueCannotError: the venue has no such order; a guard refuses it earlier.

        """

    def cancel(
        self, cancel: CancelApproved, exchange_ns: int, *, exchange_order_id: str
    ) -> SignedRequest:
        """
        Sign a cancel with the trade key.

        Args:
            exchange_order_id: as evidence gave it; empty where none has.

        Raises:
            VenueCannotError: the venue cancels by its own id only, and that is not known.

        """

    def ask(self, asked: Asked, exchange_ns: int) -> SignedRequest:
        """
        Sign a question, or a login, with the read key.

        Raises:
            VenueCannotError: the venue has no such question.

        """


class VenueCannotError(Exception):
    """What was asked cannot be said to this venue; nothing was signed or sent."""


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
    #: Whether it is the address that must stay away, rather than the account alone.
    is_address_limited: bool = False
    #: What the exchange says that the address has spent of its weight this minute; -1 for
    #: nothing said.
    weight_used: int = -1


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


# --- the account feed's side ----------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSeen:
    """An order as the exchange tells it, ours or not."""

    symbol: Symbol
    exchange_order_id: str
    #: As its placer chose it; empty where the venue keeps or tells none.
    client_order_id: str
    side: Side
    state: VenueOrderState
    quantity: Decimal
    #: Cumulative.
    filled: Decimal
    #: Cumulative, in the quote asset; None where the venue does not tell.
    quote_filled: Decimal | None
    #: None for a market order.
    price: Decimal | None
    #: Of its last change; 0 where the venue does not tell.
    exchange_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FillSeen:
    """One trade of the account."""

    symbol: Symbol
    #: Empty where the venue gives none (BTCTurk's 441).
    trade_id: str
    exchange_order_id: str
    #: Empty where the venue does not tell (Binance's myTrades).
    client_order_id: str
    side: Side
    quantity: Decimal
    price: Decimal
    commission: Decimal
    #: Empty where the venue does not tell.
    commission_asset: str
    exchange_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceSeen:
    """One asset of the account."""

    asset: str
    free: Decimal
    locked: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancesChanged:
    """Balances on the private stream: those listed changed, or, empty, some did: ask."""

    balances: tuple[BalanceSeen, ...]
    exchange_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FundsMoved:
    """A deposit, withdrawal or transfer: a balance changed without a trade."""

    asset: str
    amount: Decimal
    exchange_ns: int


#: What the private stream tells.
News = OrderSeen | FillSeen | BalancesChanged | FundsMoved


class AccountVenue(Protocol):
    """
    Private questions, signed by the signer; idempotent, may be asked again with a new signature.

    Each raises VenueUnavailable where there is no usable answer; `retry_after_s` is in it
    where the exchange asks to stay away.
    """

    async def orders(self, request: SignedRequest) -> tuple[OrderSeen, ...]:
        """Ask `ORDER`, `OPEN_ORDERS` or `ORDERS`; an order that is not there is left out."""

    async def fills(self, request: SignedRequest) -> tuple[FillSeen, ...]:
        """Ask `FILLS`; oldest first."""

    async def balances(self, request: SignedRequest) -> tuple[BalanceSeen, ...]:
        """Ask `BALANCES`; an asset that is left out is empty."""

    async def fees(self, request: SignedRequest) -> tuple[Decimal, Decimal]:
        """Ask `FEES`: maker's and taker's part of what is traded."""

    async def close(self) -> None:
        """Let go of the connections; idempotent."""


class PrivateStream(Protocol):
    """An account's private stream."""

    def news(
        self, login: Callable[[], Awaitable[SignedRequest]]
    ) -> AsyncIterator[tuple[News, ...]]:
        """
        Log in and listen; what one read delivers comes together.

        The first item is empty and says that the login was accepted: from then on nothing
        is missed. Ends by raising; whoever listens then reconciles and begins again.

        Args:
            login: gives a fresh login request for each connection.

        Raises:
            VenueUnavailable: not to be had, refused, lost, or mute.

        """

    async def close(self) -> None:
        """Let go of the connections; idempotent."""
