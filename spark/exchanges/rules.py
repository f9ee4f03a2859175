"""
A symbol's rules, as far as every exchange has them. Pure.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal

from spark.events import InstrumentPublished
from spark.names import Symbol, Venue


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules(ABC):
    """One symbol's rules; 0 where the venue has no such rule."""

    symbol: str
    base_asset: str
    quote_asset: str
    #: `TRADING`, and others, each exchange its own.
    status: str
    tick_size: Decimal
    price_min: Decimal
    price_max: Decimal
    step_size: Decimal
    quantity_min: Decimal
    quantity_max: Decimal
    notional_min: Decimal

    @property
    @abstractmethod
    def is_trading(self) -> bool:
        """Whether the venue takes new limit orders."""

    def published(self, venue: Venue, now_ns: int) -> InstrumentPublished:
        """Say them as an event."""
        return InstrumentPublished(
            venue=venue,
            symbol=Symbol(self.symbol),
            base_asset=self.base_asset,
            quote_asset=self.quote_asset,
            is_trading=self.is_trading,
            tick_size=self.tick_size,
            price_min=self.price_min,
            price_max=self.price_max,
            step_size=self.step_size,
            quantity_min=self.quantity_min,
            quantity_max=self.quantity_max,
            notional_min=self.notional_min,
            published_ns=now_ns,
        )
