"""
The environment's settings as the start values of guardrail and sentinel.
"""

from decimal import Decimal
from typing import Final

from spark.consumers.guardrail_start import Start
from spark.consumers.sentinel_state import Rules
from spark.guards.limits import ENDLESS_NS, Limits
from spark.ledger.protection_case import Thresholds
from spark.names import Endpoint, Symbol, Venue, venue_of
from spark.ops.audit_reader import read_public_key
from spark.settings import Settings
from spark.topics import ACCOUNT_PARTITION

_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_FUTURE_NS_MAX: Final = 2 * _NS_PER_S


def start_of(settings: Settings) -> Start:
    """
    Turn settings into what the guardrail starts from.

    Raises:
        SettingError: the file of the witness's key holds none.

    """
    key_file = settings.audit.witness_key_file
    return Start(
        limits=_limits(settings),
        mode=settings.trading.mode_in_force,
        endpoint=settings.trading.endpoint,
        volume_ramp_pct=settings.trading.volume_ramp_pct,
        witness_key=None if key_file is None else read_public_key(key_file),
    )


def sentinel_rules(settings: Settings) -> Rules:
    """Turn settings into what the sentinel marks and judges with."""
    protection = settings.protection
    # Those that can be asked for: a gateway serves them, or their sessions are known.
    is_bist = settings.bist.is_enabled
    venues = {*settings.venues.enabled, *([Venue.BIST] if is_bist else [])}
    return Rules(
        accounts=frozenset(account for account in ACCOUNT_PARTITION if venue_of(account) in venues),
        mode=settings.trading.mode_in_force,
        capital_usd=protection.capital_usd,
        prices=_limits(settings).prices,
        thresholds=Thresholds(
            error_part_max=protection.error_part_max,
            nonce_part_max=protection.nonce_part_max,
            limited_per_s_max=protection.limited_per_s_max,
        ),
    )


def _limits(settings: Settings) -> Limits:
    section = settings.limits
    return Limits(
        version=0,
        intent_life_ns_max=_ns(section.intent_life_s),
        approval_life_ns_max=_ns(section.approval_life_s),
        future_ns_max=_FUTURE_NS_MAX,
        instrument_age_ns_max=_ns(section.instrument_ttl_s),
        clock_drift_ns_max=section.clock_drift_ms_max * _NS_PER_MS,
        clock_age_ns_max=section.clock_age_ms_max * _NS_PER_MS,
        quote_age_ns_max=section.quote_age_ms_max * _NS_PER_MS,
        check_age_ns_max=section.check_age_ms_max * _NS_PER_MS,
        prices_apart_pct_max=section.prices_apart_pct_max,
        price_collar_pct_max=section.price_collar_pct_max,
        audit_lag_ns_max=section.audit_lag_ms_max * _NS_PER_MS,
        receipt_age_ns_max=_receipt_age_ns_max(settings),
        equity_age_ns_max=section.equity_age_ms_max * _NS_PER_MS,
        reconciled_age_ns_max=settings.account.reconciled_age_ms_max * _NS_PER_MS,
        drawdown_pct_max=section.drawdown_pct_max,
        duplicate_window_ns=section.duplicate_window_ms * _NS_PER_MS,
        order_notional_usd_max=section.order_notional_usd_max,
        exposure_usd_max=section.exposure_usd_max,
        orders_per_minute_max=section.orders_per_minute_max,
        notional_try_per_s_max=section.notional_try_per_s_max,
        open_orders_max=section.open_orders_max,
        trickle_symbols=frozenset(Symbol(one) for one in section.trickle_symbol_list),
        trickle_order_try_max=section.trickle_order_try_max,
    )


def _receipt_age_ns_max(settings: Settings) -> int:
    # At the exchange itself there is no live without a witness, named or not (S14).
    is_asked = settings.audit.witness_key_file or settings.trading.endpoint is Endpoint.REAL
    return settings.audit.receipt_age_s_max * _NS_PER_S if is_asked else ENDLESS_NS


def _ns(seconds: Decimal) -> int:
    return int(seconds * _NS_PER_S)
