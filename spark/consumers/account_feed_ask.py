"""
An account's questions to its exchange: one at a time, paid for before they are asked.

One at a time because a stamp that overtakes another is refused (R12); whoever logs in waits
for its turn as a question does. What the exchange asks to stay away is kept to before anything
is signed, so that no signature grows old in a queue.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Generic, TypeVar

from spark.clock import Clock
from spark.consumers.read_key import ReadKey, Signs
from spark.errors import VenueUnavailable
from spark.exchanges.port import (
    AccountVenue,
    Asked,
    BalanceSeen,
    FillSeen,
    OrderSeen,
    PrivateStream,
    Question,
    SignedRequest,
)
from spark.ledger.budget import Window
from spark.ledger.reconcile_funds import Span
from spark.names import AccountId, ClientOrderId, Symbol

_T = TypeVar("_T")
_NS_PER_S: Final = 1e9
#: Answers to page through for the trades of one symbol, at once.
_PAGES_MAX: Final = 50
#: A page of fewer is the last one, at every exchange.
_PAGE_MIN: Final = 100
_NO_SYMBOL: Final = Symbol("")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEnds:
    """One account's ways to its exchange, and its habits."""

    account: AccountId
    venue: AccountVenue
    stream: PrivateStream
    symbols: tuple[Symbol, ...]
    #: What a question costs of `weight_per_minute`.
    cost_of: Callable[[Asked], int]
    #: Of the exchange's, what this account's questions may spend.
    weight_per_minute: int
    #: Whether trades can be asked for after the last known one; else by time, with an overlap.
    pages_by_id: bool
    has_fees: bool


@dataclass(frozen=True, slots=True)
class Answered(Generic[_T]):
    """An answer, with when it was asked for and given: by our clock, and by the exchange's."""

    value: _T
    ours: Span
    theirs: Span


