"""
The guards: one question each, all asked of every order, in this order.

Adding a guard is a file here and a line in POLICY. There is no way round, no
dry run and no switch: a guard that should not refuse has a limit that says so.
"""

from collections.abc import Callable
from typing import Final

from spark.events import PlaceOrder, Refusal
from spark.guards.duplicate import duplicate_id
from spark.guards.expiry import expiry, intent_time
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
from spark.guards.mode import mode
from spark.guards.notional import notional
from spark.guards.readiness import gateway_ready, no_unknown_outcome
from spark.guards.shape import order_shape
from spark.ledger.snapshot import Snapshot

Guard = Callable[[PlaceOrder, Snapshot, Limits], Refusal | None]

POLICY: Final[tuple[Guard, ...]] = (
    kill_switch,
    mode,
    intent_time,
    expiry,
    duplicate_id,
    gateway_ready,
    no_unknown_outcome,
    order_shape,
    instrument_known,
    price_precision,
    price_range,
    quantity_precision,
    quantity_range,
    notional_minimum,
    notional,
)
POLICY_NAMES: Final = tuple(guard.__name__ for guard in POLICY)
