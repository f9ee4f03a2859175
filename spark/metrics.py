"""
Every metric, declared once: its meaning, its unit, its labels.

A process builds one `Metrics` on its own registry and serves it on its ops port.
Names are fixed by spec G1; histogram bounds lie on every published threshold
(0.3 0.5 0.8 1 1.2 2 s) and are finer below, because our own bar is. Ids are never
labels. The runbook page `runbook/metrics.md` is generated from this file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from spark.row_histogram import RowHistogram

#: Seconds.
BOUNDS: Final = (
    0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05,
    0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 1.2, 2.0, 5.0, 10.0,
)  # fmt: skip
_EXCHANGES: Final = ("binance", "btcturk")
_ERROR_CODES: Final = ("INVALID_NONCE", "RATE_LIMIT", "5XX", "TIMEOUT", "CONNECTION", "REJECT")


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric as operators read of it."""

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...]


class Declarations:
    """Metrics on a registry of their own, each noted as it is declared."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        #: Every metric of this process, in the order of this file.
        self.declared: list[Declared] = []

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        self.declared.append(Declared(name, "gauge", meaning, labels))
        return Gauge(name, meaning, labels, registry=self.registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        self.declared.append(Declared(name, "counter", meaning, labels))
        return Counter(name.removesuffix("_total"), meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, *labels: str) -> Histogram:
        self.declared.append(Declared(name, "histogram", meaning, labels))
        return Histogram(name, meaning, labels, buckets=BOUNDS, registry=self.registry)

    def _row_histogram(self, name: str, meaning: str, label: str) -> RowHistogram:
        self.declared.append(Declared(name, "histogram", meaning, (label,)))
        return RowHistogram(name, meaning, label, bounds=BOUNDS, registry=self.registry)


class Metrics(Declarations):
    """The metrics of one process."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self.role = role
        self.up = self._gauge("spark_up", "1 while the process serves its ops port", "role")
        self.place_ack = self._histogram(
            "spark_place_ack_duration_seconds",
            "From the intent's append to the acknowledgement's append, both on the broker's clock; "
            "in shadow to the sealed request's",
            "mode",
        )
        self.place_sealed = self._histogram(
            "spark_place_sealed_duration_seconds",
            "From the intent's append to its sealed request's append, both on the broker's clock",
            "mode",
        )
        self.feed_to_db = self._row_histogram(
            "spark_feed_to_db_seconds",
            "From the socket's receive to the COMMIT that holds the row",
            "kind",
        )
        self.log_to_db = self._row_histogram(
            "spark_log_to_db_seconds",
            "From a record's append to the COMMIT that holds what the tables make of it",
            "topic",
        )
        self.hop = self._histogram(
            "spark_hop_duration_seconds",
            "From the input's append to the acknowledged append of this hop's output",
            "hop",
        )
        self.exchange_call = self._histogram(
            "spark_exchange_call_seconds", "From first byte out to reply in", "exchange", "call"
        )
        self.exchange_errors = self._counter(
            "spark_exchange_errors_total", "Errors by their class", "exchange", "code"
        )
        for exchange, code in product(_EXCHANGES, _ERROR_CODES):
            # A counter that appears only with its first error hides it from rate().
            self.exchange_errors.labels(exchange, code)
        self.rate_limit_hits = self._counter(
            "rate_limit_hits_total", "429 and 418 answers of an exchange", "exchange"
        )
        self.risk_block = self._counter(
            "spark_risk_block_total", "Reasons for which intents were refused", "reason"
        )
        self.decisions = self._counter(
            "spark_decisions_total", "Decisions by their outcome", "outcome"
        )
        self._declare_equity()
        self.kill_switch = self._gauge("spark_kill_switch_active", "1 while new orders are stopped")
        self.risk_killswitch = self._gauge(
            "spark_risk_killswitch_active", "The same as spark_kill_switch_active, for older rules"
        )
        self.trading_mode = self._gauge(
            "spark_trading_mode", "1 for the mode in force", "mode", "endpoint"
        )
        self.key_generation = self._gauge("spark_key_generation", "Newest one held", "key")
        self.ws_staleness = self._gauge(
            "spark_ws_staleness_seconds",
            "Age of a stream's last market message, at scrape",
            "venue",
            "stream",
        )
        self.feed_gaps = self._counter(
            "spark_feed_gaps_total", "Gaps written, by stream and cause", "venue", "stream", "cause"
        )
        self.ws_last_message = self._gauge(
            "spark_ws_last_message_timestamp_seconds", "When the last market message came", "venue"
        )
        self.ws_reconnects = self._counter(
            "spark_ws_reconnects_total", "Market sockets that ended or fell silent", "venue"
        )
        self.marks_missing = self._gauge(
            "spark_marks_missing", "Symbols without a usable price at the last look", "venue"
        )
        self.clock_offset = self._gauge(
            "spark_clock_offset_seconds", "How far the exchange's clock is ahead", "venue"
        )
        self.clock_uncertainty = self._gauge(
            "spark_clock_uncertainty_seconds", "Half the round trip of the measurement", "venue"
        )
        self._declare_manners()
        self._declare_accounts()
        self.void_records = self._counter(
            "spark_void_records_total", "Records dropped because their epoch is over", "topic"
        )
        self.dead_letters = self._counter(
            "spark_dead_letters_total", "Inputs that could not be used", "reason"
        )
        self.dead_letters_muted = self._counter(
            "spark_dead_letters_muted_total", "Dead letters not written because of the cap"
        )
        self.lag = self._gauge(
            "spark_consumer_lag_records", "Records behind the end of the input", "partition"
        )
        self.loop_lag = self._gauge(
            "spark_event_loop_lag_seconds", "How late the event loop was at its last second"
        )
        self.unknown_open = self._gauge(
            "spark_unknown_outcomes", "Claims without a definite answer", "account"
        )
        self.orders_in_flight = self._gauge(
            "spark_orders_in_flight", "Requests sent and not answered", "account"
        )
        self.rows_written = self._counter("spark_rows_written_total", "Rows committed", "table")
        self.rows_rejected = self._counter(
            "spark_rows_rejected_total", "Rows kept apart with a reason", "reason"
        )
        self.audit_lines = self._counter("spark_audit_lines_total", "Records chained", "topic")
        self._declare_audit()
        self.db_pool_in_use = self._gauge("spark_db_pool_in_use", "Connections in use")
        self.db_pool_size = self._gauge("spark_db_pool_size", "Connections open")
        self.db_pool_waiting = self._gauge("spark_db_pool_waiting", "Callers waiting for one")
        self.db_query = self._histogram(
            "spark_db_query_seconds", "One statement, asked to answered", "query"
        )

    def _declare_audit(self) -> None:
        self.audit_lag_seconds = self._gauge(
            "spark_audit_lag_seconds", "Age of the oldest record that is not chained yet"
        )
        self.audit_anchor_age = self._gauge(
            "spark_audit_anchor_age_seconds",
            "Since the audit was anchored last at a place: file, table or witness; endless "
            "before the first",
            "place",
        )
        self.audit_anchor_failures = self._counter(
            "spark_audit_anchor_failures_total", "Times that a place took no anchor", "place"
        )
        self.audit_witness_refused = self._counter(
            "spark_audit_witness_refused_total",
            "Checkpoints that the witness calls inconsistent with what it saw before: look at once",
        )

    def _declare_manners(self) -> None:
        self.clock_drift = self._gauge(
            "spark_clock_drift_ppm", "How much faster the exchange's clock runs", "venue"
        )
        self.clock_steps = self._counter(
            "spark_clock_steps_total", "Times that our own wall clock was set by over 250 ms"
        )
        self.breaker = self._gauge(
            "spark_breaker_state", "1 for the state of an exchange's circuit breaker", "account",
            "state",
        )  # fmt: skip
        self.back_off = self._gauge(
            "spark_back_off_seconds", "How long nothing more may be sent to an exchange", "account"
        )
        self.weight_spent = self._gauge(
            "spark_weight_spent", "Request weight of the last minute, as far as known", "venue"
        )
        self.lease_age = self._gauge(
            "spark_lease_age_seconds",
            "Age of the guardrail's last pulse as the gateway knows it; endless before the first",
            "account",
        )
        self.lease_refused = self._counter(
            "spark_lease_pulses_refused_total",
            "Pulses with a tag for the gateway that prove nothing, or were heard before",
        )

    def _declare_accounts(self) -> None:
        self.reconciled_age = self._gauge(
            "spark_account_reconciled_age_seconds",
            "Since log and exchange were compared last, endless where that does not hold",
            "account",
        )
        self.differences_open = self._gauge(
            "spark_account_differences", "Open differences of log and exchange", "account", "kind"
        )
        self.private_stream = self._gauge(
            "spark_private_stream_up", "1 while an account's private stream is there", "account"
        )

    def _declare_equity(self) -> None:
        scope = ("account", "book", "strategy")
        self.equity = self._gauge(
            "spark_equity_usd", "Capital and profit of an account, or a strategy on it", *scope
        )
        self.drawdown = self._gauge(
            "spark_drawdown_ratio", "Part of the highest equity of 24 h that is lost", *scope
        )
        self.equity_missing = self._gauge(
            "spark_equity_missing", "1 while a price for the equity is missing", *scope[:2]
        )
        self.protections = self._counter(
            "spark_protections_total", "Times that trading was slowed or stopped by itself", "rule"
        )
        self.gate = self._gauge(
            "spark_gate_seconds", "P95 that is promised, to compare the histograms with", "gate"
        )


def at_scrape(gauge: Gauge, read: Callable[[], float], *labels: str) -> None:
    """Let a gauge be computed when it is read: an age must not freeze with its updater."""
    (gauge.labels(*labels) if labels else gauge).set_function(read)
