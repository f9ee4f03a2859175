"""
Accounts' own streams: who listens to which account, and what is told.

Reads   orders, fills and movements of funds, as they happen
Writes  events to the connections that subscribed
Owns    the subscriptions
Fails   with its process; a connection that fails takes nobody with it
"""

import asyncio
from typing import Final

import orjson

from spark.exchanges.simulator.accounts import Account, Movement
from spark.exchanges.simulator.binance import reports
from spark.exchanges.simulator.binance.connection import Connection
from spark.exchanges.simulator.orders import Fill, Order, Terms
from spark.exchanges.simulator.venue import Refused, Venue

_NS_PER_MS: Final = 1_000_000


class UserStreams:
    """Listens to the venue, and tells each account its own."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        #: Connections and the number that each has for its subscription, by account.
        self._listening: dict[str, dict[Connection, int]] = {}
        #: Assets that may have changed since the last position, by account.
        self._touched: dict[str, tuple[Account, dict[str, None]]] = {}
        self._executions = venue.clock.wall_ns() // _NS_PER_MS

    def subscribe(self, account: str, connection: Connection, number: int) -> None:
        """Tell a connection what happens to an account from now on."""
        self._listening.setdefault(account, {})[connection] = number

    def unsubscribe(self, account: str, connection: Connection) -> None:
        """Tell it no more."""
        listening = self._listening.get(account, {})
        listening.pop(connection, None)
        if not listening:
            self._listening.pop(account, None)

    def order_changed(self, order: Order) -> None:
        """Hear of an order's new state; trades are told by `filled`."""
        if order.account.name in self._listening and order.status in reports.CHANGES:
            report = reports.changed(order, execution_id=self._next(), now_ms=self.now_ms())
            self._tell(order.account.name, report)
            self._touch(order.account, order.terms.symbol)

    def filled(self, order: Order, fill: Fill) -> None:
        """Hear of one order's half of a trade."""
        if order.account.name in self._listening:
            report = reports.traded(order, fill, execution_id=self._next(), now_ms=self.now_ms())
            self._tell(order.account.name, report)
            self._touch(order.account, order.terms.symbol)

    def rejected(self, account: Account, terms: Terms, reason: Refused) -> None:
        """Hear of an order that the engine refused."""
        word = reports.REJECT_REASONS.get(reason)
        if word is None or account.name not in self._listening or terms.quantity is None:
            return
        now_ns = self._venue.clock.wall_ns()
        order_id = self._venue.spend_order_id()
        order = Order(order_id, account, terms, now_ns, now_ns, terms.quantity)
        report = reports.rejected(order, word, execution_id=self._next(), now_ms=self.now_ms())
        self._tell(account.name, report)

    def funds_moved(self, account: Account, movement: Movement) -> None:
        """Hear of one deposit or withdrawal."""
        if account.name in self._listening:
            self._tell(account.name, reports.balance_update(movement, now_ms=self.now_ms()))
            self._touch_assets(account, (movement.asset,))

    def now_ms(self) -> int:
        """Read the venue's clock."""
        return self._venue.clock.wall_ns() // _NS_PER_MS

    def _next(self) -> int:
        self._executions += 1
        return self._executions

    def _touch(self, account: Account, symbol: str) -> None:
        pair = self._venue.clearing.pairs[symbol]
        self._touch_assets(account, (pair.base, pair.quote))

    def _touch_assets(self, account: Account, assets: tuple[str, ...]) -> None:
        if not self._touched:
            # When the action is over: in the midst of it locks are not yet what they will be.
            asyncio.get_running_loop().call_soon(self._tell_positions)
        _, touched = self._touched.setdefault(account.name, (account, {}))
        touched |= dict.fromkeys(assets)

    def _tell_positions(self) -> None:
        touched, self._touched = self._touched, {}
        for name, (account, assets) in touched.items():
            self._tell(name, reports.position(account, assets, now_ms=self.now_ms()))

    def _tell(self, account: str, event: dict[str, object]) -> None:
        body = orjson.dumps(event)
        for connection, number in self._listening.get(account, {}).items():
            connection.queue(wrapped(number, body))


def wrapped(number: int, event: bytes) -> bytes:
    """Give an event as its subscription delivers it."""
    return b'{"subscriptionId":%d,"event":%b}' % (number, event)
