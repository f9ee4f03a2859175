"""
The exchange itself: takes orders and cancels, settles trades, keeps the books.

Reads   its clock
Writes  to its listeners: each order's changes, each fill, each change of a book
Owns    accounts, orders and books, in memory
Fails   a refusal is raised before anything has changed

It knows no wire format; a venue's package translates to and from it.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Final, Protocol

from spark.clock import Clock
from spark.exchanges.simulator.accounts import Account
from spark.exchanges.simulator.book import Book
from spark.exchanges.simulator.matching import Match, crosses, plan
from spark.exchanges.simulator.orders import (
    ALIVE,
    ZERO,
    Fill,
    Kind,
    Order,
    Status,
    Terms,
    spelled,
)
from spark.names import Side, TimeInForce

#: Closed orders kept for queries; past it the venue forgets the oldest.
CLOSED_ORDERS_MAX: Final = 200_000
_NS_PER_MS: Final = 1_000_000
COMMISSION_RATE: Final = Decimal("0.001")
COMMISSION_STEP: Final = Decimal("0.00000001")
#: The counterparty of every client: the rest of the market.
HOUSE: Final = "house"


class Refused(StrEnum):
    """Why the matching engine refuses."""

    DUPLICATE = "duplicate"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    WOULD_TRADE = "would_trade"
    UNKNOWN_ORDER = "unknown_order"
    NOTHING_TO_TRADE = "nothing_to_trade"


class EngineRefusal(Exception):  # noqa: N818  (a refusal, not a failure)
    """The matching engine refused; nothing changed."""

    def __init__(self, reason: Refused) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Pair:
    """What trades against what, in which steps."""

    symbol: str
    base: str
    quote: str
    quantity_step: Decimal


class OrderListener(Protocol):
    """Someone told of clients' orders as they change; must not block or raise."""

    def order_changed(self, order: Order) -> None:
        """Hear of an order's new state."""

    def filled(self, order: Order, fill: Fill) -> None:
        """Hear of one order's half of a trade."""


class MarketListener(Protocol):
    """Someone told of market changes as they happen; must not block or raise."""

    def traded(self, symbol: str, fill: Fill) -> None:
        """Hear of one trade, as its taker's half."""

    def book_changed(self, book: Book) -> None:
        """Hear that one action changed a book."""


