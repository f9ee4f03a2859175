"""
The signer's own ceilings: what it never signs past, whoever approved it (S3).

They come from a file that the guardrail cannot write; they are meant to be wide
enough never to be met and narrow enough to bound the damage of a guardrail gone wrong.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Final

from spark.errors import SettingError
from spark.events import OrderApproved
from spark.quoting import shown

_SECOND_NS: Final = 1_000_000_000
#: Characters of an offending piece that an error shows.


@dataclass(slots=True)
class OrderRate:
    """When places were signed, over the last second."""

    times_ns: deque[int] = field(default_factory=deque)

    def count(self, at_ns: int) -> None:
        """Note one place."""
        self.times_ns.append(at_ns)
        while self.times_ns and self.times_ns[0] <= at_ns - _SECOND_NS:
            self.times_ns.popleft()

    def within(self, now_ns: int) -> int:
        """Count the places of the second before now."""
        return sum(1 for at_ns in self.times_ns if at_ns > now_ns - _SECOND_NS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """Absolute bounds; a symbol that is not named may not be signed at all."""

    quantity_max: Mapping[str, Decimal]
    orders_per_second_max: int

    def breach(self, order: OrderApproved, rate: OrderRate, now_ns: int) -> tuple[str, str] | None:
        """Say what an order would break, as (found, limit), or None."""
        quantity_max = self.quantity_max.get(order.symbol)
        if quantity_max is None:
            return order.symbol, "a symbol with a ceiling"
        if order.quantity > quantity_max:
            return str(order.quantity), str(quantity_max)
        # Counting a deque is only worth it near the bound.
        if len(rate.times_ns) >= self.orders_per_second_max:
            found = rate.within(now_ns)
            if found >= self.orders_per_second_max:
                return f"{found} orders/s", f"{self.orders_per_second_max} orders/s"
        return None


def read_ceilings(text: str) -> Ceilings:
    """
    Read ceilings from a setting: `BTCUSDT=1,ETHUSDT=20,rate=1000`.

    Raises:
        SettingError: it is not of that form.

    """
    rate: int | None = None
    quantities: dict[str, Decimal] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, separator, value = part.partition("=")
        try:
            if name == "rate":
                rate = int(value)
            else:
                quantities[name.upper()] = Decimal(value)
        except (ValueError, InvalidOperation):
            separator = ""
        if not separator:
            raise SettingError(
                f"signer ceilings: {shown(part)} is not SYMBOL=quantity or rate=number"
            )
    if rate is None or rate < 1 or not all(q.is_finite() and q > 0 for q in quantities.values()):
        raise SettingError("signer ceilings: a rate and positive quantities are needed")
    return Ceilings(quantity_max=quantities, orders_per_second_max=rate)
