"""
The exchange itself: takes orders and cancels, matches, keeps the books.

Reads   its clock
Writes  to its listeners: each order's changes, each fill, each change of a book
Owns    orders and books, in memory
Fails   a refusal is raised before anything has changed

It knows no wire format; a venue's package translates to and from it.
"""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Final, Protocol

from spark import fills
from spark.clock import Clock
from spark.exchanges.simulator.accounts import Account, Movement
from spark.exchanges.simulator.book import Book
from spark.exchanges.simulator.clearing import Clearing, OfWhatIsReceived, Pair, Tariff
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
from spark.exchanges.simulator.register import Register
from spark.fills import Offer

_NS_PER_MS: Final = 1_000_000


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


class OrderListener(Protocol):
    """Someone told of clients' orders as they change; must not block or raise."""

    def order_changed(self, order: Order) -> None:
        """Hear of an order's new state."""

    def filled(self, order: Order, fill: Fill) -> None:
        """Hear of one order's half of a trade."""


class FundsListener(Protocol):
    """Someone told of money that comes or goes without a trade; must not block or raise."""

    def funds_moved(self, account: Account, movement: Movement) -> None:
        """Hear of one deposit or withdrawal."""


class MarketListener(Protocol):
    """Someone told of market changes as they happen; must not block or raise."""

    def traded(self, symbol: str, fill: Fill) -> None:
        """Hear of one trade, as its taker's half."""

    def book_changed(self, book: Book) -> None:
        """Hear that one action changed a book."""