class Venue:
    """One exchange of several symbols."""

    def __init__(self, pairs: list[Pair], *, clock: Clock) -> None:
        self.clock = clock
        # Ids grow over restarts as a real venue's do, with or without a ledger.
        first_id = clock.wall_ns() // _NS_PER_MS
        self.order_listeners: list[OrderListener] = []
        self.market_listeners: list[MarketListener] = []
        self.pairs: Final = {pair.symbol: pair for pair in pairs}
        self.books: Final = {pair.symbol: Book(pair.symbol, update_id=first_id) for pair in pairs}
        self.house: Final = Account(HOUSE, may_owe=True)
        #: Commissions taken, by asset.
        self.earned: dict[str, Decimal] = {}
        #: Price of the last trade by symbol.
        self.last_price: dict[str, Decimal] = {}
        self.orders: dict[int, Order] = {}
        self._closed: deque[int] = deque()
        self._order_id = first_id
        self._trade_id = first_id

    def place(self, account: Account, terms: Terms) -> Order:
        """
        Accept an order: trade what crosses, rest or expire what is left.

        Raises:
            EngineRefusal: refused; nothing changed.
        """
        pair, book = self.pairs[terms.symbol], self.books[terms.symbol]
        key = (terms.symbol, terms.client_id)
        if key in account.open_by_client_id:
            raise EngineRefusal(Refused.DUPLICATE)
        if terms.kind is Kind.MAKER and crosses(book, terms):
            raise EngineRefusal(Refused.WOULD_TRADE)
        matches = plan(book, terms, step=pair.quantity_step) if crosses(book, terms) else []
        quantity = terms.quantity
        if quantity is None:
            quantity = sum((match.quantity for match in matches), ZERO)
            if quantity == ZERO:
                raise EngineRefusal(Refused.NOTHING_TO_TRADE)
        asset, amount = self._needs(terms, matches, quantity)
        if not account.can_pay(asset, amount):
            raise EngineRefusal(Refused.INSUFFICIENT_BALANCE)
        order = self._accept(account, terms, quantity)
        account.lock(asset, amount)
        order.locked = amount
        self._trade(order, matches)
        if matches or order.is_alive:
            self._announce(book)
        return order

    def cancel(self, account: Account, order: Order) -> Order:
        """
        Cancel a resting order of `account`.

        Raises:
            EngineRefusal: it is not resting, or not this account's.
        """
        if order.account is not account or not order.is_alive:
            raise EngineRefusal(Refused.UNKNOWN_ORDER)
        book = self.books[order.terms.symbol]
        book.withdraw(order)
        self._close(order, Status.CANCELLED)
        self._announce(book)
        return order

    def find(
        self, account: Account, symbol: str, *, order_id: int | None, client_id: str | None
    ) -> Order | None:
        """Find an order of `account` by venue id, client id, or both agreeing."""
        if order_id is None:
            assert client_id is not None, "one of the ids is given"
            return account.latest_by_client_id.get((symbol, client_id))
        order = self.orders.get(order_id)
        if order is None or order.account is not account or order.terms.symbol != symbol:
            return None
        return None if client_id not in (None, order.terms.client_id) else order

    def open_orders(self, account: Account, symbol: str | None) -> list[Order]:
        """List resting orders, oldest first."""
        return [
            order
            for order in account.open_by_client_id.values()
            if symbol is None or order.terms.symbol == symbol
        ]

    def fills(self, account: Account, symbol: str) -> list[Fill]:
        """List an account's fills in one symbol, oldest first."""
        return list(account.fills.get(symbol, ()))

    def adopt(self, order: Order) -> None:
        """
        Take over an order of an earlier run, as it stood; nobody is told.

        Raises:
            ValueError: its account cannot pay for it.
        """
        account, terms = order.account, order.terms
        key = (terms.symbol, terms.client_id)
        self.orders[order.order_id] = order
        account.latest_by_client_id[key] = order
        self._order_id = max(self._order_id, order.order_id)
        for fill in order.fills:
            self._trade_id = max(self._trade_id, fill.trade_id)
        if not order.is_alive:
            self._closed.append(order.order_id)
            self._forget()
            return
        asset, order.locked = self._needs(terms, [], order.remaining)
        if not account.can_pay(asset, order.locked):
            raise ValueError(f"{account.name} cannot pay for an order that it had")
        account.open_by_client_id[key] = order
        account.open_counts[terms.symbol] = account.open_count(terms.symbol) + 1
        account.lock(asset, order.locked)
        self.books[terms.symbol].rest(order)

    def balances(self, accounts: Iterable[Account]) -> dict[str, dict[str, dict[str, str]]]:
        """Return free and locked amounts by account and asset, to the last decimal."""
        return {
            account.name: {
                asset: {"free": spelled(balance.free), "locked": spelled(balance.locked)}
                for asset, balance in sorted(account.balances.items())
            }
            for account in (*accounts, self.house)
        }

    def _needs(self, terms: Terms, matches: list[Match], quantity: Decimal) -> tuple[str, Decimal]:
        pair = self.pairs[terms.symbol]
        if terms.side is Side.SELL:
            return pair.base, quantity
        if terms.price is not None:
            return pair.quote, terms.price * quantity
        return pair.quote, sum((match.price * match.quantity for match in matches), ZERO)

    def _accept(self, account: Account, terms: Terms, quantity: Decimal) -> Order:
        self._order_id += 1
        now_ns = self.clock.wall_ns()
        order = Order(self._order_id, account, terms, now_ns, now_ns, quantity)
        if account is not self.house:
            self.orders[order.order_id] = order
            key = (terms.symbol, terms.client_id)
            account.latest_by_client_id[key] = order
            account.open_by_client_id[key] = order
            account.open_counts[terms.symbol] = account.open_count(terms.symbol) + 1
            self._tell(order)
        return order

    def _trade(self, order: Order, matches: list[Match]) -> None:
        book, terms = self.books[order.terms.symbol], order.terms
        is_all = sum((match.quantity for match in matches), ZERO) == order.quantity
        if terms.time_in_force is TimeInForce.FOK and not is_all:
            self._close(order, Status.EXPIRED)
            return
        for match in matches:
            self._settle(book, order, match)
        if order.remaining == ZERO:
            self._close(order, Status.FILLED)
        elif terms.kind is Kind.MARKET or terms.time_in_force is TimeInForce.IOC:
            self._close(order, Status.EXPIRED)
        else:
            if matches:
                self._progress(order, Status.PARTLY_FILLED)
            book.rest(order)

    def _settle(self, book: Book, taker: Order, match: Match) -> None:
        self._trade_id += 1
        self.last_price[book.symbol] = match.price
        taken = self._book_fill(taker, match, is_maker=False)
        made = self._book_fill(match.maker, match, is_maker=True)
        book.traded(match.maker, match.quantity)
        for order, fill in ((taker, taken), (match.maker, made)):
            if order.account is not self.house:
                order.fills.append(fill)
                order.account.add_fill(fill)
                for listener in self.order_listeners:
                    listener.filled(order, fill)
        if match.maker.remaining == ZERO:
            self._close(match.maker, Status.FILLED)
        else:
            self._progress(match.maker, Status.PARTLY_FILLED)
        for watcher in self.market_listeners:
            watcher.traded(book.symbol, taken)

    def _book_fill(self, order: Order, match: Match, *, is_maker: bool) -> Fill:
        pair, account = self.pairs[order.terms.symbol], order.account
        is_buyer = order.terms.side is Side.BUY
        quote = match.price * match.quantity
        paid_asset, paid = (pair.quote, quote) if is_buyer else (pair.base, match.quantity)
        got_asset, got = (pair.base, match.quantity) if is_buyer else (pair.quote, quote)
        # A buyer's lock is at its own limit; what a better price saves is freed.
        unlocked = paid
        if is_buyer and order.terms.price is not None:
            unlocked = order.terms.price * match.quantity
        commission = ZERO
        if account is not self.house:
            commission = (got * COMMISSION_RATE).quantize(COMMISSION_STEP, ROUND_DOWN)
            self.earned[got_asset] = self.earned.get(got_asset, ZERO) + commission
        order.locked -= unlocked
        account.release(paid_asset, unlocked)
        account.balance(paid_asset).free -= paid
        account.balance(got_asset).free += got - commission
        order.executed += match.quantity
        order.executed_quote += quote
        return Fill(
            trade_id=self._trade_id,
            order_id=order.order_id,
            symbol=pair.symbol,
            is_buyer=is_buyer,
            is_maker=is_maker,
            price=match.price,
            quantity=match.quantity,
            quote=quote,
            commission=commission,
            commission_asset=got_asset,
            at_ns=self.clock.wall_ns(),
        )

    def _progress(self, order: Order, status: Status) -> None:
        order.status = status
        order.updated_ns = self.clock.wall_ns()
        if order.account is not self.house:
            self._tell(order)

    def _close(self, order: Order, status: Status) -> None:
        assert status not in ALIVE, "closing needs a final status"
        pair, account = self.pairs[order.terms.symbol], order.account
        account.release(pair.quote if order.terms.side is Side.BUY else pair.base, order.locked)
        order.locked = ZERO
        if account is not self.house:
            del account.open_by_client_id[order.terms.symbol, order.terms.client_id]
            account.open_counts[order.terms.symbol] -= 1
            self._closed.append(order.order_id)
            self._forget()
        self._progress(order, status)

    def _forget(self) -> None:
        while len(self._closed) > CLOSED_ORDERS_MAX:
            order = self.orders.pop(self._closed.popleft())
            key = (order.terms.symbol, order.terms.client_id)
            latest = order.account.latest_by_client_id
            if latest.get(key) is order:
                del latest[key]

    def _announce(self, book: Book) -> None:
        for listener in self.market_listeners:
            listener.book_changed(book)

    def _tell(self, order: Order) -> None:
        for listener in self.order_listeners:
            listener.order_changed(order)
