"""
Orders for the live table: follows the log as the operator, one line for each order.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from spark.bus.kafka import KafkaBus, KafkaLogin
from spark.cli.attach import OPERATOR
from spark.embedded.site import Site
from spark.embedded.state import StackState
from spark.embedded.view import OrderLine
from spark.names import Action, TradingMode
from spark.ops.order_reader import OrderFollower
from spark.ops.order_view import OrderRow

_SHOWN: Final = 8
_MS_PER_NS: Final = 1e-6
_UNSENT: Final = frozenset({TradingMode.PAPER, TradingMode.SHADOW})
#: Hops by the process that made them, as short as a table needs.
_LABEL: Final = {
    "order_approved": "guard",
    "cancel_approved": "guard",
    "intent_refused": "guard",
    "request_sealed": "sign",
    "signing_skipped": "sign",
    "order_claimed": "claim",
    "request_not_sent": "closed",
    "order_acked": "ack",
    "order_rejected": "reject",
    "cancel_rejected": "reject",
    "order_filled": "fill",
    "order_cancelled": "cancelled",
    "order_expired": "expired",
    "outcome_unknown": "unknown",
    "order_resolved": "resolved",
}


class LogOrders:
    """Follows while it is open."""

    def __init__(self, bus: KafkaBus) -> None:
        self._bus = bus
        self._follower = OrderFollower(bus)
        self._task = asyncio.create_task(self._follower.run())

    def latest(self) -> Sequence[OrderLine]:
        """Give the newest orders, newest first."""
        return [order_line(row) for row in self._follower.latest(_SHOWN)]

    async def close(self) -> None:
        """Follow no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._bus.close()


def open_orders(state: StackState, site: Site) -> LogOrders:
    """Follow a stack's orders, as the person at its terminal."""
    password = site.secrets.kafka_password(OPERATOR)
    return LogOrders(KafkaBus(KafkaLogin(state.kafka_bootstrap, OPERATOR, password)))


def order_line(row: OrderRow) -> OrderLine:
    """Tell an order's story in hops."""
    first_ns = row.hops[0].appended_ns
    price = f" @ {row.price}" if row.price else ""
    # Also where the stack's own mode is looser: a demotion holds without a restart.
    mode = f" ({row.mode})" if row.mode in _UNSENT else ""
    order = f"{row.side} {row.quantity} {row.symbol}{price}{mode}"
    hops = tuple(
        (_LABEL[hop.kind], (hop.appended_ns - first_ns) * _MS_PER_NS)
        for hop in row.hops
        if hop.kind in _LABEL
    )
    return OrderLine(
        at_ns=first_ns,
        text=f"cancel {row.symbol}" if row.action is Action.CANCEL else order,
        state=row.hops[-1].kind if row.action is Action.CANCEL else row.state.value,
        hops=hops,
        place_ack_ms=row.place_ack_ms,
    )
