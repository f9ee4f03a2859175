"""
An account as the log tells it and as the exchange does, side by side. Pure.

The log's side is folded from `orders.events` and `account.events`; the exchange's from its
private stream and its answers (reconcile_orders.py). What the two have to say to each other is
in reconcile_look.py. Evidence counts from any epoch; opinions of the account feed only in the
epoch of its last fence (R4). Orders on paper are nobody's but ours and are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from spark.events import (
    AccountDoubted,
    AccountReconciled,
    BalancesSeen,
    DifferenceClosed,
    DifferenceFound,
    Event,
    FeesSeen,
    ForeignOrderSeen,
    OrderFilled,
    PartitionFenced,
)
from spark.exchanges.port import FillSeen, OrderSeen
from spark.ledger.fold import Order, Orders, fold_event, fold_evidence, forget
from spark.ledger.orders import CLOSED
from spark.ledger.reconcile_differences import Differences, fold_difference, key_of
from spark.ledger.reconcile_funds import Funds, rebase
from spark.names import (
    AccountId,
    ClientOrderId,
    DifferenceKind,
    OrderState,
    Symbol,
    TradingMode,
    VenueOrderState,
)

_ZERO: Final = Decimal(0)
#: How long a closed order is remembered, for what the exchange tells late.
MEMORY_NS: Final = 900_000_000_000
#: How long news of our own orders wait for their claim to be read, at most so many.
WAITING_MAX: Final = 5_000
_SHOWN_MAX: Final = 200_000
_FOREIGN_MAX: Final = 1_000
#: How long after a fill was written the exchange's own fills must show it (S9).
PROOF_NS: Final = 2_000_000_000
#: States in which the exchange lists an order as alive.
ALIVE: Final = frozenset({VenueOrderState.OPEN, VenueOrderState.PARTIALLY_FILLED})


@dataclass(slots=True)
class Proof:
    """A fill that the gateway wrote and the exchange's own fills have not shown yet (S9)."""

    fill: OrderFilled
    appended_ns: int


@dataclass(slots=True)
class Due:
    """Trades of an order that the exchange hinted at, and did not tell in full."""

    #: Its last word about the order; None where it told of a trade without an id alone.
    seen: OrderSeen | None
    since_ns: int


@dataclass(slots=True)
class Absence:
    """An order of ours that is alive on the log and was not listed."""

    changed_ns: int
    times: int = 1
    since_ns: int = 0
    #: Whether a question about this one order found nothing either.
    is_asked: bool = False


@dataclass(slots=True)
class Search:
    """An order without an outcome, and how often it was looked for."""

    since_ns: int
    times: int = 0
    last_ns: int = 0


