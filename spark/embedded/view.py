"""
What a stack looks like in one second: pure, from scraped pages and child states.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from spark.embedded.child import ChildState, ChildStatus
from spark.embedded.scrape import Distribution, Sample, by_label, distribution, parse, total
from spark.names import Role

PLACE_ACK: Final = "spark_place_ack_duration_seconds"
FEED_TO_DB: Final = "spark_feed_to_db_seconds"
_KILL: Final = "spark_kill_switch_active"
_LAG: Final = "spark_consumer_lag_records"
_BLOCKS: Final = "spark_risk_block_total"
_DECISIONS: Final = "spark_decisions_total"
_ROWS: Final = "spark_rows_written_total"
_AUDITED: Final = "spark_audit_lines_total"
NAMES: Final = frozenset(
    {f"{PLACE_ACK}_bucket", f"{FEED_TO_DB}_bucket"}
    | {_KILL, _LAG, _BLOCKS, _DECISIONS, _ROWS, _AUDITED}
)
WINDOW_S: Final = 60.0
_READINGS_MAX: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """One published latency: its quantiles over the last minute, ms."""

    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    in_window: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One order's story, told in hops: each with its milliseconds since the intent."""

    #: UTC, when the intent was appended.
    at_ns: int
    text: str
    state: str
    hops: tuple[tuple[str, float], ...]
    place_ack_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackView:
    """Everything that a screen may show of this second."""

    uptime_s: float
    children: tuple[ChildStatus, ...]
    place_ack: Latency
    feed_to_db: Latency
    #: Records that a process is behind, by process.
    lag_records: Mapping[str, int]
    #: As the guardrail says; None while it says nothing.
    is_killed: bool | None
    #: How often each reason refused an intent.
    blocks: Mapping[str, int]
    decisions: Mapping[str, int]
    #: Of market data.
    rows_written: int
    records_audited: int
    #: Newest first.
    orders: tuple[OrderLine, ...]

    @property
    def ready(self) -> int:
        """Count the children that serve."""
        return sum(child.state is ChildState.READY for child in self.children)


@dataclass(frozen=True, slots=True)
class _Reading:
    at_s: float
    place_ack: Distribution
    feed_to_db: Distribution


class Viewer:
    """Turns pages into views; remembers a minute, for the quantiles."""

    def __init__(self) -> None:
        self._readings: deque[_Reading] = deque(maxlen=_READINGS_MAX)

    def view(
        self,
        pages: Mapping[str, str],
        children: Sequence[ChildStatus],
        *,
        orders: Sequence[OrderLine],
        uptime_s: float,
    ) -> StackView:
        """
        Look at one second.

        Args:
            pages: /metrics by process, of those that answered.

        """
        samples = {name: parse(page, NAMES) for name, page in pages.items()}
        everything = [sample for found in samples.values() for sample in found]
        now = _Reading(
            uptime_s, distribution(everything, PLACE_ACK), distribution(everything, FEED_TO_DB)
        )
        then = self._a_minute_before(now)
        self._readings.append(now)
        # Every process has these metrics; only the guardrail speaks of itself with them.
        guardrail = samples.get(Role.GUARDRAIL, [])
        killed = total(guardrail, _KILL)
        return StackView(
            uptime_s=uptime_s,
            children=tuple(children),
            place_ack=_latency(now.place_ack, then.place_ack),
            feed_to_db=_latency(now.feed_to_db, then.feed_to_db),
            lag_records={name: _lag(found) for name, found in samples.items()},
            is_killed=None if killed is None else killed > 0,
            blocks=_whole(by_label(guardrail, _BLOCKS, "reason")),
            decisions=_whole(by_label(guardrail, _DECISIONS, "outcome")),
            rows_written=int(total(samples.get(Role.FEED_WRITER, []), _ROWS) or 0),
            records_audited=int(total(everything, _AUDITED) or 0),
            orders=tuple(orders),
        )

    def _a_minute_before(self, now: _Reading) -> _Reading:
        while len(self._readings) > 1 and self._readings[1].at_s <= now.at_s - WINDOW_S:
            self._readings.popleft()
        is_full = bool(self._readings) and self._readings[0].at_s <= now.at_s - WINDOW_S
        return self._readings[0] if is_full else _Reading(0.0, Distribution(), Distribution())


def _latency(now: Distribution, then: Distribution) -> Latency:
    recent = now.since(then)
    return Latency(
        p50_ms=_ms(recent.quantile(0.50)),
        p95_ms=_ms(recent.quantile(0.95)),
        p99_ms=_ms(recent.quantile(0.99)),
        in_window=recent.count,
        total=now.count,
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _lag(samples: Sequence[Sample]) -> int:
    return int(total(samples, _LAG) or 0)


def _whole(found: Mapping[str, float]) -> dict[str, int]:
    return {name: int(value) for name, value in sorted(found.items()) if value > 0}
