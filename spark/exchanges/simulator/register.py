"""
Register: every client's order by its ids, and for how long closed ones are known.

Where a venue takes a client id more than once, it stands for the latest order.
"""

from collections import deque
from typing import Final

from spark.exchanges.simulator.accounts import Account
from spark.exchanges.simulator.orders import Order

#: Closed orders kept for queries; past it the venue forgets the oldest.
CLOSED_ORDERS_MAX: Final = 200_000


class Register:
    """The venue's orders; a client id stands for an open one exactly while that rests."""

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self._closed: deque[int] = deque()

    def add(self, order: Order) -> None:
        """Enter an order, alive or closed."""
        account, terms = order.account, order.terms
        key = (terms.symbol, terms.client_id)
        self.orders[order.order_id] = order
        account.latest_by_client_id[key] = order
        if order.is_alive:
            account.open_by_client_id[key] = order
            account.resting[order.order_id] = order
            account.open_counts[terms.symbol] = account.open_count(terms.symbol) + 1
        else:
            self._remember(order)

    def close(self, order: Order) -> None:
        """Set the client id of an order free that no longer rests."""
        account, terms = order.account, order.terms
        key = (terms.symbol, terms.client_id)
        if account.open_by_client_id.get(key) is order:
            del account.open_by_client_id[key]
        del account.resting[order.order_id]
        account.open_counts[terms.symbol] -= 1
        self._remember(order)

    def find(
        self, account: Account, symbol: str, *, order_id: int | None, client_id: str | None
    ) -> Order | None:
        """Find an order of `account` by venue id, client id, or both agreeing."""
        if order_id is None:
            assert client_id is not None, "one of the ids is given"
            return account.latest_by_client_id.get((symbol, client_id))
        order = self.orders.get(order_id)
        if order is None or order.account is not account or order.terms.symbol != symbol:
            return None
        return None if client_id not in (None, order.terms.client_id) else order

    def _remember(self, closed: Order) -> None:
        self._closed.append(closed.order_id)
        while len(self._closed) > CLOSED_ORDERS_MAX:
            order = self.orders.pop(self._closed.popleft())
            key = (order.terms.symbol, order.terms.client_id)
            latest = order.account.latest_by_client_id
            if latest.get(key) is order:
                del latest[key]


def open_orders(account: Account, symbol: str | None) -> list[Order]:
    """List an account's resting orders, oldest first."""
    return [
        order
        for order in account.resting.values()
        if symbol is None or order.terms.symbol == symbol
    ]
