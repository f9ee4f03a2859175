"""
Exposure: the worst case of every order that may still trade, and what was bought (B5, R5).

A sum over a map by order id, never a counter that goes up and down: an order's entry is
replaced, and the totals with it, so that saying a thing twice changes nothing. Decisions,
order events and what the account feed saw each have their own part of an entry, so that the
order between topics cannot matter; books (paper, live) never mix.
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import ROUND_UP, Context, Decimal, Inexact
from typing import Final, NamedTuple

from spark.events import (
    Event,
    OrderAcked,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
)
from spark.ledger.fold import Order
from spark.ledger.orders import CLOSED
from spark.ledger.rates import ACCOUNT_SCOPE
from spark.names import BOOK_OF, Book, ClientOrderId, OrderState, Side, TradingMode

_ZERO: Final = Decimal(0)
#: Worths are kept to this, rounded up; sums of them are exact or an error, never rounded.
_QUANTUM: Final = Decimal("1e-8")
_EXACT: Final = Context(prec=200, traps=[Inexact])
_WIDE: Final = Context(prec=200)
#: How long an order that is over keeps its entry; far past the moment when a denial is final.
_OVER_NS: Final = 600_000_000_000
#: How long a closed order's filled quantity stays known, for evidence that comes again.
_BOOKED_NS: Final = 86_400_000_000_000
_BOOKED_MAX: Final = 200_000


@dataclass(slots=True)
class View:
    """How far an order is, on one way of learning it."""

    filled: Decimal = _ZERO
    is_over: bool = False
    #: Whether that it is over is the exchange's denial alone, which evidence reopens.
    is_denied: bool = False


@dataclass(slots=True)
class Entry:
    """What an approval may still cost."""

    strategy: str
    symbol: str
    side: Side
    book: Book
    quantity: Decimal
    worth_usd: Decimal
    #: What of it may still trade; 0 once it is over.
    open_usd: Decimal
    is_open: bool = True
    events: View = field(default_factory=View)
    #: None before the account feed saw the order.
    account: View | None = None


@dataclass(slots=True)
class Total:
    """Sums of one scope, symbol and book."""

    buys_usd: Decimal = _ZERO
    sells_usd: Decimal = _ZERO
    #: Bought less sold, by our own fills.
    position: Decimal = _ZERO


@dataclass(slots=True)
class Exposure:
    """Every order of an account that may still trade, and its positions."""

    entries: dict[ClientOrderId, Entry] = field(default_factory=dict)
    #: By `total_key`.
    totals: dict[str, Total] = field(default_factory=dict)
    #: Orders that may still trade, by `open_key`.
    open_counts: dict[str, int] = field(default_factory=dict)
    #: What of each order is in the positions already.
    booked: dict[ClientOrderId, Decimal] = field(default_factory=dict)
    booked_at: deque[tuple[int, ClientOrderId]] = field(default_factory=deque)
    #: Entries that are over, with when: evidence may still reopen them.
    over_at: deque[tuple[int, ClientOrderId]] = field(default_factory=deque)

    def approve(self, order: ClientOrderId, entry: Entry) -> None:
        """Count an approval at its worst case from its decision on."""
        if order in self.entries:
            return
        self.entries[order] = entry
        self._shift(entry, entry.open_usd, count=1)

    def see(self, order: Order, appended_ns: int) -> None:
        """Take in an order as its events leave it."""
        if order.side is not None:
            book = BOOK_OF[order.mode or TradingMode.LIVE]
            key = order.client_order_id
            fill = _Fill(order.strategy, order.symbol, order.side, book, order.filled)
            self._book(key, fill, appended_ns)
        entry = self.entries.get(order.client_order_id)
        if entry is None:
            return
        is_denied = order.state is OrderState.NOT_FOUND
        entry.events = View(order.filled, order.state in CLOSED, is_denied)
        self._settle(order.client_order_id, entry, appended_ns)

    def end_unsigned(self, order: ClientOrderId, appended_ns: int) -> None:
        """Let go of an order that was approved and never signed; evidence would reopen it."""
        entry = self.entries.get(order)
        if entry is not None and entry.events == View():
            entry.events = View(is_over=True, is_denied=True)
            self._settle(order, entry, appended_ns)

    def see_account(self, event: Event, appended_ns: int) -> None:
        """Take in what the account feed learnt of an order of ours; others are passed over."""
        if isinstance(event, OrderFilled):
            key, book = event.client_order_id, BOOK_OF[event.mode]
            fill = _Fill(event.strategy, event.symbol, event.side, book, event.cumulative)
            self._book(key, fill, appended_ns)
            seen = View(event.cumulative, event.cumulative >= event.order_quantity)
        elif isinstance(event, OrderCancelled | OrderExpired):
            key, seen = event.client_order_id, View(event.filled, is_over=True)
        elif isinstance(event, OrderRejected):
            key, seen = event.client_order_id, View(is_over=True)
        elif isinstance(event, OrderAcked):
            key, seen = event.client_order_id, View()
        else:
            return
        entry = self.entries.get(key)
        if entry is None:
            return
        known = entry.account or View()
        entry.account = View(max(known.filled, seen.filled), known.is_over or seen.is_over)
        self._settle(key, entry, appended_ns)

    def open_orders(self, book: Book, scope: str) -> int:
        """Count the orders that may still trade."""
        return self.open_counts.get(open_key(book, scope), 0)

    def total(self, book: Book, scope: str, symbol: str) -> Total:
        """Give the sums of a scope; zeros where there is nothing."""
        return self.totals.get(total_key(book, scope, symbol)) or Total()

    def _settle(self, key: ClientOrderId, entry: Entry, appended_ns: int) -> None:
        events, account = entry.events, entry.account
        filled = max(events.filled, account.filled) if account else events.filled
        is_over = events.is_over and not (events.is_denied and account is not None)
        is_open = not (is_over or (account is not None and account.is_over))
        open_usd = _left_usd(entry, filled) if is_open else _ZERO
        self._shift(entry, open_usd - entry.open_usd, count=is_open - entry.is_open)
        if entry.is_open and not is_open:
            self.over_at.append((appended_ns, key))
        entry.open_usd, entry.is_open = open_usd, is_open
        while self.over_at and self.over_at[0][0] < appended_ns - _OVER_NS:
            _, old = self.over_at.popleft()
            if old in self.entries and not self.entries[old].is_open:
                del self.entries[old]

    def _shift(self, entry: Entry, by_usd: Decimal, *, count: int) -> None:
        for scope in (ACCOUNT_SCOPE, entry.strategy):
            total = self._total(entry.book, scope, entry.symbol)
            if entry.side is Side.BUY:
                total.buys_usd = _EXACT.add(total.buys_usd, by_usd)
            else:
                total.sells_usd = _EXACT.add(total.sells_usd, by_usd)
            key = open_key(entry.book, scope)
            left = self.open_counts.get(key, 0) + count
            self.open_counts[key] = left
            if not left:
                del self.open_counts[key]

    def _book(self, key: ClientOrderId, fill: "_Fill", appended_ns: int) -> None:
        before = self.booked.get(key, _ZERO)
        if fill.filled <= before:
            return
        if key not in self.booked:
            self.booked_at.append((appended_ns, key))
        self.booked[key] = fill.filled
        more = _EXACT.subtract(fill.filled, before)
        signed = more if fill.side is Side.BUY else -more
        for scope in (ACCOUNT_SCOPE, fill.strategy):
            total = self._total(fill.book, scope, fill.symbol)
            total.position = _EXACT.add(total.position, signed)
        while self.booked_at and (
            self.booked_at[0][0] < appended_ns - _BOOKED_NS or len(self.booked_at) > _BOOKED_MAX
        ):
            del self.booked[self.booked_at.popleft()[1]]

    def _total(self, book: Book, scope: str, symbol: str) -> Total:
        return self.totals.setdefault(total_key(book, scope, symbol), Total())


class _Fill(NamedTuple):
    """What an order traded so far."""

    strategy: str
    symbol: str
    side: Side
    book: Book
    filled: Decimal


def _left_usd(entry: Entry, filled: Decimal) -> Decimal:
    left = entry.quantity - filled
    if left >= entry.quantity:
        return entry.worth_usd
    if left <= 0:
        return _ZERO
    return (entry.worth_usd * left / entry.quantity).quantize(_QUANTUM, ROUND_UP, _WIDE)


def total_key(book: Book, scope: str, symbol: str) -> str:
    """Key the sums of a symbol within a book and scope."""
    return f"{book} {scope} {symbol}"


def open_key(book: Book, scope: str) -> str:
    """Key the number of open orders within a book and scope."""
    return f"{book} {scope}"


_NOTHING_FOREIGN: Final = (_ZERO, _ZERO, _ZERO)


def worst_case(
    total: Total,
    side: Side,
    worth_usd: Decimal,
    *,
    price_usd: Decimal,
    foreign: tuple[Decimal, Decimal, Decimal] = _NOTHING_FOREIGN,
) -> Decimal:
    """
    Give the exposure if this order came on top: everything on one side trades, nothing else.

    Args:
        price_usd: what the position, and orders of others, are marked at.
        foreign: what others may still buy and sell on the account, and what they hold, in
            the base asset (standing.py).

    """
    foreign_buys, foreign_sells, foreign_held = foreign
    held = (total.position + foreign_held) * price_usd
    long = held + total.buys_usd + foreign_buys * price_usd
    short = total.sells_usd + foreign_sells * price_usd - held
    if side is Side.BUY:
        long += worth_usd
    else:
        short += worth_usd
    return max(long, short)
