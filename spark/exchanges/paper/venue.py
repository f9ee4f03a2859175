"""
An exchange on paper: takes orders, fills them from the live market, sends nothing.

It answers with the evidence that an exchange gives, under ids of its own, and knows no
more than stands on the log: a resting order is one that `orders.events` shows as alive
on paper, so a restart forgets nothing but its place in the queue. How it fills, and what
it takes for granted: spark/fills.py, runbook/decisions/0011-paper-fills.md.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from spark.clock import Clock
from spark.events import Evidence
from spark.events.market import TradeRow
from spark.exchanges.book import Book
from spark.exchanges.paper import evidence as words
from spark.exchanges.paper.market import PaperMarket
from spark.exchanges.port import About, Answer, LastCheck, NotSentError, Outcome, SignedRequest
from spark.exchanges.proof import expired
from spark.fills import (
    ZERO,
    Ending,
    Offer,
    Print,
    Resting,
    Wanted,
    meet,
    opposite,
    pressed,
    printed,
)
from spark.ledger.fold import Order, Orders
from spark.ledger.orders import CLOSED
from spark.names import ClientOrderId, OrderState, Side, Symbol, TimeInForce, TradingMode

#: How long a place waits for a market that is only now being followed.
_BOOK_WAIT_S: Final = 0.5
_ALIVE: Final = frozenset({OrderState.SUBMITTED, OrderState.PARTIALLY_FILLED})


@dataclass(slots=True)
class _Wait:
    """A resting order's place in the queue."""

    #: Quantity before it at its price; None until a book shows it.
    ahead: Decimal | None
    #: Only what the market did after this fills it.
    since_ns: int


