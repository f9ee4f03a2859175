"""
Comparing one account with its exchange: at start, after each reconnect, and ever again (A9).

One task asks everything, one question after another: the comparison when it is due, and in
between whatever cannot wait for it (account_feed_seek.py).
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from spark.consumers.account_feed_desk import AccountDesk
from spark.consumers.account_feed_seek import Seeker
from spark.errors import VenueUnavailable
from spark.exchanges.port import OrderSeen
from spark.ledger.reconcile_look import Look, again, compare, reconciled
from spark.log import logger
from spark.names import Symbol
from spark.worker.retry import Schedule, draw

_NS_PER_S: Final = 1_000_000_000
#: From one look around to the next, where nothing calls.
_IDLE_S: Final = 0.5
_GATHER_S: Final = 0.05
#: After a look that proved nothing yet.
_UNSURE_S: Final = 1.2
#: How far back orders are asked for in one go; older ones are asked for one by one.
_BACK_NS: Final = 600 * _NS_PER_S
#: The exchange's clock and ours may be apart, and an order is older than its last change.
_OVERLAP_NS: Final = 60 * _NS_PER_S
#: Instruments are waited for at a start, but not for ever: one may not be traded at all.
_PAIRS_NS: Final = 10 * _NS_PER_S
_FEES_NS: Final = 3600 * _NS_PER_S
_SCHEDULE: Final = Schedule(pause_s_max=30.0)


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
    _seeker: Seeker = field(init=False)

    def __post_init__(self) -> None:
        self._seeker = Seeker(self.desk)

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
                await self._seeker.tend()
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
                since_ns = self._oldest_ns(symbol) - _OVERLAP_NS
                orders = (await desk.asker.orders(symbol, since_ns)).value
                desk.learn(orders, is_asked=True)
                count += len(orders)
        balances = await desk.asker.balances()
        fills_asked_ns = {symbol: await self._seeker.fills(symbol) for symbol in desk.pairs}
        await self._ask_fees()
        await self._vanished(opened.value, asked_ns)
        await self._seeker.singles()
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

    def _oldest_ns(self, symbol: Symbol) -> int:
        """Say since when orders matter: the oldest that may have changed unheard, within bounds."""
        desk, book = self.desk, self.desk.book
        now_ns = desk.clock.wall_ns()
        orders = [*book.alive(), *book.unknown()]
        changed = [order.changed_ns for order in orders if order.symbol == symbol]
        return max(min(changed, default=now_ns), now_ns - _BACK_NS)

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

    def _now(self) -> int:
        return self.desk.clock.monotonic_ns()
