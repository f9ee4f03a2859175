"""
A strategy's own caps beside its account's (spec B9); None caps nothing.
"""

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.guards.verdict import over
from spark.ledger.exposure import worst_case
from spark.ledger.prices import Worth
from spark.ledger.snapshot import Snapshot
from spark.names import Reason


def strategy_notional(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse a single order worth more than the strategy may place."""
    del order
    most = limits.strategy.order_notional_usd_max
    if not isinstance(snap.worth, Worth):
        return None
    return over(Reason.STRATEGY_NOTIONAL_EXCEEDED, snap.worth.usd, most, unit="USD")


def strategy_exposure(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse more exposure of the strategy's own on the symbol."""
    most = limits.strategy.exposure_usd_max
    if most is None or not isinstance(snap.worth, Worth):
        return None
    total = snap.exposure.total(snap.book, order.strategy, order.symbol)
    found = worst_case(total, order.side, snap.worth.usd, price_usd=snap.worth.reference_usd)
    return over(Reason.STRATEGY_EXPOSURE_EXCEEDED, found, most, unit="USD")


def strategy_order_rate(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse one order of the strategy too many within a minute."""
    most = limits.strategy.orders_per_minute_max
    if most is None:
        return None
    found = snap.rates.orders_in_minute(order.strategy, snap.appended_ns) + 1
    return over(Reason.STRATEGY_ORDER_RATE_EXCEEDED, found, most, unit="a minute")


def strategy_notional_rate(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse more money of the strategy within a second."""
    most = limits.strategy.notional_try_per_s_max
    if most is None or not isinstance(snap.worth, Worth):
        return None
    found = snap.rates.lira_in_second(order.strategy, snap.appended_ns) + snap.worth.lira
    return over(Reason.STRATEGY_NOTIONAL_RATE_EXCEEDED, found, most, unit="TRY/s")


def strategy_open_orders(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse one open order of the strategy too many."""
    most = limits.strategy.open_orders_max
    if most is None:
        return None
    found = snap.exposure.open_orders(snap.book, order.strategy) + 1
    return over(Reason.STRATEGY_OPEN_ORDERS_EXCEEDED, found, most, unit="open")
