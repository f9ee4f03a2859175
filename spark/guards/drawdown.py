"""
No new risk after losing too much within a day (spec B5).
"""

from decimal import Decimal
from typing import Final

from spark.events import Equity, PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.ledger.snapshot import Snapshot
from spark.names import Reason

_HUNDRED: Final = Decimal(100)
_NS_PER_MS: Final = 1_000_000


def drawdown(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse when the account has lost more of its 24 h peak than allowed, or nobody marks it."""
    del order
    marked = snap.equity
    # Old is as good as never, in what is said too (R15: ledger/prices.py says why).
    if marked is None or snap.appended_ns - snap.equity_ns > limits.equity_age_ns_max:
        return Refusal(
            code=Reason.EQUITY_UNKNOWN,
            found="not marked lately",
            limit=f"{limits.equity_age_ns_max // _NS_PER_MS} ms",
        )
    return _refusal(marked.total, Reason.DRAWDOWN_EXCEEDED, limits.drawdown_pct_max)


def strategy_drawdown(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse a strategy that has lost more of its own peak; one without fills has lost nothing."""
    own = snap.equity.strategies.get(order.strategy) if snap.equity else None
    if own is None:
        return None
    most = limits.strategy.drawdown_pct_max
    pct_max = limits.drawdown_pct_max if most is None else min(most, limits.drawdown_pct_max)
    return _refusal(own, Reason.STRATEGY_DRAWDOWN_EXCEEDED, pct_max)


def _refusal(equity: Equity, code: Reason, pct_max: Decimal) -> Refusal | None:
    lost = (equity.peak_usd - equity.equity_usd) * _HUNDRED
    # Without a peak above nothing there is nothing to lose a part of.
    if equity.peak_usd > 0 and lost <= pct_max * equity.peak_usd:
        return None
    found = f"{equity.equity_usd} of {equity.peak_usd} USD"
    return Refusal(code=code, found=found, limit=f"{pct_max} %")
