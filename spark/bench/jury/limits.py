"""
Caps held against the exchange's own ledger, at every instant of it. Pure.

The instants are the ledger's: an order counts from the moment in which the exchange took
it. What an order is worth is what its approval says, because a cap is in dollars and lira
and the ledger knows neither.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from spark.events import OrderApproved
from spark.names import Side

_ZERO: Final = Decimal(0)
_SECOND_NS: Final = 1_000_000_000
_MINUTE_NS: Final = 60 * _SECOND_NS
_ALIVE: Final = frozenset({"open", "partly_filled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What the stack was told, for each account."""

    orders_per_minute_max: int
    notional_try_per_s_max: Decimal
    order_notional_usd_max: Decimal
    open_orders_max: int
    #: Of one symbol.
    exposure_usd_max: Decimal


@dataclass(slots=True)
class _Held:
    """One order at the exchange."""

    order: OrderApproved
    executed: Decimal = _ZERO
    is_alive: bool = True

    @property
    def unit_usd(self) -> Decimal:
        """What one unit of the base asset counted as."""
        return self.order.worth_usd / self.order.quantity


@dataclass(slots=True)
class CapWatch:
    """One account's ledger, gone through once."""

    caps: Caps
    _orders: dict[int, _Held] = field(default_factory=dict)
    _alive: Counter[str] = field(default_factory=Counter)
    #: What may still be bought and sold, and the position, by symbol.
    _buys_usd: dict[str, Decimal] = field(default_factory=dict)
    _sells_usd: dict[str, Decimal] = field(default_factory=dict)
    _position: dict[str, Decimal] = field(default_factory=dict)
    #: Arrivals of the last minute and second, with their worth in lira.
    _minute: deque[int] = field(default_factory=deque)
    _second: deque[tuple[int, Decimal]] = field(default_factory=deque)
    #: Of the last minute, by symbol: when, and what a unit counted as.
    _units: dict[str, deque[tuple[int, Decimal]]] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)

    def go_on(
        self, lines: Iterable[Mapping[str, Any]], approved: Mapping[str, OrderApproved]
    ) -> None:
        """
        Go through further lines of our orders, in the ledger's order.

        Args:
            approved: by client order id; an order without an approval is another judge's.

        """
        for line in lines:
            order = approved.get(line["client_order_id"])
            if order is None:
                continue
            known = self._orders.get(line["order_id"])
            if known is None:
                known = self._orders[line["order_id"]] = _Held(order)
                self._count(known, by=1)
                self._arrived(known, line["at_ns"])
            self._moved(known, Decimal(line["executed"]), is_alive=line["status"] in _ALIVE)

    def _arrived(self, held: _Held, at_ns: int) -> None:
        order, caps = held.order, self.caps
        self._minute.append(at_ns)
        while self._minute[0] + _MINUTE_NS <= at_ns:
            self._minute.popleft()
        self._second.append((at_ns, order.worth_try))
        while self._second[0][0] + _SECOND_NS <= at_ns:
            self._second.popleft()
        units = self._units.setdefault(order.symbol, deque())
        units.append((at_ns, held.unit_usd))
        while units[0][0] + _MINUTE_NS <= at_ns:
            units.popleft()
        lira = sum((worth for _, worth in self._second), _ZERO)
        compared: tuple[tuple[str, Decimal | int, Decimal | int], ...] = (
            ("orders a minute", len(self._minute), caps.orders_per_minute_max),
            ("TRY a second", lira, caps.notional_try_per_s_max),
            ("USD in one order", order.worth_usd, caps.order_notional_usd_max),
            ("open orders", self._alive.total(), caps.open_orders_max),
            ("USD exposed", self._exposed(order.symbol), caps.exposure_usd_max),
        )
        self.breaches += [
            f"{order.client_order_id}: {found} {what}, {most} allowed"
            for what, found, most in compared
            if found > most
        ]

    def _exposed(self, symbol: str) -> Decimal:
        # At the lowest price of the last minute: what is above the cap so is above it for sure.
        lowest = min(unit for _, unit in self._units[symbol])
        position = self._position.get(symbol, _ZERO) * lowest
        return max(
            self._buys_usd.get(symbol, _ZERO) + position,
            self._sells_usd.get(symbol, _ZERO) - position,
        )

    def _moved(self, held: _Held, executed: Decimal, *, is_alive: bool) -> None:
        order = held.order
        sign = 1 if order.side is Side.BUY else -1
        position = self._position.get(order.symbol, _ZERO)
        self._position[order.symbol] = position + sign * (executed - held.executed)
        self._count(held, by=-1)
        held.executed, held.is_alive = executed, is_alive
        self._count(held, by=1)

    def _count(self, held: _Held, *, by: int) -> None:
        if not held.is_alive:
            return
        order = held.order
        sums = self._buys_usd if order.side is Side.BUY else self._sells_usd
        left = (order.quantity - held.executed) * held.unit_usd
        sums[order.symbol] = sums.get(order.symbol, _ZERO) + by * left
        self._alive[order.symbol] += by

    def open_orders(self) -> frozenset[str]:
        """List our orders that may still trade, by client order id."""
        return frozenset(
            held.order.client_order_id for held in self._orders.values() if held.is_alive
        )

    def positions(self) -> dict[str, Decimal]:
        """Give what was bought less what was sold, by symbol."""
        return {symbol: amount for symbol, amount in self._position.items() if amount}
