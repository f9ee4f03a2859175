"""
Comparing one account with its exchange: at start, after each reconnect, and ever again (A9).

One task asks everything, one question after another: the comparison when it is due, and in
between whatever cannot wait for it - orders without an outcome, trades that were hinted at,
fills that only the gateway tells of, orders that the exchange did not list.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from spark.consumers.account_feed_desk import AccountDesk
from spark.errors import VenueUnavailable
from spark.exchanges.port import OrderSeen
from spark.ledger.fold import Order
from spark.ledger.reconcile import PROOF_NS
from spark.ledger.reconcile_finds import catch_up, searched, unproven
from spark.ledger.reconcile_look import Look, again, compare, reconciled
from spark.log import logger
from spark.names import ClientOrderId, OrderState, Symbol
from spark.worker.retry import Schedule, draw

_NS_PER_S: Final = 1_000_000_000
#: From one look around to the next, where nothing calls.
_IDLE_S: Final = 0.5
_GATHER_S: Final = 0.05
#: After a look that proved nothing yet.
_UNSURE_S: Final = 1.2
#: How far before what is known orders and trades are asked for.
_OVERLAP_NS: Final = 60 * _NS_PER_S
#: How far back orders are asked for at a start: what closed before is remembered by nobody.
_BACK_NS: Final = 600 * _NS_PER_S
#: From one search for an order without an outcome to the next, at most.
_SEARCH_S_MAX: Final = 60
#: The same of trades that were hinted at.
_TRADES_S_MAX: Final = 30
#: Instruments are waited for at a start, but not for ever: one may not be traded at all.
_PAIRS_NS: Final = 10 * _NS_PER_S
_FEES_NS: Final = 3600 * _NS_PER_S
_SCHEDULE: Final = Schedule(pause_s_max=30.0)


@dataclass(slots=True)
class _Again:
    """When something may be asked again, later each time."""

    times: int = 0
    next_ns: int = 0

    def later(self, now_ns: int, *, seconds_max: int) -> None:
        self.times += 1
        wait_s = min(seconds_max, 2 ** min(self.times, 10) / 4)
        self.next_ns = now_ns + int(wait_s * _NS_PER_S)


@dataclass(slots=True, kw_only=True)
class Looker:
    """All that is asked for one account."""

    desk: AccountDesk
    period_s: float
    _next_ns: int = 0
    _began_ns: int = 0
    #: Of which connection the last comparison was, come of it what may.
    _tried: int = 0
    _failures: int = 0
    _fees_ns: int = 0
    _searches: dict[ClientOrderId, _Again] = field(default_factory=dict)
    _trades: dict[Symbol, _Again] = field(default_factory=dict)

    async def run(self) -> None:
        """Ask until cancelled."""
        desk = self.desk
        self._began_ns = desk.clock.monotonic_ns()
        while True:
            desk.attention.clear()
            desk.hear_words()
            try:
                if self._is_due():
                    await self._reconcile()
                await self._tend()
                self._failures = 0
            except VenueUnavailable as error:
                self._failures += 1
                pause_s = _SCHEDULE.pause_s(self._failures, chance=draw())
                self._next_ns = self._now() + int(pause_s * _NS_PER_S)
                logger().warning("account_not_asked", account=desk.ends.account, why=str(error))
                await asyncio.sleep(min(pause_s, _SCHEDULE.pause_s_max))
                continue
            await self._idle()

    async def _idle(self) -> None:
        try:
            async with asyncio.timeout(_IDLE_S):
                await self.desk.attention.wait()
            # Whatever comes together is looked at together.
            await asyncio.sleep(_GATHER_S)
        except TimeoutError:
            return

    def _is_due(self) -> bool:
        desk, now_ns = self.desk, self._now()
        if not desk.pairs or (
            len(desk.pairs) < len(desk.ends.symbols) and now_ns - self._began_ns < _PAIRS_NS
        ):
            return False
        if desk.is_connected and desk.connections != self._tried:
            return True
        # While the stream is away nothing can be reconciled, but much can be learnt.
        return bool(desk.connections) and now_ns >= self._next_ns

    async def _reconcile(self) -> None:
        """
        Ask everything and compare.

        Raises:
            VenueUnavailable: something had no answer; nothing was compared.

        """
        desk, book = self.desk, self.desk.book
        connection, doubted = desk.connections, book.doubted
        self._tried = connection
        asked_ns = desk.clock.wall_ns()
        opened = await desk.asker.open_orders()
        desk.learn(opened.value, is_asked=True)
        count = len(opened.value)
        if doubted:
            for symbol in desk.pairs:
                since_ns = opened.theirs.asked_ns - _BACK_NS
                orders = (await desk.asker.orders(symbol, since_ns)).value
                desk.learn(orders, is_asked=True)
                count += len(orders)
        balances = await desk.asker.balances()
        fills_asked_ns = {symbol: await self._fills(symbol) for symbol in desk.pairs}
        await self._ask_fees()
        await self._vanished(opened.value, asked_ns)
        await self._singles()
        look = Look(
            at_ns=desk.clock.wall_ns(),
            asked_ns=asked_ns,
            open_orders=opened.value,
            open_span=opened.ours,
            fills_asked_ns=fills_asked_ns,
            balances=balances.value,
            balances_span=balances.theirs,
            pairs=desk.pairs,
        )
        found = compare(book, look)
        desk.say(found.said)
        self._next_ns = self._now() + int((_UNSURE_S if found.is_unsure else self.period_s) * 1e9)
        if found.is_unsure or not desk.is_connected or desk.connections != connection:
            return
        cause = {"": "background", "start": "start"}.get(doubted, "reconnect")
        if doubted:
            desk.say(again(book, at_ns=look.at_ns))
        desk.say([reconciled(book, look, cause, orders=count)])
        if doubted or book.differences.open:
            logger().info(
                "reconciled",
                account=desk.ends.account,
                cause=cause,
                orders=count,
                differences=len(book.differences.open),
                halting=book.differences.halting,
            )

    async def _fills(self, symbol: Symbol) -> int:
        """Ask for a symbol's trades and learn them; returns when they were asked for."""
        desk, book = self.desk, self.desk.book
        moments = [proof.appended_ns for proof in book.unproven.values()]
        moments += [order.changed_ns for order in book.unknown()]
        moments.append(book.funds.cut_ns or desk.clock.wall_ns())
        found = await desk.asker.fills(symbol, min(moments) - _OVERLAP_NS)
        desk.learn(found.value, is_asked=True)
        return found.ours.asked_ns

    async def _ask_fees(self) -> None:
        desk, now_ns = self.desk, self._now()
        if not desk.ends.has_fees or (self._fees_ns and now_ns - self._fees_ns < _FEES_NS):
            return
        self._fees_ns = now_ns
        for symbol in desk.pairs:
            desk.tell_fees(symbol, (await desk.asker.fees(symbol)).value)

    async def _vanished(self, opened: tuple[OrderSeen, ...], asked_ns: int) -> None:
        """Ask what became of others' orders that are listed no more."""
        listed = {one.exchange_order_id for one in opened}
        for key, other in list(self.desk.book.foreign.items()):
            if key not in listed and other.at_ns < asked_ns:
                found = await self.desk.asker.order(other.symbol, key)
                self.desk.learn(found.value)

    async def _singles(self) -> None:
        """Ask for single orders: those not listed, and those of trades without a name."""
        desk, book = self.desk, self.desk.book
        for key, symbol in list(book.unowned.items()):
            found = await desk.asker.order(symbol, key)
            desk.learn(found.value, is_asked=True)
            book.unowned.pop(key, None)
        for order_id, absence in list(book.absences.items()):
            order = book.orders.by_id.get(order_id)
            if order is None or absence.is_asked:
                continue
            found = await desk.asker.order(order.symbol, order.exchange_order_id, order_id)
            desk.learn(found.value, is_asked=True)
            absence.is_asked = not found.value

    async def _tend(self) -> None:
        """
        Ask what cannot wait for the next comparison.

        Raises:
            VenueUnavailable: no answer now.

        """
        desk, book = self.desk, self.desk.book
        if not desk.connections:
            return
        for symbol in self._wanted_trades():
            asked_ns = await self._fills(symbol)
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
            await self._singles()

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
        opened = await desk.asker.open_orders()
        desk.learn(opened.value, is_asked=True)
        if not _is_found(order):
            since_ns = opened.theirs.asked_ns - (desk.clock.wall_ns() - order.changed_ns)
            orders = await desk.asker.orders(order.symbol, since_ns - _OVERLAP_NS)
            desk.learn(orders.value, is_asked=True)
        if not _is_found(order):
            await self._fills(order.symbol)
        if not _is_found(order):
            desk.say(searched(desk.book, key, at_ns=desk.clock.wall_ns()))

    def _now(self) -> int:
        return self.desk.clock.monotonic_ns()


def _is_found(order: Order) -> bool:
    return order.state is not OrderState.UNKNOWN
