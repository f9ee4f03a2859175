"""
The exchange's own rules for a symbol, from its own publication (spec B6).

Each question that needs the instrument passes when there is none: then
`instrument_known` has refused already, and a guess would only add noise.
"""

from decimal import Context, Decimal
from typing import Final

from spark.events import InstrumentPublished, PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.ledger.snapshot import Snapshot
from spark.names import Reason

_ZERO: Final = Decimal(0)
_NS_PER_S: Final = 1_000_000_000
#: The default context divides only up to 28 digits and raises beyond; the codec lets a
#: decimal and a unit be 60 apart.
_EXACT: Final = Context(prec=128)


def instrument_known(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse a symbol that is not published, not fresh, or not trading."""
    rules = snap.instruments.get(order.symbol)
    if rules is None:
        return Refusal(code=Reason.INSTRUMENT_UNKNOWN, found=order.symbol)
    age_ns = snap.now_ns - rules.published_ns
    if age_ns > limits.instrument_age_ns_max:
        return Refusal(
            code=Reason.INSTRUMENT_STALE,
            found=f"{age_ns // _NS_PER_S} s",
            limit=f"{limits.instrument_age_ns_max // _NS_PER_S} s",
        )
    if not rules.is_trading:
        return Refusal(code=Reason.INSTRUMENT_HALTED, found=order.symbol)
    return None


def price_precision(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse a price off the tick; it is never rounded on the strategy's behalf."""
    del limits
    rules = _rules(order, snap)
    if rules is None or order.price is None or _is_multiple(order.price, rules.tick_size):
        return None
    return Refusal(
        code=Reason.PRICE_PRECISION, found=str(order.price), limit=f"tick {rules.tick_size}"
    )


def price_range(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse a price that is not positive or outside the exchange's band."""
    del limits
    rules = _rules(order, snap)
    if rules is None or order.price is None:
        return None
    return _range(order.price, rules.price_min, rules.price_max, code=Reason.PRICE_OUT_OF_RANGE)


def quantity_precision(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse a quantity off the step."""
    del limits
    rules = _rules(order, snap)
    if rules is None or _is_multiple(order.quantity, rules.step_size):
        return None
    return Refusal(
        code=Reason.QUANTITY_PRECISION, found=str(order.quantity), limit=f"step {rules.step_size}"
    )


def quantity_range(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse a quantity that is not positive or outside the exchange's bounds."""
    del limits
    rules = _rules(order, snap)
    low = rules.quantity_min if rules else _ZERO
    high = rules.quantity_max if rules else _ZERO
    return _range(order.quantity, low, high, code=Reason.QUANTITY_OUT_OF_RANGE)


def notional_minimum(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse an order worth less than the exchange takes, before it costs a request."""
    del limits
    rules = _rules(order, snap)
    if rules is None or order.price is None:
        return None
    worth_quote = order.price * order.quantity
    if worth_quote >= rules.notional_min:
        return None
    return Refusal(
        code=Reason.NOTIONAL_BELOW_MINIMUM,
        found=f"{worth_quote} {rules.quote_asset}",
        limit=f"{rules.notional_min} {rules.quote_asset}",
    )


def _rules(order: PlaceOrder, snap: Snapshot) -> InstrumentPublished | None:
    return snap.instruments.get(order.symbol)


def _is_multiple(value: Decimal, unit: Decimal) -> bool:
    # A unit of 0 means that the venue has no such rule (Binance filters).
    return unit == _ZERO or _EXACT.remainder(value, unit) == _ZERO


def _range(value: Decimal, low: Decimal, high: Decimal, *, code: Reason) -> Refusal | None:
    if value <= _ZERO or value < low:
        return Refusal(code=code, found=str(value), limit=f"at least {low}")
    if high != _ZERO and value > high:
        return Refusal(code=code, found=str(value), limit=f"at most {high}")
    return None
