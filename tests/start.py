"""
What a guardrail starts from in tests: the spec's limits, and limits too wide to be met.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from spark.consumers.guardrail_start import Start
from spark.guards.limits import ENDLESS_NS, Limits
from spark.names import Endpoint, Symbol, TradingMode
from tests.made import SECOND_NS

#: The defaults of the specification.
SPEC: Final = Limits(
    version=0,
    intent_life_ns_max=5 * SECOND_NS,
    approval_life_ns_max=2 * SECOND_NS,
    future_ns_max=2 * SECOND_NS,
    instrument_age_ns_max=3600 * SECOND_NS,
    clock_drift_ns_max=2 * SECOND_NS,
    clock_age_ns_max=10 * SECOND_NS,
    quote_age_ns_max=2 * SECOND_NS,
    check_age_ns_max=5 * SECOND_NS,
    prices_apart_pct_max=Decimal(1),
    price_collar_pct_max=Decimal(5),
    audit_lag_ns_max=2 * SECOND_NS,
    receipt_age_ns_max=ENDLESS_NS,
    equity_age_ns_max=10 * SECOND_NS,
    reconciled_age_ns_max=120 * SECOND_NS,
    drawdown_pct_max=Decimal(15),
    duplicate_window_ns=1 * SECOND_NS,
    order_notional_usd_max=Decimal(10_000),
    exposure_usd_max=Decimal(50_000),
    orders_per_minute_max=30,
    notional_try_per_s_max=Decimal(500),
    open_orders_max=20,
    trickle_symbols=frozenset({Symbol("BTCUSDT"), Symbol("BTCTRY")}),
    trickle_order_try_max=Decimal(50),
)
#: Nothing but the cap of one order is met, however many there are and whatever their price.
WIDE: Final = replace(
    SPEC,
    price_collar_pct_max=Decimal(99),
    duplicate_window_ns=0,
    exposure_usd_max=Decimal(10**12),
    orders_per_minute_max=10**9,
    notional_try_per_s_max=Decimal(10**15),
    open_orders_max=10**9,
)
#: The same with ages that a busy machine does not reach.
PATIENT: Final = replace(
    WIDE,
    intent_life_ns_max=30 * SECOND_NS,
    approval_life_ns_max=30 * SECOND_NS,
    clock_age_ns_max=60 * SECOND_NS,
    quote_age_ns_max=60 * SECOND_NS,
    check_age_ns_max=60 * SECOND_NS,
    audit_lag_ns_max=60 * SECOND_NS,
    equity_age_ns_max=60 * SECOND_NS,
)


def start(
    limits: Limits = WIDE,
    mode: TradingMode = TradingMode.LIVE,
    witness: Ed25519PublicKey | None = None,
) -> Start:
    """Start at the simulated exchange, with the whole of the caps."""
    return Start(
        limits=limits, mode=mode, endpoint=Endpoint.SIM, volume_ramp_pct=100, witness_key=witness
    )
