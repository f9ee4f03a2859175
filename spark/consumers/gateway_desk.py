"""
One account inside the gateway, with its hold on the log and its way to the exchange.

A turn is one batch: answers that came, records that were taken, requests whose
turn it is; one append; then the claimed requests are handed to the senders. A
sender holds one slot for as long as a request is unanswered.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Final

from spark.bus.port import Outgoing, Record
from spark.clock import Clock
from spark.codec import decode, encode
from spark.consumers.gateway_intake import Now
from spark.consumers.gateway_lane import Lane
from spark.consumers.gateway_resume import GatewayPast
from spark.errors import MalformedError
from spark.events import (
    OrderAcked,
    OrderApproved,
    OrderEvent,
    OrderRejected,
    OutcomeUnknown,
    Refusal,
)
from spark.exchanges.port import NotSentError, OrderVenue, Outcome
from spark.ledger.dispatch import Ready
from spark.metrics import Metrics
from spark.names import Reason, TradingMode
from spark.signing import short_digest
from spark.worker.cache import Kept, Mark, StateCache
from spark.worker.tenure import Tenure

_NS_PER_S: Final = 1e9
#: Events since the last time, when quiet and in any case.
_IDLE_EVENTS_MIN: Final = 1_000
_BUSY_EVENTS_MAX: Final = 40_000


@dataclass(slots=True, kw_only=True)
class Desk:
    """A lane at work."""

    lane: Lane
    tenure: Tenure
    venue: OrderVenue
    #: Carries orders out on paper, and sends nothing.
    paper: OrderVenue
    clock: Clock
    metrics: Metrics
    #: Called whenever there is an answer to write down.
    wake: Callable[[], None]
    #: Events that wait for the next append.
    pending: list[OrderEvent] = field(default_factory=list)
    cache: StateCache[GatewayPast] | None = None
    topic_ids: dict[str, str] = field(default_factory=dict)
    #: Events appended since the state was kept, and the place behind the last one.
    unkept: int = 0
    mark: Mark | None = None
    outbox: asyncio.Queue[Ready] = field(default_factory=asyncio.Queue)
    answers: list[tuple[Ready, Outcome | Refusal]] = field(default_factory=list)
    #: Append time of the intents whose place is in flight, for Place→ACK.
    asked_ns: dict[str, int] = field(default_factory=dict)

    def now(self) -> Now:
        """Read both clocks."""
        return Now(self.clock.wall_ns(), self.clock.monotonic_ns())

    def take(self, record: Record) -> None:
        """
        Take one signed record.

        Raises:
            GapError: a record is missing; halt.

        """
        accepted = self.lane.inbox.accept(record)
        if accepted is not None:
            self.pending.extend(self.lane.take(accepted, self.now()))
            self._measure_sealed()

    async def turn(self, *, may_claim: bool) -> None:
        """
        Write down what there is, and send what the log then allows.

        Raises:
            FencedError: the account is another instance's now; nothing was sent.
            WriteError: what the log holds is unsure; exit.

        """
        now = self.now()
        answers, self.answers = self.answers, []
        for ready, outcome in answers:
            self.pending.extend(self.lane.answer(ready, outcome, now))
        claimed: list[Ready] = []
        if may_claim:
            control = self.lane.permit.control
            self.lane.dispatch.limit(control.concurrency_max(self.lane.account))
            said, claimed = self.lane.claim(now)
            self.pending.extend(said)
        await self.append()
        # The append was acknowledged without a gap: the claims stand, in this
        # epoch, and are the first for their ids.
        for ready in claimed:
            if ready.is_place:
                basis = ready.approval.basis
                self.asked_ns[ready.sealed.client_order_id] = basis.appended_ns
            self.outbox.put_nowait(ready)
        account = self.lane.account
        self.metrics.orders_in_flight.labels(account).set(self.lane.dispatch.in_flight)
        self.metrics.unknown_open.labels(account).set(len(self.lane.orders.unknown))

    async def append(self) -> None:
        """Append the pending events; raises as `turn`."""
        events, self.pending = self.pending, []
        if events:
            key = self.lane.account.encode()
            partition = self.tenure.partition
            bodies = [encode(event) for event in events]
            offsets = await self.tenure.write([Outgoing(partition, key, body) for body in bodies])
            self.unkept += len(bodies)
            # Right behind our own last event: what stands beyond it is not ours to name.
            self.mark = Mark(*partition, offsets[-1] + 1, short_digest(bodies[-1]))
            self._measure(events)
        for record in self.tenure.take_foreign():
            self._fold_foreign(record)

    def keep(self) -> None:
        """Keep the state on disk, if it is time and nothing waits to be written."""
        due = _IDLE_EVENTS_MIN if self.is_quiet else _BUSY_EVENTS_MAX
        mark = self.mark
        if self.cache is None or mark is None or self.pending or self.unkept < due:
            return
        self.unkept = 0
        origin, handled = self.lane.done()
        past = GatewayPast(self.lane.orders, origin, handled, self.topic_ids)
        self.cache.save(
            Kept(
                state=past,
                marks=(mark,),
                topic_ids={mark.topic: self.topic_ids[mark.topic]},
                epoch=self.tenure.epoch,
                seq=-1,
                last=None,
            )
        )

    def senders(self, count: int) -> Sequence[Coroutine[None, None, None]]:
        """Make the senders; each is one slot."""
        return [self._send_all() for _ in range(count)]

    def say(self, events: Sequence[OrderEvent]) -> None:
        """Write down what was learnt beside the answers; with the next turn."""
        now = self.now()
        for event in events:
            self.lane.fold(event, now)
        self.pending.extend(events)
        self.wake()

    def way(self, mode: TradingMode) -> OrderVenue:
        """Choose the way of an order by the mode that it was placed in."""
        return self.paper if mode is TradingMode.PAPER else self.venue

    @property
    def is_quiet(self) -> bool:
        """Tell whether nothing is in flight or waiting to be written."""
        return not (self.lane.dispatch.in_flight or self.answers or self.pending)

    async def _send_all(self) -> None:
        while True:
            ready = await self.outbox.get()
            outcome = await self._send(ready)
            # Only now look up the list: a turn may have replaced it meanwhile.
            self.answers.append((ready, outcome))
            self.wake()

    async def _send(self, ready: Ready) -> Outcome | Refusal:
        refusal = Refusal(code=Reason.CONNECTION_UNAVAILABLE)

        def check() -> bool:
            # No await between here and the first byte: what is true now holds then.
            nonlocal refusal
            approval = ready.approval
            if isinstance(approval, OrderApproved):
                found = self.lane.permit.refusal_now(approval)
                if found is not None:
                    refusal = found
                    return False
            if self.lane.is_late(ready, self.now()):
                refusal = Refusal(code=Reason.SIGNATURE_EXPIRED)
                return False
            return True

        venue = self.way(ready.mode)
        send = venue.place if ready.is_place else venue.cancel
        try:
            return await send(ready.request, ready.about(), check)
        except NotSentError:
            return refusal

    def _fold_foreign(self, record: Record) -> None:
        """Take in what an older epoch's gateway learnt from the exchange (R4)."""
        try:
            event = decode(record.value or b"")
        except MalformedError:
            return
        self.lane.fold(event, self.now(), record.offset)

    def _measure_sealed(self) -> None:
        opened, self.lane.opened = self.lane.opened, []
        for mode, took_ns in opened:
            took_s = max(0, took_ns) / _NS_PER_S
            self.metrics.place_sealed.labels(mode).observe(took_s)
            if mode is TradingMode.SHADOW:
                # There the path ends (spec H1).
                self.metrics.place_ack.labels(mode).observe(took_s)

    def _measure(self, events: Sequence[OrderEvent]) -> None:
        now_ns = self.clock.wall_ns()
        hop = self.metrics.hop.labels("gateway")
        for event in events:
            if isinstance(event, OrderAcked | OrderRejected | OutcomeUnknown):
                asked_ns = self.asked_ns.pop(event.client_order_id, None)
            else:
                continue
            order = self.lane.orders.by_id.get(event.client_order_id)
            mode = (order and order.mode) or TradingMode.LIVE
            exchange = self.lane.account.partition(":")[0]
            if mode is TradingMode.PAPER:
                # No exchange has erred, and none was fast.
                exchange = mode.value
            if isinstance(event, OutcomeUnknown):
                self.metrics.exchange_errors.labels(exchange, _error_code(event.cause)).inc()
                continue
            if isinstance(event, OrderRejected):
                is_limit = event.code == "RATE_LIMIT"
                code = event.code if is_limit else "REJECT"
                self.metrics.exchange_errors.labels(exchange, code).inc()
                if is_limit:
                    self.metrics.rate_limit_hits.labels(exchange).inc()
            elif asked_ns is not None:
                self.metrics.place_ack.labels(mode).observe((now_ns - asked_ns) / _NS_PER_S)
                hop.observe((now_ns - event.sent_ns) / _NS_PER_S)
            if event.sent_ns:  # 0 where a question brought it to light
                call_ns = max(0, event.answered_ns - event.sent_ns)
                self.metrics.exchange_call.labels(exchange, "place").observe(call_ns / _NS_PER_S)


def _error_code(cause: str) -> str:
    return {"timeout": "TIMEOUT", "server_error": "5XX"}.get(cause, "CONNECTION")