@dataclass(slots=True)
class Book:
    """One account; `fold_orders` and `fold_account` are the only writers from the log."""

    account: AccountId
    orders: Orders = field(default_factory=Orders)
    #: By the exchange's id: our orders.
    ours: dict[str, ClientOrderId] = field(default_factory=dict)
    #: By order: what its trades with an id were told to be.
    told: dict[ClientOrderId, dict[str, OrderFilled]] = field(default_factory=dict)
    #: By order: those of them that stand on `account.events`, which tells all of them (S9).
    written: dict[ClientOrderId, set[str]] = field(default_factory=dict)
    unproven: dict[str, Proof] = field(default_factory=dict)
    #: By `fill_key`: what the exchange showed.
    shown: dict[str, FillSeen] = field(default_factory=dict)
    #: By order: the highest cumulative quantity that the exchange told, and the quantities
    #: of the trades that it showed, by `fill_key`.
    reached: dict[ClientOrderId, Decimal] = field(default_factory=dict)
    traded: dict[ClientOrderId, dict[str, Decimal]] = field(default_factory=dict)
    due: dict[ClientOrderId, Due] = field(default_factory=dict)
    #: By order: news that came before its claim, with when (R14).
    waiting: dict[ClientOrderId, tuple[int, list[OrderSeen | FillSeen]]] = field(
        default_factory=dict
    )
    #: By the exchange's id: alive orders of others, as last written.
    foreign: dict[str, ForeignOrderSeen] = field(default_factory=dict)
    #: The same of those that ended, oldest first.
    foreign_past: dict[str, ForeignOrderSeen] = field(default_factory=dict)
    #: By order: exchange ids of a second order under our id.
    doubles: dict[ClientOrderId, str] = field(default_factory=dict)
    #: By the exchange's id: trades of orders that nobody has named yet, and their symbol.
    unowned: dict[str, Symbol] = field(default_factory=dict)
    absences: dict[ClientOrderId, Absence] = field(default_factory=dict)
    #: Closed on the log and alive at the exchange, by order: when that was first seen.
    undead: dict[ClientOrderId, int] = field(default_factory=dict)
    searches: dict[ClientOrderId, Search] = field(default_factory=dict)
    funds: Funds = field(default_factory=Funds)
    differences: Differences = field(init=False)
    #: The account feed's fence in force.
    epoch: int = -1
    #: When the exchange told something last, by our clock.
    heard_ns: int = 0
    #: The last comparison, and why it holds no more; empty while it does.
    reconciled: AccountReconciled | None = None
    doubted: str = "start"
    balances: BalancesSeen | None = None
    fees: dict[Symbol, FeesSeen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.differences = Differences(self.account)

    def named(self, exchange_order_id: str, client_order_id: str) -> Order | None:
        """Find one of our orders by either id; None where the log has none of it (yet)."""
        key = ClientOrderId(client_order_id)
        if key not in self.orders.by_id:
            key = self.ours.get(exchange_order_id, key)
        return self.orders.by_id.get(key)

    def alive(self) -> Iterator[Order]:
        """Give our orders that the exchange should list."""
        states = {OrderState.SUBMITTED, OrderState.PARTIALLY_FILLED}
        return (o for o in self.orders.by_id.values() if o.state in states and is_real(o))

    def unknown(self) -> Iterator[Order]:
        """Give our orders that nobody knows the outcome of."""
        found = (self.orders.by_id.get(key) for key in self.orders.unknown)
        return (order for order in found if order is not None and is_real(order))


def is_real(order: Order) -> bool:
    """Tell an order that went to the exchange from one on paper."""
    return order.mode is not TradingMode.PAPER and not order.exchange_order_id.startswith("paper-")


def fill_key(symbol: Symbol, trade_id: str, exchange_order_id: str) -> str:
    """
    Key one half of a trade: its id is the symbol's own, and the order says which half.

    Two orders of one account may trade with each other; both halves then have the same id.
    """
    return f"{symbol} {trade_id} {exchange_order_id}"


def fold_orders(book: Book, event: Event, *, offset: int, appended_ns: int) -> None:
    """Fold one record of `orders.events`."""
    fold_event(book.orders, event, offset, appended_ns)
    if isinstance(event, OrderFilled):
        if event.mode is TradingMode.PAPER:
            return
        _tell(book, event)
        proof = Proof(event, appended_ns)
        if not is_proven(book, proof):
            book.unproven[_proof_key(event)] = proof
    _note_id(book, event)
    if len(book.orders.closed) or len(book.orders.taken):
        forget_old(book, appended_ns - MEMORY_NS)


def fold_account(book: Book, event: Event, *, offset: int, appended_ns: int) -> None:
    """Fold one record of `account.events`."""
    if isinstance(event, PartitionFenced):
        book.epoch = offset
        return
    epoch = getattr(event, "epoch", None)
    if epoch is not None and epoch != book.epoch:
        return
    fold_evidence(book.orders, event, appended_ns)
    _note_id(book, event)
    match event:
        case OrderFilled():
            _tell(book, event)
            book.written.setdefault(event.client_order_id, set()).add(event.trade_id)
        case ForeignOrderSeen():
            note_foreign(book, event)
        case DifferenceFound() | DifferenceClosed():
            taken = fold_difference(book.differences, event)
            if taken is not None:
                settle_accepted(book, taken)
        case AccountReconciled():
            _reconcile(book, event)
        case _:
            _remember(book, event)


def _remember(book: Book, event: Event) -> None:
    match event:
        case BalancesSeen():
            book.balances = event
        case FeesSeen():
            book.fees[event.symbol] = event
        case AccountDoubted():
            book.doubted = event.cause
        case _:
            return


def note_foreign(book: Book, event: ForeignOrderSeen) -> None:
    """Remember another's order for as long as it lives."""
    if event.state in ALIVE:
        book.foreign[event.exchange_order_id] = event
    else:
        book.foreign.pop(event.exchange_order_id, None)
        book.foreign_past[event.exchange_order_id] = event
        while len(book.foreign_past) > _FOREIGN_MAX:
            del book.foreign_past[next(iter(book.foreign_past))]


def settle_accepted(book: Book, taken: DifferenceFound) -> None:
    """Do what persons' taking over of a difference means."""
    if taken.kind is DifferenceKind.BALANCE:
        known = book.funds.accepted.get(taken.subject, _ZERO)
        book.funds.accepted[taken.subject] = known + taken.amount
    elif taken.kind is DifferenceKind.FILL_UNPROVEN:
        book.unproven.pop(taken.subject, None)


def is_proven(book: Book, proof: Proof) -> bool:
    """Tell whether the exchange showed a fill of the gateway's, with the same numbers (S9)."""
    fill = proof.fill
    if not fill.trade_id:
        return reached(book, fill.client_order_id) >= fill.cumulative
    shown = book.shown.get(fill_key(fill.symbol, fill.trade_id, fill.exchange_order_id))
    if shown is None:
        return False
    told = (fill.quantity, fill.price, fill.side)
    return (shown.quantity, shown.price, shown.side) == told


def reached(book: Book, order: ClientOrderId) -> Decimal:
    """Say how much of an order the exchange itself told to have traded."""
    traded = sum(book.traded.get(order, {}).values(), _ZERO)
    return max(book.reached.get(order, _ZERO), traded)


def forget_old(book: Book, before_ns: int) -> None:
    """Forget orders that closed long ago, and what was shown of them."""
    forget(book.orders, before_ns)
    if len(book.told) > 2 * len(book.orders.by_id) + 64:
        alive = book.orders.by_id
        book.told = {key: told for key, told in book.told.items() if key in alive}
        book.written = {key: ids for key, ids in book.written.items() if key in alive}
        book.ours = {name: key for name, key in book.ours.items() if key in alive}
        book.reached = {key: much for key, much in book.reached.items() if key in alive}
        book.traded = {key: much for key, much in book.traded.items() if key in alive}
    if len(book.shown) > _SHOWN_MAX:
        cut_ns = book.funds.cut_ns
        book.shown = {
            key: fill for key, fill in book.shown.items() if fill.exchange_ns > cut_ns - MEMORY_NS
        }


def is_closed(order: Order) -> bool:
    """Tell whether nothing more is expected of an order."""
    return order.state in CLOSED


def _reconcile(book: Book, event: AccountReconciled) -> None:
    book.reconciled, book.doubted = event, ""
    # What was older than that comparison was proved by it, or has a difference of its own.
    judged_ns = event.asked_ns - PROOF_NS
    book.unproven = {
        key: proof
        for key, proof in book.unproven.items()
        if proof.appended_ns >= judged_ns
        or key_of(DifferenceKind.FILL_UNPROVEN, key) in book.differences.open
    }
    seen = book.balances
    is_agreed = not book.differences.of_kind(DifferenceKind.BALANCE)
    if is_agreed and seen is not None and seen.is_complete and seen.exchange_ns:
        totals = {one.asset: one.free + one.locked for one in seen.balances}
        rebase(book.funds, totals, seen.exchange_ns)


def _tell(book: Book, event: OrderFilled) -> None:
    if event.trade_id:
        book.told.setdefault(event.client_order_id, {}).setdefault(event.trade_id, event)


def _note_id(book: Book, event: Event) -> None:
    exchange_order_id = getattr(event, "exchange_order_id", "")
    key = getattr(event, "client_order_id", "")
    if exchange_order_id and not isinstance(event, ForeignOrderSeen):
        book.ours[exchange_order_id] = ClientOrderId(key)


def _proof_key(event: OrderFilled) -> str:
    if event.trade_id:
        return fill_key(event.symbol, event.trade_id, event.exchange_order_id)
    return f"{event.client_order_id} {event.cumulative}"