class Venue:
    """One exchange of several symbols."""

    def __init__(
        self,
        pairs: list[Pair],
        *,
        clock: Clock,
        tariff: Tariff | None = None,
        is_client_id_unique: bool = True,
    ) -> None:
        self.clock = clock
        #: Whether a client id is taken while an order rests under it.
        self._is_client_id_unique = is_client_id_unique
        # Ids grow over restarts as a real venue's do, with or without a ledger.
        first_id = clock.wall_ns() // _NS_PER_MS
        self.order_listeners: list[OrderListener] = []
        self.funds_listeners: list[FundsListener] = []
        self.market_listeners: list[MarketListener] = []
        self.books: Final = {pair.symbol: Book(pair.symbol, update_id=first_id) for pair in pairs}
        self.clearing: Final = Clearing(pairs, tariff or OfWhatIsReceived())
        self.register: Final = Register()
        #: Price of the last trade by symbol.
        self.last_price: dict[str, Decimal] = {}
        self._order_id = first_id
        self._trade_id = first_id

    @property
    def house(self) -> Account:
        """The account of the rest of the market."""
        return self.clearing.house

    def place(self, account: Account, terms: Terms) -> Order:
        """
        Accept an order: trade what crosses, rest or expire what is left.

        Raises:
            EngineRefusal: refused; nothing changed.
        """
        book = self.books[terms.symbol]
        key = (terms.symbol, terms.client_id)
        if self._is_client_id_unique and key in account.open_by_client_id:
            raise EngineRefusal(Refused.DUPLICATE)
        meeting = self._meet(terms)
        if meeting.quantity == ZERO:
            raise EngineRefusal(Refused.NOTHING_TO_TRADE)
        asset, amount = self.clearing.needs(terms, meeting.quantity, meeting.parts)
        if not account.can_pay(asset, amount):
            raise EngineRefusal(Refused.INSUFFICIENT_BALANCE)
        order = self._accept(account, terms, meeting.quantity)
        account.lock(asset, amount)
        order.locked = amount
        self._trade(order, meeting)
        if meeting.parts or order.is_alive:
            self._announce(book)
        return order

    def cancel(self, account: Account, order: Order, *, name: str = "") -> Order:
        """
        Cancel a resting order of `account`, which may call the cancel by a name.

        Raises:
            EngineRefusal: it is not resting, or not this account's.
        """
        if order.account is not account or not order.is_alive:
            raise EngineRefusal(Refused.UNKNOWN_ORDER)
        book = self.books[order.terms.symbol]
        book.withdraw(order)
        order.cancel_name = name
        self._close(order, Status.CANCELLED)
        self._announce(book)
        return order

    def move_funds(self, account: Account, asset: str, amount: Decimal) -> None:
        """Deposit, or withdraw what is free; raises `EngineRefusal`."""
        balance = account.balance(asset)
        if balance.free + amount < ZERO:
            raise EngineRefusal(Refused.INSUFFICIENT_BALANCE)
        balance.free += amount
        movement = Movement(asset, amount, self.clock.wall_ns())
        for listener in self.funds_listeners:
            listener.funds_moved(account, movement)

    def spend_order_id(self) -> int:
        """Take the next id of an order, for one that is accepted or refused."""
        self._order_id += 1
        return self._order_id

    def adopt(self, order: Order) -> None:
        """
        Take over an order of an earlier run, as it stood; nobody is told.

        Raises:
            ValueError: its account cannot pay for it.
        """
        self._order_id = max(self._order_id, order.order_id)
        for fill in order.fills:
            self._trade_id = max(self._trade_id, fill.trade_id)
        if order.is_alive:
            asset, order.locked = self.clearing.needs(order.terms, order.remaining, [])
            if not order.account.can_pay(asset, order.locked):
                raise ValueError(f"{order.account.name} cannot pay for an order that it had")
            order.account.lock(asset, order.locked)
            self.books[order.terms.symbol].rest(order)
        self.register.add(order)

    def balances(self, accounts: Iterable[Account]) -> dict[str, dict[str, dict[str, str]]]:
        """Return free and locked amounts by account and asset, to the last decimal."""
        return {
            account.name: {
                asset: {"free": spelled(balance.free), "locked": spelled(balance.locked)}
                for asset, balance in sorted(account.balances.items())
            }
            for account in (*accounts, self.house)
        }

    def _meet(self, terms: Terms) -> fills.Meeting[Order]:
        resting = self.books[terms.symbol].side(fills.opposite(terms.side))
        wanted = fills.Wanted(
            side=terms.side,
            price=terms.price,
            quantity=terms.quantity,
            quote_quantity=terms.quote_quantity,
            time_in_force=terms.time_in_force,
        )
        if terms.kind is Kind.MAKER and fills.crosses(wanted, resting.best()):
            raise EngineRefusal(Refused.WOULD_TRADE)
        step = self.clearing.pairs[terms.symbol].quantity_step
        return fills.meet(wanted, resting.offers(), step=step)

    def _accept(self, account: Account, terms: Terms, quantity: Decimal) -> Order:
        now_ns = self.clock.wall_ns()
        order = Order(self.spend_order_id(), account, terms, now_ns, now_ns, quantity)
        if account is not self.house:
            self.register.add(order)
            self._tell(order)
        return order

    def _trade(self, order: Order, meeting: fills.Meeting[Order]) -> None:
        book = self.books[order.terms.symbol]
        for part in meeting.parts:
            self._settle(book, order, part)
        if meeting.ending is fills.Ending.FILLED:
            self._close(order, Status.FILLED)
        elif meeting.ending is fills.Ending.EXPIRED:
            self._close(order, Status.EXPIRED)
        else:
            if meeting.parts:
                self._progress(order, Status.PARTLY_FILLED)
            book.rest(order)

    def _settle(self, book: Book, taker: Order, part: Offer[Order]) -> None:
        maker = part.maker
        self._trade_id += 1
        self.last_price[book.symbol] = part.price
        taken = self._settle_half(taker, part, is_maker=False)
        self._settle_half(maker, part, is_maker=True)
        book.traded(maker, part.quantity)
        if maker.remaining == ZERO:
            self._close(maker, Status.FILLED)
        else:
            self._progress(maker, Status.PARTLY_FILLED)
        for listener in self.market_listeners:
            listener.traded(book.symbol, taken)

    def _settle_half(self, order: Order, part: Offer[Order], *, is_maker: bool) -> Fill:
        now_ns = self.clock.wall_ns()
        fill = self.clearing.half(
            order, part, is_maker=is_maker, trade_id=self._trade_id, at_ns=now_ns
        )
        self.clearing.settle(order, fill)
        if order.account is not self.house:
            order.fills.append(fill)
            order.account.add_fill(fill)
            for listener in self.order_listeners:
                listener.filled(order, fill)
        return fill

    def _progress(self, order: Order, status: Status) -> None:
        order.status = status
        order.updated_ns = self.clock.wall_ns()
        if order.account is not self.house:
            self._tell(order)

    def _close(self, order: Order, status: Status) -> None:
        assert status not in ALIVE, "closing needs a final status"
        self.clearing.free(order)
        if order.account is not self.house:
            self.register.close(order)
        self._progress(order, status)

    def _announce(self, book: Book) -> None:
        for listener in self.market_listeners:
            listener.book_changed(book)

    def _tell(self, order: Order) -> None:
        for listener in self.order_listeners:
            listener.order_changed(order)
