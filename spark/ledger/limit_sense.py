"""
What limits said by a person mean: which of them loosen, which make no sense. Pure.

Whether a change loosens is computed by each reader from the two versions; no writer can
declare it (S6). Of the start values and what people said the stricter is in force, so a
limit that nobody had set can only tighten.
"""

from decimal import Decimal
from typing import Final

from spark.events import LimitValues
from spark.quoting import shown

_WHOLE_PCT: Final = 100
#: Ages and windows above this are a slip of the keyboard: one hour.
_MS_MAX: Final = 3_600_000
#: Counts above this cap nothing.
_COUNT_MAX: Final = 1_000_000
_SYMBOL_CHARS_MAX: Final = 20
#: Limits of which the larger value is the stricter one.
_LARGER_IS_STRICTER: Final = frozenset({"duplicate_window_ms"})
#: Names of all limits, in the order in which they are shown.
LIMIT_NAMES: Final = tuple(LimitValues.__dataclass_fields__)
#: The limits that a strategy may have beside its account's.
STRATEGY_LIMITS: Final = frozenset(
    {
        "order_notional_usd_max",
        "exposure_usd_max",
        "drawdown_pct_max",
        "orders_per_minute_max",
        "notional_try_per_s_max",
        "open_orders_max",
        "capital_usd",
    }
)


def changed(before: LimitValues, after: LimitValues) -> tuple[str, ...]:
    """Name the limits that differ."""
    return tuple(
        name for name in LIMIT_NAMES if not _same(getattr(before, name), getattr(after, name))
    )


def loosened(before: LimitValues, after: LimitValues) -> tuple[str, ...]:
    """Name the limits that a change loosens; readers compute it, writers never say it (S6)."""
    return tuple(
        name
        for name in LIMIT_NAMES
        if _is_looser(name, getattr(before, name), getattr(after, name))
    )


def absurd(limits: LimitValues, strategy: str = "") -> tuple[str, ...]:
    """
    Name what makes no sense in limits, alone or together.

    Args:
        strategy: whose they are; empty for the account's own.

    """
    problems = [
        problem
        for name in LIMIT_NAMES
        for problem in _problems(name, getattr(limits, name), is_own=not strategy)
    ]
    return tuple(problems) or _contradictions(limits)


def _problems(name: str, value: object, *, is_own: bool) -> list[str]:
    if value is None:
        return []
    if not is_own and name not in STRATEGY_LIMITS:
        return [f"{name} is a limit of an account, a strategy has none of its own"]
    if isinstance(value, tuple):
        return _symbol_problems(name, value)
    assert isinstance(value, int | Decimal)
    must_be = _range_missed(name, value)
    return [f"{name} is {value}, it must be {must_be}"] if must_be else []


def _range_missed(name: str, value: int | Decimal) -> str:
    if isinstance(value, Decimal) and not value.is_finite():
        return "a number"
    if value <= 0:
        return "above 0"
    if name.endswith("_pct_max"):
        return f"below {_WHOLE_PCT}" if value >= _WHOLE_PCT else ""
    if isinstance(value, Decimal):
        return ""
    most = _MS_MAX if "_ms" in name else _COUNT_MAX
    return f"at most {most}" if value > most else ""


def _symbol_problems(name: str, symbols: tuple[object, ...]) -> list[str]:
    if len(set(symbols)) < len(symbols):
        return [f"{name} names a symbol twice"]
    return [
        f"{name}: {shown(symbol, _SYMBOL_CHARS_MAX)} is no symbol"
        for symbol in symbols
        if not is_symbol(symbol)
    ]


def is_symbol(value: object) -> bool:
    """Tell what an exchange may call a symbol, in our spelling."""
    return (
        isinstance(value, str)
        and value.isascii()
        and value.isalnum()
        and value == value.upper()
        and len(value) <= _SYMBOL_CHARS_MAX
    )


def _contradictions(limits: LimitValues) -> tuple[str, ...]:
    order, exposure = limits.order_notional_usd_max, limits.exposure_usd_max
    trickle, rate = limits.trickle_order_try_max, limits.notional_try_per_s_max
    problems = []
    if order is not None and exposure is not None and order > exposure:
        problems.append(
            f"order_notional_usd_max {order} is above exposure_usd_max {exposure}: "
            "one order would pass the exposure"
        )
    if trickle is not None and rate is not None and trickle > rate:
        problems.append(
            f"trickle_order_try_max {trickle} is above notional_try_per_s_max {rate}: "
            "no such order could pass the rate"
        )
    return tuple(problems)


def _is_looser(name: str, before: object, after: object) -> bool:
    if before is None:
        # Nothing was set: whatever comes can only add a cap (of two the stricter wins).
        return False
    if after is None:
        return True
    if isinstance(before, tuple) and isinstance(after, tuple):
        return not set(after) <= set(before)
    assert isinstance(before, int | Decimal)
    assert isinstance(after, int | Decimal)
    return after < before if name in _LARGER_IS_STRICTER else after > before


def _same(before: object, after: object) -> bool:
    if isinstance(before, tuple) and isinstance(after, tuple):
        return set(before) == set(after)
    return before == after
