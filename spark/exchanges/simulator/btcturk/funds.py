"""
What an account can spend now: a fill's proceeds are booked a moment after it.

Reads   fills, as they happen
Writes  nothing
Owns    what each account received lately
Fails   never

Source: broker-api-docs issues 201, 371, 572: 1122 right after a 441, cured by 150 ms.
"""

from collections import deque
from decimal import Decimal
from typing import Final, NamedTuple

from spark.exchanges.simulator.accounts import Account
from spark.exchanges.simulator.btcturk import refusals
from spark.exchanges.simulator.clearing import Clearing
from spark.exchanges.simulator.orders import ZERO, Fill, Order, Terms

_NS_PER_MS: Final = 1_000_000


class _Receipt(NamedTuple):
    at_ns: int
    asset: str
    amount: Decimal


class Funds:
    """Judges whether an account can pay, as the venue's order desk sees it."""

    def __init__(self, clearing: Clearing, *, lag_ms: int) -> None:
        self._clearing = clearing
        self._lag_ns = lag_ms * _NS_PER_MS
        self._receipts: dict[str, deque[_Receipt]] = {}

    def order_changed(self, order: Order) -> None:
        """Ignore all but fills."""

    def filled(self, order: Order, fill: Fill) -> None:
        """Remember what came in."""
        if not self._lag_ns:
            return
        pair = self._clearing.pairs[fill.symbol]
        if fill.is_buyer:
            receipt = _Receipt(fill.at_ns, pair.base, fill.quantity)
        else:
            receipt = _Receipt(fill.at_ns, pair.quote, fill.quote - fill.commission)
        self._receipts.setdefault(order.account.name, deque()).append(receipt)

    def check(self, account: Account, terms: Terms, now_ns: int) -> None:
        """
        Check that an order can be paid for.

        Raises:
            Refusal: 1122 where open orders or fresh fills hold it, else not enough.
        """
        asset, amount = self._needs(terms)
        balance = account.balance(asset)
        if balance.free < amount:
            is_held = balance.free + balance.locked >= amount
            raise refusals.held_by_orders() if is_held else refusals.not_enough()
        if balance.free - self._unbooked(account, asset, now_ns) < amount:
            raise refusals.held_by_orders()

    def _needs(self, terms: Terms) -> tuple[str, Decimal]:
        if terms.quote_quantity is not None:
            return self._clearing.spending(terms.symbol, terms.quote_quantity)
        assert terms.quantity is not None, "an order names a quantity or a quote quantity"
        return self._clearing.needs(terms, terms.quantity, [])

    def _unbooked(self, account: Account, asset: str, now_ns: int) -> Decimal:
        receipts = self._receipts.get(account.name)
        if receipts is None:
            return ZERO
        while receipts and receipts[0].at_ns + self._lag_ns <= now_ns:
            receipts.popleft()
        return sum((one.amount for one in receipts if one.asset == asset), ZERO)
