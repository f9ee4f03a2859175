"""
What the guardrail starts from: the environment's values, written into its fence. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from spark.guards.limits import Limits, from_settings, to_settings
from spark.names import Endpoint, TradingMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What the environment says: start limits, mode, endpoint, ramp."""

    limits: Limits
    mode: TradingMode
    endpoint: Endpoint
    volume_ramp_pct: int


def start_settings(start: Start) -> dict[str, str]:
    """Write the start values for a fence (R15)."""
    return to_settings(start.limits) | {
        "mode": start.mode.value,
        "endpoint": start.endpoint.value,
        "volume_ramp_pct": str(start.volume_ramp_pct),
    }


def read_start(settings: Mapping[str, str]) -> Start:
    """
    Read what `start_settings` wrote.

    Raises:
        ValueError: something is missing, or has another form.

    """
    try:
        return Start(
            limits=from_settings(settings),
            mode=TradingMode(settings["mode"]),
            endpoint=Endpoint(settings["endpoint"]),
            volume_ramp_pct=int(settings["volume_ramp_pct"]),
        )
    except KeyError as error:
        raise ValueError(f"{error.args[0]} is missing") from None
