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
from spark.consumers.gateway_away import AwayFile
from spark.consumers.gateway_intake import Now
from spark.consumers.gateway_lane import Lane, past_of, refusal_at_door
from spark.consumers.gateway_manners import VenueRules
from spark.consumers.gateway_news import News
from spark.consumers.gateway_resume import GatewayPast
from spark.consumers.gateway_timing import Timing
from spark.crash_points import Point, reach
from spark.errors import MalformedError
from spark.events import (
    OrderEvent,
    Refusal,
)
from spark.exchanges.port import NotSentError, OrderVenue, Outcome
from spark.ledger.dispatch import Ready
from spark.metrics import Metrics
from spark.names import Reason, TradingMode
from spark.signing import short_digest
from spark.worker.cache import Kept, Mark, StateCache, Unkept
from spark.worker.tenure import Tenure

_NS_PER_S: Final = 1e9
#: Events since the last time, when quiet or late and in any case.
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
    rules: VenueRules
    #: What the account feed says, as far as it was taken.
    news: News
    away: AwayFile
    clock: Clock
    metrics: Metrics
    #: Called whenever there is an answer to write down.
    wake: Callable[[], None]
    #: Events that wait for the next append.
    pending: list[OrderEvent] = field(default_factory=list)
    cache: StateCache[GatewayPast] | None = None
    topic_ids: dict[str, str] = field(default_factory=dict)
    #: Events appended since the state was kept, and the place behind the last one.
    unkept: Unkept = field(default_factory=Unkept)
    mark: Mark | None = None
    outbox: asyncio.Queue[Ready] = field(default_factory=asyncio.Queue)
    answers: list[tuple[Ready, Outcome | Refusal]] = field(default_factory=list)
    _timing: Timing = field(init=False)
    _alarm: asyncio.TimerHandle | None = None

    def __post_init__(self) -> None:
        self._timing = Timing(self.metrics)
        self._timing.changed(self.lane, ())

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
            self._timing.opened(self.lane)
            reach(Point.REQUESTS_TAKEN)

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
            better, told = self.news.better(ready, outcome)
            self.pending.extend([*told, *self.lane.answer(ready, better, now)])
        claimed: list[Ready] = []
        if may_claim:
            said, claimed = self.lane.claim(now)
            self.pending.extend(said)
            self._set_alarm(self.lane.manners.due_ns(), now)
        if changes := self.lane.manners.take_changes():
            self.pending.extend(changes)
            self._timing.changed(self.lane, changes)
        self.away.keep(self.lane.manners, now)
        if claimed:
            reach(Point.CLAIMS_DECIDED)
        await self.append()
        if claimed:
            reach(Point.CLAIMS_WRITTEN)
        elif answers:
            reach(Point.ANSWERS_WRITTEN)
        # The append was acknowledged without a gap: the claims stand, in this
        # epoch, and are the first for their ids.
        for ready in claimed:
            self._timing.claimed(ready)
            self.outbox.put_nowait(ready)
        self._timing.turned(self.lane, now)

    async def append(self) -> None:
        """Append the pending events; raises as `turn`."""
        events, self.pending = self.pending, []
        if events:
            key = self.lane.account.encode()
            partition = self.tenure.partition
            bodies = [encode(event) for event in events]
            offsets = await self.tenure.write([Outgoing(partition, key, body) for body in bodies])
            self.unkept.records += len(bodies)
            # Right behind our own last event: what stands beyond it is not ours to name.
            self.mark = Mark(*partition, offsets[-1] + 1, short_digest(bodies[-1]))
            self._timing.said(self.lane, events, now_ns=self.clock.wall_ns())
        for record in self.tenure.take_foreign():
            self._fold_foreign(record)

    def keep(self) -> None:
        """Keep the state on disk, if it is time and nothing waits to be written."""
        now_ns, mark = self.clock.monotonic_ns(), self.mark
        is_due = self.unkept.is_due(
            _IDLE_EVENTS_MIN, _BUSY_EVENTS_MAX, is_idle=self.is_quiet, now_ns=now_ns
        )
        if self.cache is None or mark is None or self.pending or not is_due:
            return
        self.unkept.kept(now_ns)
        marks = (mark, self.news.mark)
        self.cache.save(
            Kept(
                state=past_of(self.lane, self.topic_ids),
                marks=marks,
                topic_ids={one.topic: self.topic_ids[one.topic] for one in marks},
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

    def hear(self, record: Record) -> None:
        """Take what the account feed says; its evidence settles what we do not know (A8)."""
        heard = self.news.take(record, self.lane.orders)
        if heard is None:
            return
        if heard.is_settling:
            # On our own log too: who reads that one alone must not hold it for unknown.
            self.pending.append(heard.event)
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
            reach(Point.REPLIED)
            # At once: the next request may be at the door while this waits to be written.
            self.lane.manners.came(ready, outcome, self.now())
            # Only now look up the list: a turn may have replaced it meanwhile.
            self.answers.append((ready, outcome))
            self.wake()

    async def _send(self, ready: Ready) -> Outcome | Refusal:
        refusal = Refusal(code=Reason.CONNECTION_UNAVAILABLE)

        def check() -> bool:
            # No await between here and the first byte: what is true now holds then.
            nonlocal refusal
            found = refusal_at_door(self.lane, ready, self.now())
            refusal = found or refusal
            if found is None:
                reach(Point.AT_THE_DOOR)
            return found is None

        venue = self.way(ready.mode)
        send = venue.place if ready.is_place else venue.cancel
        try:
            return await send(ready.request, ready.about(), check)
        except NotSentError:
            return refusal

    def _set_alarm(self, due_ns: int, now: Now) -> None:
        """Have the next turn come when what waits for a time may go."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if due_ns:
            wait_s = max(0, due_ns - now.monotonic_ns) / _NS_PER_S
            self._alarm = asyncio.get_running_loop().call_later(wait_s, self.wake)

    def _fold_foreign(self, record: Record) -> None:
        """Take in what an older epoch's gateway learnt from the exchange (R4)."""
        try:
            event = decode(record.value or b"")
        except MalformedError:
            return
        self.lane.fold(event, self.now(), record.offset)
