"""
The guards: one question each, all asked of every order, in this order.

Adding a guard is a file here and a line in POLICY. There is no way round, no
dry run and no switch: a guard that should not refuse has a limit that says so.
"""

from collections.abc import Callable
from typing import Final

from spark.events import PlaceOrder, Refusal
from spark.guards.audit_lag import audit_lag
from spark.guards.audit_witness import audit_witnessed
from spark.guards.clock_drift import append_drift, clock_drift
from spark.guards.drawdown import drawdown, strategy_drawdown
from spark.guards.duplicate import duplicate_id, duplicate_order
from spark.guards.expiry import expiry, intent_time
from spark.guards.exposure import exposure
from spark.guards.instrument import (
    instrument_known,
    notional_minimum,
    price_precision,
    price_range,
    quantity_precision,
    quantity_range,
)
from spark.guards.kill_switch import kill_switch
from spark.guards.limits import Limits
from spark.guards.notional import notional
from spark.guards.notional_rate import notional_rate
from spark.guards.open_orders import open_orders
from spark.guards.order_rate import order_rate
from spark.guards.price_collar import price_collar
from spark.guards.readiness import gateway_ready, no_unknown_outcome
from spark.guards.reconciled import account_reconciled, no_difference
from spark.guards.session import session
from spark.guards.shape import order_shape
from spark.guards.staleness import price_known
from spark.guards.strategy_caps import (
    strategy_exposure,
    strategy_notional,
    strategy_notional_rate,
    strategy_open_orders,
    strategy_order_rate,
)
from spark.guards.trickle import trickle_notional, trickle_symbol
from spark.guards.venue_terms import order_type_offered, time_in_force_offered
from spark.ledger.snapshot import Snapshot

Guard = Callable[[PlaceOrder, Snapshot, Limits], Refusal | None]

POLICY: Final[tuple[Guard, ...]] = (
    kill_switch,
    intent_time,
    expiry,
    duplicate_id,
    order_shape,
    order_type_offered,
    time_in_force_offered,
    session,
    clock_drift,
    append_drift,
    price_known,
    gateway_ready,
    no_unknown_outcome,
    account_reconciled,
    no_difference,
    audit_lag,
    audit_witnessed,
    instrument_known,
    price_precision,
    price_range,
    quantity_precision,
    quantity_range,
    notional_minimum,
    notional,
    exposure,
    drawdown,
    price_collar,
    order_rate,
    notional_rate,
    duplicate_order,
    open_orders,
    strategy_notional,
    strategy_exposure,
    strategy_drawdown,
    strategy_order_rate,
    strategy_notional_rate,
    strategy_open_orders,
    trickle_symbol,
    trickle_notional,
)
POLICY_NAMES: Final = tuple(guard.__name__ for guard in POLICY)
