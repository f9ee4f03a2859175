"""
What the gateway measures: how long orders took, where an exchange erred, what holds it back.
"""

import math
from collections.abc import Sequence
from typing import Final

from spark.consumers.gateway_intake import Now
from spark.consumers.gateway_lane import Lane
from spark.events import (
    BreakerChanged,
    CancelRejected,
    OrderAcked,
    OrderEvent,
    OrderRejected,
    OutcomeUnknown,
)
from spark.exchanges.refusals import Subject, subject_of
from spark.ledger.dispatch import Ready
from spark.log import logger
from spark.metrics import Metrics
from spark.names import BreakerState, TradingMode, venue_of

_NS_PER_S: Final = 1e9
#: What an exchange refuses other than the order's content, as dashboards know it.
_REFUSALS: Final = {Subject.RATE: "RATE_LIMIT", Subject.CLOCK: "INVALID_NONCE"}
_Answered = OrderAcked | OrderRejected | CancelRejected | OutcomeUnknown


class Timing:
    """One account's orders, timed."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        #: Append time of the intents whose place is in flight, for Place→ACK.
        self._asked_ns: dict[str, int] = {}
        self._is_leased = False

    def opened(self, lane: Lane) -> None:
        """Take how long the places that were opened took to be sealed."""
        opened, lane.opened = lane.opened, []
        for mode, took_ns in opened:
            took_s = max(0, took_ns) / _NS_PER_S
            self._metrics.place_sealed.labels(mode).observe(took_s)
            if mode is TradingMode.SHADOW:
                # There the path ends (spec H1).
                self._metrics.place_ack.labels(mode).observe(took_s)

    def claimed(self, ready: Ready) -> None:
        """Remember when a place that leaves was asked for."""
        if ready.is_place:
            self._asked_ns[ready.sealed.client_order_id] = ready.approval.basis.appended_ns

    def said(self, lane: Lane, events: Sequence[OrderEvent], *, now_ns: int) -> None:
        """Take what was just written down."""
        for event in events:
            if isinstance(event, _Answered):
                is_place = not isinstance(event, CancelRejected)
                asked_ns = self._asked_ns.pop(event.client_order_id, None) if is_place else None
                order = lane.orders.by_id.get(event.client_order_id)
                mode = (order and order.mode) or TradingMode.LIVE
                # On paper no exchange erred, and none was fast.
                is_paper = mode is TradingMode.PAPER
                exchange = mode.value if is_paper else lane.account.partition(":")[0]
                self._exchange(event, exchange)
                if isinstance(event, OrderAcked) and asked_ns is not None:
                    ack, hop = self._metrics.place_ack, self._metrics.hop
                    ack.labels(mode).observe((now_ns - asked_ns) / _NS_PER_S)
                    if event.sent_ns:  # 0 where the account feed told of it
                        hop.labels("gateway").observe((now_ns - event.sent_ns) / _NS_PER_S)

    def turned(self, lane: Lane, now: Now) -> None:
        """Show where an account stands after a turn."""
        account, manners = lane.account, lane.manners
        self._metrics.back_off.labels(account).set(manners.away_ns(now) / _NS_PER_S)
        self._metrics.weight_spent.labels(venue_of(account)).set(manners.address.budget.spent)
        self._metrics.orders_in_flight.labels(account).set(lane.dispatch.in_flight)
        self._metrics.unknown_open.labels(account).set(len(lane.orders.unknown))
        self._leased(lane, now)

    def _leased(self, lane: Lane, now: Now) -> None:
        age_ns = lane.lease.age_ns(now.wall_ns, now.monotonic_ns)
        age_s = math.inf if age_ns is None else age_ns / _NS_PER_S
        self._metrics.lease_age.labels(lane.account).set(age_s)
        is_leased = not lane.lease.is_over(now.wall_ns, now.monotonic_ns)
        if is_leased != self._is_leased:
            self._is_leased = is_leased
            say = logger().info if is_leased else logger().error
            event = "lease_held" if is_leased else "lease_over"
            say(event, account=lane.account, pulse_age_s=round(age_s, 1))

    def changed(self, lane: Lane, changes: Sequence[BreakerChanged]) -> None:
        """Show the breaker, and say what became of it."""
        for change in changes:
            say = logger().info if change.state is BreakerState.CLOSED else logger().error
            say(
                "breaker_changed",
                account=change.account,
                state=change.state,
                cause=change.cause,
                **change.evidence,
            )
        for state in BreakerState:
            gauge = self._metrics.breaker.labels(lane.account, state)
            gauge.set(state is lane.manners.breaker.state)

    def _exchange(self, event: _Answered, exchange: str) -> None:
        errors = self._metrics.exchange_errors
        if isinstance(event, OutcomeUnknown):
            errors.labels(exchange, _error_code(event.cause)).inc()
            return
        if isinstance(event, OrderRejected | CancelRejected):
            subject = subject_of(event.code, event.http_status)
            code = "REJECT" if subject is None else _REFUSALS.get(subject, "REJECT")
            errors.labels(exchange, code).inc()
            if subject is Subject.RATE:
                self._metrics.rate_limit_hits.labels(exchange).inc()
        if event.sent_ns:  # 0 where a question brought it to light
            call_ns = max(0, event.answered_ns - event.sent_ns)
            call = "cancel" if isinstance(event, CancelRejected) else "place"
            self._metrics.exchange_call.labels(exchange, call).observe(call_ns / _NS_PER_S)


def _error_code(cause: str) -> str:
    return {"timeout": "TIMEOUT", "server_error": "5XX"}.get(cause, "CONNECTION")
