"""
All that a guard may look at: one read-only value, folded from records.

Every field came in through the log, or is the reading that the decision records;
so the same log gives the same verdict again (R15). Missing data is None or
absent, and a guard refuses on it.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from spark.events import (
    ClockMeasured,
    EquityMarked,
    InstrumentPublished,
    Refusal,
    SessionsPublished,
)
from spark.ledger.exposure import Exposure
from spark.ledger.prices import Worth
from spark.ledger.rates import Rates
from spark.ledger.standing import Standing
from spark.names import Book, Endpoint, IntentId, StrategyId, Symbol, TradingMode


@dataclass(frozen=True, slots=True)
class FirstResult:
    """What became of an intent id when it was first seen."""

    #: Short digest of the intent's bytes.
    digest: str
    #: Its place in `orders.intents`, where the first result can be looked up.
    seq: int


def result_key(strategy: StrategyId, intent: IntentId) -> str:
    """Key an intent id within its strategy: ids are namespaced by who wrote them (S2)."""
    return f"{strategy} {intent}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The world at one decision, of one account's partition."""

    now_ns: int
    appended_ns: int
    mode: TradingMode
    #: Which orders count together with this one.
    book: Book
    endpoint: Endpoint
    #: Kills in force, on the log and outside.
    halts: tuple[str, ...]
    #: Latest fence of the gateway, and the epoch that last said it was ready.
    gateway_fenced_epoch: int | None
    gateway_ready_epoch: int | None
    unknown_symbols: AbstractSet[Symbol]
    instruments: Mapping[Symbol, InstrumentPublished]
    clock: ClockMeasured | None
    bist_sessions: SessionsPublished | None
    #: Age of the oldest intent that the auditor has not chained; None where it is not heard of.
    audit_lag_ns: int | None
    #: Age of the last receipt of a witness; None without any.
    receipt_age_ns: int | None
    #: The order in money; the reason where no price says it; None without an instrument.
    worth: Worth | Refusal | None
    rates: Rates
    exposure: Exposure
    #: How the account stands with its exchange.
    standing: Standing
    #: The account's last equity in this book, and its append time.
    equity: EquityMarked | None
    equity_ns: int
    #: Append time of the last approved order that was the same, by `order_key`.
    recent: Mapping[str, int]
    #: By `result_key`.
    first_results: Mapping[str, FirstResult]
    #: Short digest of the bytes of the intent being judged.
    intent_digest: str
