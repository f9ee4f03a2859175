"""
What the account feed asks beside its comparisons, because it cannot wait for the next one.

Orders without an outcome are looked for at once and again, later each time; so are trades
that were hinted at, fills that the gateway alone tells of, orders that the exchange did not
list, and the names of orders that only a trade speaks of.
"""

from dataclasses import dataclass, field
from typing import Final

from spark.consumers.account_feed_desk import AccountDesk
from spark.ledger.fold import Order
from spark.ledger.reconcile import PROOF_NS
from spark.ledger.reconcile_finds import catch_up, searched, unproven
from spark.names import ClientOrderId, OrderState, Symbol

_NS_PER_S: Final = 1_000_000_000
#: How far before what is known orders and trades are asked for.
_OVERLAP_NS: Final = 60 * _NS_PER_S
#: From one search for an order without an outcome to the next, at most.
_SEARCH_S_MAX: Final = 60
#: The same of trades that were hinted at.
_TRADES_S_MAX: Final = 30
#: Orders of a symbol that are asked for together rather than one by one.
_MANY_MIN: Final = 6


@dataclass(slots=True)
class _Again:
    """When something may be asked again, later each time."""

    times: int = 0
    next_ns: int = 0

    def later(self, now_ns: int, *, seconds_max: int) -> None:
        self.times += 1
        wait_s = min(seconds_max, 2 ** min(self.times, 10) / 4)
        self.next_ns = now_ns + int(wait_s * _NS_PER_S)


@dataclass(slots=True)
class Seeker:
    """The questions of one account that are about something."""

    desk: AccountDesk
    _searches: dict[ClientOrderId, _Again] = field(default_factory=dict)
    _trades: dict[Symbol, _Again] = field(default_factory=dict)

    async def tend(self) -> None:
        """
        Ask what cannot wait for the next comparison.

        Raises:
            VenueUnavailable: no answer now.

        """
        desk, book = self.desk, self.desk.book
        if not desk.connections:
            return
        for symbol in self._wanted_trades():
            asked_ns = await self.fills(symbol)
            self._trades.setdefault(symbol, _Again()).later(self._now(), seconds_max=_TRADES_S_MAX)
            book.heard_ns = desk.clock.wall_ns()
            desk.say(unproven(book, {symbol: asked_ns}))
            desk.say(catch_up(book, {symbol: asked_ns}))
        unknown = {order.client_order_id: order for order in book.unknown()}
        self._searches = {key: one for key, one in self._searches.items() if key in unknown}
        for key, order in unknown.items():
            search = self._searches.setdefault(key, _Again())
            if search.next_ns <= self._now():
                search.later(self._now(), seconds_max=_SEARCH_S_MAX)
                await self._search(order)
        if book.unowned or book.absences:
            await self.singles()

    def _wanted_trades(self) -> list[Symbol]:
        """Name symbols of which trades were hinted at, or only told by the gateway (S9)."""
        desk, book = self.desk, self.desk.book
        wall_ns, now_ns = desk.clock.wall_ns(), self._now()
        orders = (book.orders.by_id.get(key) for key in book.due)
        wanted = {order.symbol for order in orders if order is not None}
        wanted |= {
            proof.fill.symbol
            for proof in book.unproven.values()
            if proof.appended_ns + PROOF_NS < wall_ns
        }
        self._trades = {symbol: one for symbol, one in self._trades.items() if symbol in wanted}
        return [
            symbol
            for symbol in sorted(wanted & desk.pairs.keys())
            if symbol not in self._trades or self._trades[symbol].next_ns <= now_ns
        ]

    async def _search(self, order: Order) -> None:
        """Look for an order without an outcome wherever it may be (A8); never send it again."""
        desk, key = self.desk, order.client_order_id
        opened = await desk.asker.open_orders(order.symbol)
        desk.learn(opened.value, is_asked=True)
        if not _is_found(order):
            since_ns = opened.theirs.asked_ns - (desk.clock.wall_ns() - order.changed_ns)
            orders = await desk.asker.orders(order.symbol, since_ns - _OVERLAP_NS)
            desk.learn(orders.value, is_asked=True)
        if not _is_found(order):
            await self.fills(order.symbol)
        if not _is_found(order):
            desk.say(searched(desk.book, key, at_ns=desk.clock.wall_ns()))

    async def fills(self, symbol: Symbol) -> int:
        """Ask for a symbol's trades and learn them; returns when they were asked for."""
        desk, book = self.desk, self.desk.book
        moments = [proof.appended_ns for proof in book.unproven.values()]
        moments += [order.changed_ns for order in book.unknown()]
        moments.append(book.funds.cut_ns or desk.clock.wall_ns())
        found = await desk.asker.fills(symbol, min(moments) - _OVERLAP_NS)
        desk.learn(found.value, is_asked=True)
        return found.ours.asked_ns

    async def singles(self) -> None:
        """Ask for single orders: those not listed, and those of trades without a name."""
        desk, book = self.desk, self.desk.book
        for key, symbol in list(book.unowned.items()):
            found = await desk.asker.order(symbol, key)
            desk.learn(found.value, is_asked=True)
            book.unowned.pop(key, None)
        await self._many()
        for order_id, absence in list(book.absences.items()):
            order = book.orders.by_id.get(order_id)
            if order is None or absence.is_asked:
                continue
            found = await desk.asker.order(order.symbol, order.exchange_order_id, order_id)
            desk.learn(found.value, is_asked=True)
            absence.is_asked = not found.value

    async def _many(self) -> None:
        """Ask once for a symbol of which many orders were not listed: one by one costs more."""
        desk, book = self.desk, self.desk.book
        missing: dict[Symbol, list[int]] = {}
        for order_id, absence in book.absences.items():
            order = book.orders.by_id.get(order_id)
            if order is not None and not absence.is_asked:
                missing.setdefault(order.symbol, []).append(order.changed_ns)
        for symbol, changed in missing.items():
            if len(changed) >= _MANY_MIN:
                orders = await desk.asker.orders(symbol, min(changed) - _OVERLAP_NS)
                desk.learn(orders.value, is_asked=True)
                alive = {order.client_order_id for order in book.alive()}
                book.absences = {k: one for k, one in book.absences.items() if k in alive}

    def _now(self) -> int:
        return self.desk.clock.monotonic_ns()


def _is_found(order: Order) -> bool:
    return order.state is not OrderState.UNKNOWN
