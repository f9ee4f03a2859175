"""
The limits that guards compare with; one frozen value, its digest part of each decision.

Start values come from the environment, changes from people by way of `control`; of the
two the stricter is in force. In mode live the ramp scales the caps, never an order (B1).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from hashlib import sha256
from typing import Any, Final

from spark.codec import encode
from spark.events import LimitValues
from spark.ledger.prices import PriceRules
from spark.names import Symbol

#: The age of what never was.
ENDLESS_NS: Final = 2**62
_NS_PER_MS: Final = 1_000_000
_WHOLE_PCT: Final = 100
#: Field of a person's LimitValues -> field of Limits, where the smaller value is the stricter.
_SAME: Final = (
    "order_notional_usd_max",
    "exposure_usd_max",
    "drawdown_pct_max",
    "orders_per_minute_max",
    "notional_try_per_s_max",
    "open_orders_max",
    "price_collar_pct_max",
    "trickle_order_try_max",
)
_IN_MS: Final = {"quote_age_ms_max": "quote_age_ns_max", "audit_lag_ms_max": "audit_lag_ns_max"}
#: What the ramp scales: the caps on amounts and on counts (a count stays at least 1).
_RAMPED_AMOUNTS: Final = ("order_notional_usd_max", "exposure_usd_max", "notional_try_per_s_max")
_RAMPED_COUNTS: Final = ("orders_per_minute_max", "open_orders_max")
_RAMPED: Final = _RAMPED_AMOUNTS + _RAMPED_COUNTS
_CAPS: Final = "strategy"
#: How the names of limits end that are no whole numbers.
_DECIMALS: Final = ("_usd_max", "_pct_max", "_try_max", "_try_per_s_max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits in force for one account and strategy; amounts in the unit the name ends with."""

    #: Of the account's limits on `control`; 0 for the start values.
    version: int
    intent_life_ns_max: int
    approval_life_ns_max: int
    #: How far an intent's own time may be ahead of its append.
    future_ns_max: int
    instrument_age_ns_max: int
    clock_drift_ns_max: int
    #: Age of the last look at the exchange's clock.
    clock_age_ns_max: int
    quote_age_ns_max: int
    #: The second price, which only checks the first, may be older.
    check_age_ns_max: int
    prices_apart_pct_max: Decimal
    price_collar_pct_max: Decimal
    audit_lag_ns_max: int
    #: Age of a witness's last receipt, in mode live; endless where none is asked for.
    receipt_age_ns_max: int
    equity_age_ns_max: int
    #: Age of the last comparison of the account with its exchange.
    reconciled_age_ns_max: int
    drawdown_pct_max: Decimal
    duplicate_window_ns: int
    order_notional_usd_max: Decimal
    #: For each symbol: position, open, in flight and unknown, over all strategies.
    exposure_usd_max: Decimal
    orders_per_minute_max: int
    notional_try_per_s_max: Decimal
    open_orders_max: int
    trickle_symbols: frozenset[Symbol]
    trickle_order_try_max: Decimal
    #: The strategy's own caps beside the account's; None caps nothing.
    strategy: LimitValues = field(default_factory=LimitValues)

    @property
    def prices(self) -> PriceRules:
        """Give what prices have to keep to."""
        return PriceRules(
            age_ns_max=self.quote_age_ns_max,
            check_age_ns_max=self.check_age_ns_max,
            apart_pct_max=self.prices_apart_pct_max,
            collar_pct=self.price_collar_pct_max,
        )

    def digest(self, policy: tuple[str, ...]) -> str:
        """Digest the limits together with the names of the guards, in order."""
        plain = asdict(self) | {"trickle_symbols": sorted(self.trickle_symbols)}
        return sha256(encode({"guards": policy, "limits": plain})).hexdigest()[:16]

    def tightened(self, said: LimitValues, version: int) -> "Limits":
        """Give the stricter of these and what people said for the account."""
        changes: dict[str, Any] = {"version": version}
        for name in _SAME:
            value = getattr(said, name)
            if value is not None:
                changes[name] = min(value, getattr(self, name))
        for name, own in _IN_MS.items():
            value = getattr(said, name)
            if value is not None:
                changes[own] = min(value * _NS_PER_MS, getattr(self, own))
        if said.duplicate_window_ms is not None:
            longer = said.duplicate_window_ms * _NS_PER_MS
            changes["duplicate_window_ns"] = max(longer, self.duplicate_window_ns)
        if said.trickle_symbols is not None:
            changes["trickle_symbols"] = self.trickle_symbols & frozenset(said.trickle_symbols)
        return replace(self, **changes)

    def ramped(self, pct: int) -> "Limits":
        """Scale the caps, the account's and the strategy's, to a part of them."""
        if pct >= _WHOLE_PCT:
            return self
        own = {name: _part(getattr(self, name), pct) for name in _RAMPED}
        strategy = {
            name: _part(value, pct)
            for name in _RAMPED
            if (value := getattr(self.strategy, name)) is not None
        }
        return replace(self, strategy=replace(self.strategy, **strategy), **own)

    def slowed(self, orders_per_minute_max: int | None) -> "Limits":
        """Take a protection's lower order rate into account."""
        if orders_per_minute_max is None or orders_per_minute_max >= self.orders_per_minute_max:
            return self
        return replace(self, orders_per_minute_max=orders_per_minute_max)


def _part(value: Any, pct: int) -> Any:  # noqa: ANN401  (a Decimal gives one, an int one)
    if isinstance(value, Decimal):
        return value * pct / _WHOLE_PCT
    return max(1, int((Decimal(value) * pct / _WHOLE_PCT).to_integral_value(ROUND_FLOOR)))


def to_settings(limits: Limits) -> dict[str, str]:
    """Write start limits for a fence, so that a replay starts from the same ones (R15)."""
    made = {one.name: getattr(limits, one.name) for one in fields(limits) if one.name != _CAPS}
    return {
        name: ",".join(sorted(value)) if isinstance(value, frozenset) else str(value)
        for name, value in made.items()
    }


def from_settings(settings: Mapping[str, str]) -> Limits:
    """
    Read what `to_settings` wrote; entries of other names are passed over.

    Raises:
        ValueError: a limit is missing, or has another form.

    """
    made: dict[str, Any] = {}
    for one in fields(Limits):
        if one.name == _CAPS:
            continue
        if one.name not in settings:
            raise ValueError(f"{one.name} is missing")
        made[one.name] = _read(one.name, settings[one.name])
    return Limits(**made)


def _read(name: str, text: str) -> object:
    if name == "trickle_symbols":
        return frozenset(Symbol(part) for part in text.split(",") if part)
    try:
        return Decimal(text) if name.endswith(_DECIMALS) else int(text)
    except InvalidOperation:
        raise ValueError(f"{name} is no number") from None
