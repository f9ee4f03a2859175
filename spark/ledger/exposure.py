"""
Exposure: the worst case of every order that may still trade, and what was bought (B5, R5).

A sum over a map by order id, never a counter that goes up and down: an order's entry is
replaced, and the totals with it, so that saying a thing twice changes nothing. Two parts,
decisions and order events, each with its own entries; books (paper, live) never mix.
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import ROUND_UP, Context, Decimal, Inexact
from typing import Final

from spark.ledger.fold import Order
from spark.ledger.orders import CLOSED
from spark.ledger.rates import ACCOUNT_SCOPE
from spark.names import BOOK_OF, Book, ClientOrderId, Side, TradingMode

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
        self._book(order, appended_ns)
        entry = self.entries.get(order.client_order_id)
        if entry is None:
            return
        is_open = order.state not in CLOSED
        open_usd = _left_usd(entry, order.filled) if is_open else _ZERO
        self._shift(entry, open_usd - entry.open_usd, count=is_open - entry.is_open)
        if entry.is_open and not is_open:
            self.over_at.append((appended_ns, order.client_order_id))
        entry.open_usd, entry.is_open = open_usd, is_open
        while self.over_at and self.over_at[0][0] < appended_ns - _OVER_NS:
            _, key = self.over_at.popleft()
            if key in self.entries and not self.entries[key].is_open:
                del self.entries[key]

    def open_orders(self, book: Book, scope: str) -> int:
        """Count the orders that may still trade."""
        return self.open_counts.get(open_key(book, scope), 0)

    def total(self, book: Book, scope: str, symbol: str) -> Total:
        """Give the sums of a scope; zeros where there is nothing."""
        return self.totals.get(total_key(book, scope, symbol)) or Total()

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

    def _book(self, order: Order, appended_ns: int) -> None:
        before = self.booked.get(order.client_order_id, _ZERO)
        if order.filled <= before or order.side is None:
            return
        if order.client_order_id not in self.booked:
            self.booked_at.append((appended_ns, order.client_order_id))
        self.booked[order.client_order_id] = order.filled
        more = _EXACT.subtract(order.filled, before)
        signed = more if order.side is Side.BUY else -more
        book = BOOK_OF[order.mode or TradingMode.LIVE]
        for scope in (ACCOUNT_SCOPE, order.strategy):
            total = self._total(book, scope, order.symbol)
            total.position = _EXACT.add(total.position, signed)
        while self.booked_at and (
            self.booked_at[0][0] < appended_ns - _BOOKED_NS or len(self.booked_at) > _BOOKED_MAX
        ):
            del self.booked[self.booked_at.popleft()[1]]

    def _total(self, book: Book, scope: str, symbol: str) -> Total:
        return self.totals.setdefault(total_key(book, scope, symbol), Total())


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


def worst_case(total: Total, side: Side, worth_usd: Decimal, *, price_usd: Decimal) -> Decimal:
    """
    Give the exposure if this order came on top: everything on one side trades, nothing else.

    Args:
        price_usd: what the position is marked at.

    """
    held = total.position * price_usd
    long, short = held + total.buys_usd, total.sells_usd - held
    if side is Side.BUY:
        long += worth_usd
    else:
        short += worth_usd
    return max(long, short)
