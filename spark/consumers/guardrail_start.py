"""
What the guardrail starts from: the environment's values, written into its fence. Pure.

Also what is in force when people and protections have spoken: the stricter of the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from spark.guards.limits import Limits, from_settings, to_settings
from spark.ledger.control_state import Control
from spark.names import AccountId, Endpoint, StrategyId, TradingMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What the environment says: start limits, mode, endpoint, ramp, whose receipts count."""

    limits: Limits
    mode: TradingMode
    endpoint: Endpoint
    volume_ramp_pct: int
    #: The key of the audit trail's witness; None where none is named, and no receipt counts.
    witness_key: Ed25519PublicKey | None = None


def start_settings(start: Start) -> dict[str, str]:
    """Write the start values for a fence (R15)."""
    return to_settings(start.limits) | {
        "mode": start.mode.value,
        "endpoint": start.endpoint.value,
        "volume_ramp_pct": str(start.volume_ramp_pct),
        "witness_key": start.witness_key.public_bytes_raw().hex() if start.witness_key else "",
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
            witness_key=_key(settings["witness_key"]),
        )
    except KeyError as error:
        raise ValueError(f"{error.args[0]} is missing") from None


def _key(text: str) -> Ed25519PublicKey | None:
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text)) if text else None


def limits_in_force(
    start: Start, control: Control, account: AccountId, *, strategy: StrategyId | str
) -> Limits:
    """
    Work out an account's limits, with those that one strategy has beside them.

    In mode live the ramp scales the caps; a protection's order rate is not scaled.
    """
    limits = replace(
        start.limits.tightened(control.limit_values(account), control.limits_version(account)),
        strategy=control.limit_values(account, strategy),
    )
    if control.mode(account, start.mode) is TradingMode.LIVE:
        limits = limits.ramped(control.volume_ramp_pct(account, start.volume_ramp_pct))
    return limits.slowed(control.orders_per_minute_max(account))
