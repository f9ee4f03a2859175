"""
Cancels are accepted at once and carried out later, so that a fill may come first.

Reads   its loop's clock
Writes  the cancels to the venue, what they change to the ledger
Owns    the timers
Fails   never: an order that was filled meanwhile is left alone

Source: docs.btcturk.com "recent changes" of 2024-04-01, "cancel-order".
"""

import asyncio

from spark.exchanges.simulator.ledger import Ledger
from spark.exchanges.simulator.orders import Order
from spark.exchanges.simulator.venue import Venue


class Cancels:
    """Cancels under way."""

    def __init__(self, venue: Venue, ledger: Ledger, *, after_ms: int) -> None:
        self._venue = venue
        self._ledger = ledger
        self._after_s = after_ms / 1_000
        self._timers: dict[int, asyncio.TimerHandle] = {}

    def accept(self, order: Order) -> None:
        """Cancel an order in a while; a second wish changes nothing."""
        if order.order_id not in self._timers:
            loop = asyncio.get_running_loop()
            self._timers[order.order_id] = loop.call_later(self._after_s, self._carry_out, order)

    def close(self) -> None:
        """Forget what is under way."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _carry_out(self, order: Order) -> None:
        del self._timers[order.order_id]
        if order.is_alive:
            self._venue.cancel(order.account, order)
            self._ledger.commit()
