"""
A world for guards in which an ordinary order passes, to be changed one thing at a time.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from spark.events import ClockMeasured, Equity, EquityMarked, PlaceOrder
from spark.guards.evaluate import evaluate
from spark.guards.limits import Limits
from spark.guards.verdict import Approved
from spark.ledger.exposure import Exposure
from spark.ledger.prices import Known, Prices, worth_of
from spark.ledger.rates import Rates
from spark.ledger.snapshot import Snapshot
from spark.ledger.standing import Standing
from spark.names import Book, Endpoint, Reason, Symbol, TradingMode, Venue
from tests.made import ACCOUNT, NOW_NS, SYMBOL, instrument
from tests.start import WIDE

MS: Final = 1_000_000
DIGEST: Final = "d" * 16
LIRA: Final = Symbol("USDTTRY")


def D(text: str) -> Decimal:  # noqa: N802  (a number in a table)
    """Make a number of a table."""
    return Decimal(text)


def prices(at_ns: int = NOW_NS, **bids_and_asks: str) -> Prices:
    """Mark both principals alike: `BTCUSDT="60000 60000"`, bid and ask."""
    made = {"BTCUSDT": "60000 60000", "USDTTRY": "40 40"} | bids_and_asks
    known = {}
    for symbol, text in made.items():
        if text:
            bid, ask = text.split()
            known[Symbol(symbol)] = Known(Decimal(bid), Decimal(ask), at_ns)
    return Prices(feed=dict(known), watch=dict(known))


def equity(usd: str = "10000", peak: str = "10000", **strategies: str) -> EquityMarked:
    """Mark an account; strategies as `name="equity peak"` with `-` written `_`."""
    own = {}
    for name, text in strategies.items():
        now, highest = text.split()
        own[name.replace("_", "-")] = _equity(now, highest)
    return EquityMarked(
        account=ACCOUNT, book=Book.LIVE, total=_equity(usd, peak), strategies=own, marked_ns=NOW_NS
    )


def _equity(usd: str, peak: str) -> Equity:
    return Equity(equity_usd=Decimal(usd), peak_usd=Decimal(peak), capital_usd=Decimal(10_000))


def snapshot(**changes: object) -> Snapshot:
    """A world in which an ordinary order passes, but for the changes."""
    made: dict[str, Any] = {
        "now_ns": NOW_NS,
        "appended_ns": NOW_NS,
        "mode": TradingMode.LIVE,
        "book": Book.LIVE,
        "endpoint": Endpoint.SIM,
        "halts": (),
        "gateway_fenced_epoch": 3,
        "gateway_ready_epoch": 3,
        "unknown_symbols": frozenset(),
        "instruments": {SYMBOL: instrument()},
        "clock": ClockMeasured(
            venue=Venue.BINANCE, offset_ns=0, uncertainty_ns=MS, measured_ns=NOW_NS
        ),
        "bist_sessions": None,
        "audit_lag_ns": 0,
        "receipt_age_ns": None,
        "worth": None,
        "rates": Rates(),
        "exposure": Exposure(),
        "standing": Standing(epoch=0, reconciled_ns=NOW_NS, doubt=""),
        "equity": equity(),
        "equity_ns": NOW_NS,
        "recent": {},
        "first_results": {},
        "intent_digest": DIGEST,
        **changes,
    }
    return Snapshot(**made)


def valued(
    order: PlaceOrder, snap: Snapshot, limits: Limits, marks: Prices | None = None
) -> Snapshot:
    """Let the world value the order, as the guardrail does."""
    rules = snap.instruments.get(order.symbol)
    if rules is None:
        return snap
    known = prices(snap.now_ns) if marks is None else marks
    worth = worth_of(order, rules.quote_asset, known, now_ns=snap.now_ns, rules=limits.prices)
    return replace(snap, worth=worth)


def codes(
    order: PlaceOrder, snap: Snapshot, limits: Limits = WIDE, marks: Prices | None = None
) -> list[Reason]:
    """List why an order is refused; nothing where it is approved."""
    verdict = evaluate(order, valued(order, snap, limits, marks), limits)
    return [] if isinstance(verdict, Approved) else [refusal.code for refusal in verdict.reasons]
