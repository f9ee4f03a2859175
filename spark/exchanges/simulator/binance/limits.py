"""
Rate limits: request weight by address, new orders by account, in fixed windows.

Off, everything is counted and nothing refused. Source: binance-spot-api-docs
rest-api.md "LIMITS", faqs/order_count_decrement.md, CHANGELOG 2026-03-27.
"""

from dataclasses import dataclass, field
from typing import Final

from spark.exchanges.simulator.binance.refusals import (
    WEIGHT_PER_MINUTE_MAX,
    banned,
    too_many_orders,
    too_much_weight,
)
from spark.exchanges.simulator.orders import Fill, Order

NS: Final = 1_000_000_000
ORDERS_PER_10_S_MAX: Final = 100
ORDERS_PER_DAY_MAX: Final = 200_000
#: Refusals in one window before the address is banned.
STRIKES_MAX: Final = 10
BAN_S_MIN: Final = 120
BAN_S_MAX: Final = 3 * 86_400
_DAY_S: Final = 86_400


@dataclass(slots=True)
class Window:
    """A count that starts again at each multiple of its length."""

    length_s: int
    used: int = 0
    started_s: int = 0

    def at(self, now_ns: int) -> "Window":
        """Start a new window if the last one is over."""
        start_s = now_ns // NS // self.length_s * self.length_s
        if start_s != self.started_s:
            self.started_s, self.used = start_s, 0
        return self

    def left_s(self, now_ns: int) -> int:
        """Whole seconds until the window ends, at least one."""
        return max(1, self.started_s + self.length_s - now_ns // NS)


@dataclass(slots=True)
class Address:
    """What one address has spent."""

    weight: Window = field(default_factory=lambda: Window(60))
    strikes: int = 0
    bans: int = 0
    banned_until_ns: int = 0


@dataclass(slots=True)
class OrderCount:
    """Unfilled orders that one account has placed."""

    ten_s: Window = field(default_factory=lambda: Window(10))
    day: Window = field(default_factory=lambda: Window(_DAY_S))


class Limits:
    """The venue's budget keeper; also hears of fills, which give credit back."""

    def __init__(self, *, is_enforced: bool, weight_max: int = WEIGHT_PER_MINUTE_MAX) -> None:
        self.is_enforced = is_enforced
        self.weight_max = weight_max
        self._addresses: dict[str, Address] = {}
        self._orders: dict[str, OrderCount] = {}

    def admit(self, address: str, now_ns: int) -> None:
        """
        Let a request in, or refuse it unread.

        Raises:
            Refusal: 429 when the budget is spent, 418 when the address went on.
        """
        if not self.is_enforced:
            return
        spent = self._address(address)
        if now_ns < spent.banned_until_ns:
            raise banned(
                spent.banned_until_ns // 1_000_000, -(-(spent.banned_until_ns - now_ns) // NS)
            )
        window = spent.weight.at(now_ns)
        if window.used < self.weight_max:
            if window.used == 0:
                spent.strikes = 0
            return
        spent.strikes += 1
        if spent.strikes > STRIKES_MAX:
            length_s = min(BAN_S_MIN << spent.bans, BAN_S_MAX)
            spent.bans += 1
            spent.banned_until_ns = now_ns + length_s * NS
            raise banned(spent.banned_until_ns // 1_000_000, length_s)
        raise too_much_weight(self.weight_max, window.left_s(now_ns))

    def charge(self, address: str, weight: int, now_ns: int) -> int:
        """Add to what `address` has spent, and return the sum."""
        window = self._address(address).weight.at(now_ns)
        window.used += weight
        return window.used

    def admit_order(self, account: str, now_ns: int) -> None:
        """
        Let a new order in.

        Raises:
            Refusal: -1015.
        """
        if not self.is_enforced:
            return
        count = self._count(account)
        if count.ten_s.at(now_ns).used >= ORDERS_PER_10_S_MAX:
            raise too_many_orders(ORDERS_PER_10_S_MAX, "10 SECOND", count.ten_s.left_s(now_ns))
        if count.day.at(now_ns).used >= ORDERS_PER_DAY_MAX:
            raise too_many_orders(ORDERS_PER_DAY_MAX, "1 DAY", count.day.left_s(now_ns))

    def order_placed(self, account: str, now_ns: int) -> tuple[int, int]:
        """Count a new order; return the counts of 10 s and of the day."""
        count = self._count(account)
        ten_s, day = count.ten_s.at(now_ns), count.day.at(now_ns)
        ten_s.used += 1
        day.used += 1
        return ten_s.used, day.used

    def order_changed(self, order: Order) -> None:
        """Ignore all but fills."""

    def filled(self, order: Order, fill: Fill) -> None:
        """Give credit for an order's first fill."""
        if order.executed != fill.quantity:
            return
        count = self._count(order.account.name)
        for window in (count.ten_s.at(fill.at_ns), count.day.at(fill.at_ns)):
            # Below zero is wanted: the fill of an order precedes its being counted.
            window.used -= 1

    def as_json(self) -> list[dict[str, object]]:
        """Return the limits as exchangeInfo lists them; none when they are off."""
        if not self.is_enforced:
            return []
        return [
            self.weight_json(),
            _limit("ORDERS", (10, "SECOND"), ORDERS_PER_10_S_MAX),
            _limit("ORDERS", (1, "DAY"), ORDERS_PER_DAY_MAX),
        ]

    def weight_json(self) -> dict[str, object]:
        """Return the limit of weight as every reply of the WebSocket API names it."""
        return _limit("REQUEST_WEIGHT", (1, "MINUTE"), self.weight_max)

    def _address(self, address: str) -> Address:
        found = self._addresses.get(address)
        if found is None:
            found = self._addresses[address] = Address()
        return found

    def _count(self, account: str) -> OrderCount:
        found = self._orders.get(account)
        if found is None:
            found = self._orders[account] = OrderCount()
        return found


def _limit(kind: str, per: tuple[int, str], limit: int) -> dict[str, object]:
    return {
        "rateLimitType": kind,
        "interval": per[1],
        "intervalNum": per[0],
        "limit": limit,
    }