class PaperVenue:
    """
    One account's orders on paper.

    Args:
        market: the account's exchange, live.
        orders: the account's orders as its gateway folds them.
        say: writes evidence down, and folds it at once.
        rate: fee of maker and taker, a fraction.

    """

    def __init__(
        self,
        market: PaperMarket,
        orders: Orders,
        *,
        say: Callable[[Sequence[Evidence]], None],
        rate: Decimal,
        clock: Clock,
    ) -> None:
        self._market = market
        self._orders = orders
        self._say = say
        self._rate = rate
        self._clock = clock
        self._waits: dict[Symbol, dict[ClientOrderId, _Wait]] = {}
        market.listeners.append(self)
        self._adopt()

    async def place(self, request: SignedRequest, about: About, check: LastCheck) -> Outcome:
        """Carry out a place as the market stands; raises NotSentError as a sending venue does."""
        del request  # signed with a key that opens nothing; not a byte of it leaves
        await self._wait_for_book(about.symbol)
        if not check():
            raise NotSentError
        now_ns = self._clock.wall_ns()
        book = self._market.book(about.symbol, now_ns)
        terms = self._terms(about.symbol)
        if book is None or terms is None:
            code = words.NO_BOOK if book is None else words.NO_INSTRUMENT
            return Outcome(
                answer=Answer.REJECTED, evidence=(words.rejected(about, code, at_ns=now_ns),)
            )
        evidence = (words.acked(about, at_ns=now_ns), *self._carry_out(about, book, terms))
        return Outcome(answer=Answer.DEFINITE, evidence=evidence)

    async def cancel(self, request: SignedRequest, about: About, check: LastCheck) -> Outcome:
        """Take a resting order back; raises as `place`."""
        del request
        if not check():
            raise NotSentError
        now_ns = self._clock.wall_ns()
        order = self._alive(about.client_order_id)
        if order is None:
            refused = words.cancel_rejected(about, at_ns=now_ns)
            return Outcome(answer=Answer.REJECTED, evidence=(refused,))
        self._waits.get(order.symbol, {}).pop(order.client_order_id, None)
        cancelled = words.cancelled(about, filled=order.filled, at_ns=now_ns)
        return Outcome(answer=Answer.DEFINITE, evidence=(cancelled,))

    async def query(self, request: SignedRequest, about: About) -> Outcome:
        """Say what stands on the log; what does not was never here."""
        del request
        order = self._orders.by_id.get(about.client_order_id)
        if order is None or not order.exchange_order_id:
            return Outcome(answer=Answer.ABSENT)
        acked = words.acked(about, at_ns=self._clock.wall_ns(), is_asked=True)
        return Outcome(answer=Answer.DEFINITE, evidence=(acked,))

    async def close(self) -> None:
        """Listen no more."""
        with suppress(ValueError):
            self._market.listeners.remove(self)

    def moved(self, symbol: Symbol) -> None:
        """Fill what a book that moved through its price fills."""
        book = self._market.book(symbol, self._clock.wall_ns())
        if book is None:
            return
        for order, wait in self._queue(symbol):
            resting = self._resting(order, wait, book)
            if resting is None or book.heard_ns <= wait.since_ns:
                continue
            side = opposite(resting.side)
            after, parts = pressed(resting, book.offers(side))
            for part in parts:
                # What filled one order fills no other.
                book.take(side, part.price, part.quantity)
            self._fill(order, wait, after=after, quantity=resting.left - after.left)

    def traded(self, symbol: Symbol, trade: TradeRow) -> None:
        """Fill what a public trade fills, the best-priced and oldest order first."""
        received_ns, _, _, price, quantity, is_bid_hit = trade
        now_ns = self._clock.wall_ns()
        rest = Decimal(quantity)
        for order, wait in self._queue(symbol):
            resting = self._resting(order, wait, self._market.book(symbol, now_ns))
            if resting is None or received_ns <= wait.since_ns:
                continue
            print_ = Print(Decimal(price), rest, bool(is_bid_hit))
            after, filled = printed(resting, print_)
            self._fill(order, wait, after=after, quantity=filled)
            rest -= filled

    def _adopt(self) -> None:
        """Take over what the log shows as resting on paper."""
        now_ns = self._clock.wall_ns()
        for key, order in self._orders.by_id.items():
            if order.mode is TradingMode.PAPER and order.state in _ALIVE:
                self._waits.setdefault(order.symbol, {})[key] = _Wait(None, now_ns)
                self._market.wanted.set()

    async def _wait_for_book(self, symbol: Symbol) -> None:
        self._market.wanted.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_BOOK_WAIT_S):
                while (
                    self._market.book(symbol, self._clock.wall_ns()) is None
                    or symbol not in self._market.instruments
                ):
                    await self._market.heard()

    def _carry_out(self, about: About, book: Book, terms: words.Terms) -> list[Evidence]:
        """Take what the book offers; the rest waits or ends."""
        assert about.side is not None, "a place says on which side"
        against = opposite(about.side)
        wanted = Wanted(
            side=about.side,
            price=about.price,
            quantity=about.quantity,
            # Of a market order nothing rests, whatever is said here.
            time_in_force=about.time_in_force or TimeInForce.IOC,
        )
        met = meet(wanted, book.offers(against))
        now_ns = self._clock.wall_ns()
        said: list[Evidence] = []
        before = ZERO
        for part in met.parts:
            # Gone for the next order too, until the exchange says something new of the level.
            book.take(against, part.price, part.quantity)
            said.append(words.filled(about, part, before=before, terms=terms, at_ns=now_ns))
            before += part.quantity
        if met.ending is Ending.EXPIRED:
            said.append(expired(about, filled=before, exchange_ns=now_ns))
        elif met.ending is Ending.RESTS:
            assert about.price is not None, "only a limit rests"
            wait = _Wait(book.quantity_at(about.side, about.price), now_ns)
            self._waits.setdefault(about.symbol, {})[about.client_order_id] = wait
        return said

    def _alive(self, key: ClientOrderId) -> Order | None:
        order = self._orders.by_id.get(key)
        if order is None or order.state not in _ALIVE or order.mode is not TradingMode.PAPER:
            return None
        return order

    def _queue(self, symbol: Symbol) -> list[tuple[Order, _Wait]]:
        """List the resting orders of a symbol, the best price of each side first."""
        waits = self._waits.get(symbol)
        if not waits or self._terms(symbol) is None:
            return []
        found: list[tuple[Order, _Wait]] = []
        for key, wait in list(waits.items()):
            order = self._orders.by_id.get(key)
            if order is None or order.state in CLOSED:
                del waits[key]
            elif order.state in _ALIVE:
                # Before its acknowledgement stands on the log it rests nowhere.
                found.append((order, wait))
        return sorted(found, key=lambda one: _eagerness(one[0]))

    def _resting(self, order: Order, wait: _Wait, book: Book | None) -> Resting | None:
        if order.price is None or order.side is None:
            return None
        if wait.ahead is None:
            if book is None:
                return None
            # After a restart nobody knows its place: behind everything that is there now.
            wait.ahead = book.quantity_at(order.side, order.price)
        left = order.quantity - order.filled
        return Resting(side=order.side, price=order.price, left=left, ahead=wait.ahead)

    def _fill(self, order: Order, wait: _Wait, *, after: Resting, quantity: Decimal) -> None:
        terms = self._terms(order.symbol)
        wait.ahead = after.ahead
        if quantity and terms is not None:
            about = words.about_of(order, TradingMode.PAPER)
            part = Offer(after.price, quantity, None)
            now_ns = self._clock.wall_ns()
            self._say([words.filled(about, part, before=order.filled, terms=terms, at_ns=now_ns)])

    def _terms(self, symbol: Symbol) -> words.Terms | None:
        instrument = self._market.instruments.get(symbol)
        return None if instrument is None else words.Terms(instrument, self._rate)


def _eagerness(order: Order) -> Decimal:
    price = order.price or ZERO
    return -price if order.side is Side.BUY else price
