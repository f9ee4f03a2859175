"""
Looks at a running stack once a second: its children, their /metrics, its orders.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol

from spark.embedded.child import ChildState, ChildStatus
from spark.embedded.home import Home
from spark.embedded.ops_client import ask, read_address
from spark.embedded.processes import BY_NAME
from spark.embedded.view import OrderLine, StackView, Viewer

#: Every child with its state now.
Statuses = Callable[[], Sequence[ChildStatus]]


class Orders(Protocol):
    """Follows the order topics for a screen."""

    def latest(self) -> Sequence[OrderLine]:
        """Give the newest orders, newest first; never blocks."""

    async def close(self) -> None:
        """Follow no more; idempotent."""


class Watch:
    """The looking itself; it keeps a minute of readings."""

    def __init__(self, home: Home, statuses: Statuses, orders: Orders | None = None) -> None:
        self._home = home
        self._statuses = statuses
        self._orders = orders
        self._viewer = Viewer()
        self._began = monotonic()

    async def look(self) -> StackView:
        """Ask every process that serves, at once, and put the answers together."""
        children = self._statuses()
        asked = [
            child.name
            for child in children
            if child.state is ChildState.READY and child.name in BY_NAME
        ]
        answers = await asyncio.gather(*(self._page(name) for name in asked))
        pages = {name: page for name, page in zip(asked, answers, strict=True) if page is not None}
        orders = () if self._orders is None else self._orders.latest()
        return self._viewer.view(pages, children, orders=orders, uptime_s=monotonic() - self._began)

    async def _page(self, name: str) -> str | None:
        address = read_address(self._home.run_of(name), name)
        answer = None if address is None else await ask(address, "/metrics")
        return None if answer is None else answer[1]
