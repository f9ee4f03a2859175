"""
Caps for stacks that are only measured: every guard runs, none of the caps is met.
"""

from typing import Final

#: By the names under which processes read them; for `environment` of a throw-away stack.
WIDE_CAPS: Final[tuple[tuple[str, str], ...]] = (
    ("MAX_OPM", "100000000"),
    ("MAX_NOTIONAL_TRY_S", "1000000000000"),
    ("SPARK_DUPLICATE_WINDOW_MS", "0"),
    ("SPARK_EXPOSURE_USD_MAX", "1000000000000"),
    ("SPARK_OPEN_ORDERS_MAX", "100000000"),
    # Their simulators count nothing.
    ("SPARK_BINANCE_WEIGHT_PER_MIN", "100000"),
    ("SPARK_BTCTURK_REQUESTS_PER_MIN", "100000"),
)


def widened(environment: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Put the wide caps in the place of an environment's own."""
    return tuple((dict(environment) | dict(WIDE_CAPS)).items())


#: Protections that a drill would set off on purpose, kept from stopping it.
_PATIENCE: Final[tuple[tuple[str, str], ...]] = (
    ("SPARK_ERROR_RATE_MAX", "1"),
    ("NONCE_ERROR_RATE_MAX", "0.99"),
    ("RATE_LIMIT_BURST_MAX", "100"),
    ("SPARK_SIGNER_CEILINGS", "BTCUSDT=10,ETHUSDT=200,BTCTRY=10,rate=1000"),
    ("SPARK_RECONCILE_PERIOD_S", "5"),
)


def patient(environment: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Let errors of an exchange that are the drill's own stop nothing."""
    return tuple((dict(environment) | dict(_PATIENCE)).items())


#: Caps of the crash drill: wide enough for its load, near enough that they are met.
_NEAR_CAPS: Final[tuple[tuple[str, str], ...]] = (
    ("MAX_OPM", "3000"),
    ("MAX_NOTIONAL_TRY_S", "250000"),
    ("SPARK_EXPOSURE_USD_MAX", "30000"),
    ("SPARK_OPEN_ORDERS_MAX", "150"),
    ("SPARK_RECONCILE_PERIOD_S", "3"),
    # A sentinel that is killed needs something to protect from.
    ("RATE_LIMIT_BURST_MAX", "0.05"),
)


def near(environment: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Put caps that are met in the place of wide ones."""
    return tuple((dict(environment) | dict(_NEAR_CAPS)).items())