class Asker:
    """Asks for one account."""

    def __init__(self, ends: AccountEnds, signer: Signs, clock: Clock) -> None:
        self._ends = ends
        self._key = ReadKey(signer, clock)
        self._clock = clock
        self._spent = Window(ends.weight_per_minute)
        self._turn = asyncio.Lock()
        self._is_logging_in = False
        #: Monotonic time before which nothing is asked.
        self._away_until_ns = 0
        #: The last one that was signed, for whoever hears that it was refused.
        self._login: SignedRequest | None = None
        self._last_ids: dict[Symbol, int] = {}

    async def open_orders(self, symbol: Symbol = _NO_SYMBOL) -> Answered[tuple[OrderSeen, ...]]:
        """Ask for what is alive, of all symbols or of one; raises VenueUnavailable, as all here."""
        asked = self._asked(Question.OPEN_ORDERS, symbol=symbol)
        return await self._ask(asked, self._ends.venue.orders)

    async def orders(
        self, symbol: Symbol, since_ns: int, *, after_id: str = "", pages_max: int = _PAGES_MAX
    ) -> Answered[tuple[OrderSeen, ...]]:
        """
        Ask for a symbol's orders in any state since a time, or from an order of the exchange's on.

        The spans are the first page's. An exchange without pages begins where it does by itself.
        """
        first: Answered[tuple[OrderSeen, ...]] | None = None
        found: dict[str, OrderSeen] = {}
        for _ in range(pages_max):
            asked = self._asked(
                Question.ORDERS,
                symbol=symbol,
                since_ns=0 if after_id else since_ns,
                exchange_order_id=after_id,
            )
            page = await self._ask(asked, self._ends.venue.orders)
            first = first or page
            new = {one.exchange_order_id: one for one in page.value}
            is_more = len(new) >= _PAGE_MIN and not new.keys() <= found.keys()
            found |= new
            numbers = [int(name) for name in new if name.isascii() and name.isdigit()]
            if not (self._ends.pages_by_id and is_more and numbers):
                break
            after_id = str(max(numbers))
        assert first is not None, "at least one page was asked for"
        return Answered(tuple(found.values()), first.ours, first.theirs)

    async def order(
        self, symbol: Symbol, exchange_order_id: str, client_order_id: str = ""
    ) -> Answered[tuple[OrderSeen, ...]]:
        """Ask for one order."""
        asked = self._asked(
            Question.ORDER,
            symbol=symbol,
            exchange_order_id=exchange_order_id,
            client_order_id=client_order_id,
        )
        return await self._ask(asked, self._ends.venue.orders)

    async def fills(self, symbol: Symbol, since_ns: int) -> Answered[tuple[FillSeen, ...]]:
        """
        Ask for a symbol's trades since a time, or those after the last that was told.

        The spans are those of the first question: what traded before it left is in there.
        """
        first: Answered[tuple[FillSeen, ...]] | None = None
        # An id and an order: both halves of a trade may be the account's own.
        found: dict[tuple[str, str], FillSeen] = {}
        for _ in range(_PAGES_MAX):
            last = self._last_ids.get(symbol)
            after_id = "" if last is None else str(last)
            asked = self._asked(
                Question.FILLS,
                symbol=symbol,
                after_id=after_id,
                since_ns=0 if after_id else since_ns,
            )
            page = await self._ask(asked, self._ends.venue.fills)
            first = first or page
            told = {(one.trade_id, one.exchange_order_id): one for one in page.value}
            new = {key: one for key, one in told.items() if key not in found}
            found |= new
            if not self._ends.pages_by_id:
                break
            numbers = [int(name) for name, _ in new if name.isascii() and name.isdigit()]
            if numbers:
                self._last_ids[symbol] = max(numbers)
            if len(new) < _PAGE_MIN:
                break
        assert first is not None, "at least one page was asked for"
        return Answered(tuple(found.values()), first.ours, first.theirs)

    async def balances(self) -> Answered[tuple[BalanceSeen, ...]]:
        """Ask for the balances."""
        return await self._ask(self._asked(Question.BALANCES), self._ends.venue.balances)

    async def fees(self, symbol: Symbol) -> Answered[tuple[Decimal, Decimal]]:
        """Ask for what trading a symbol costs."""
        asked = self._asked(Question.FEES, symbol=symbol)
        return await self._ask(asked, self._ends.venue.fees)

    async def login(self) -> SignedRequest:
        """
        Have a login signed, and hold every question back until it is answered.

        Raises:
            VenueUnavailable: not now.

        """
        await self._turn.acquire()
        self._is_logging_in = True
        asked = self._asked(Question.LOGIN)
        await self._wait(asked)
        self._login = await self._key.ask(asked)
        return self._login

    def login_refused(self) -> None:
        """Take note that the exchange refused the key of the last login."""
        if self._login is not None:
            self._key.refused(self._login)

    def logged_in(self) -> None:
        """Let questions go on: the login was answered, or failed; idempotent."""
        if self._is_logging_in:
            self._is_logging_in = False
            self._turn.release()

    def stay_away(self, seconds: float) -> None:
        """Ask nothing for so long; the exchange said so."""
        until_ns = self._clock.monotonic_ns() + int(seconds * _NS_PER_S)
        self._away_until_ns = max(self._away_until_ns, until_ns)

    def _asked(
        self,
        question: Question,
        *,
        symbol: Symbol = _NO_SYMBOL,
        since_ns: int = 0,
        exchange_order_id: str = "",
        client_order_id: str = "",
        after_id: str = "",
    ) -> Asked:
        return Asked(
            question=question,
            account=self._ends.account,
            symbol=symbol,
            client_order_id=ClientOrderId(client_order_id),
            exchange_order_id=exchange_order_id,
            since_ns=max(0, since_ns),
            after_id=after_id,
        )

    async def _ask(
        self, asked: Asked, send: Callable[[SignedRequest], Awaitable[_T]]
    ) -> Answered[_T]:
        async with self._turn:
            await self._wait(asked)
            request = await self._key.ask(asked)
            asked_ns, began_ns = self._clock.wall_ns(), self._clock.monotonic_ns()
            try:
                value = await send(request)
            except VenueUnavailable as error:
                self.stay_away(error.retry_after_s)
                if error.is_key_refused:
                    self._key.refused(request)
                raise
            took_ns = self._clock.monotonic_ns() - began_ns
            ours = Span(asked_ns, asked_ns + took_ns)
            # The stamp is the exchange's time of a moment ago; the rest took as long there.
            theirs = Span(request.stamp_ns, request.stamp_ns + took_ns)
            return Answered(value, ours, theirs)

    async def _wait(self, asked: Asked) -> None:
        cost = self._ends.cost_of(asked)
        while True:
            now_ns = self._clock.monotonic_ns()
            wait_ns = self._away_until_ns - now_ns
            if wait_ns <= 0:
                wait_ns = self._spent.wait_ns(cost, now_ns)
            if wait_ns <= 0:
                self._spent.spend(cost, now_ns)
                return
            await asyncio.sleep(wait_ns / _NS_PER_S)
