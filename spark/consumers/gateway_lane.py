"""
One account's partition inside the gateway: intake, claims, answers. No I/O.

Bytes come in as records, what must be appended goes out as events; the process
around it (gateway.py) reads, writes and sends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from spark.consumers import gateway_words as words
from spark.consumers.gateway_intake import GatewayKeys, Now, Opened, Permit, open_request
from spark.consumers.gateway_manners import Manners
from spark.consumers.gateway_resume import MEMORY_NS, GatewayPast
from spark.events import (
    CancelApproved,
    Event,
    GatewayReady,
    OrderApproved,
    OrderEvent,
    Origin,
    Refusal,
    RequestNotSent,
)
from spark.exchanges.port import Answer, Outcome
from spark.ledger.dispatch import AnyDispatch, Ready
from spark.ledger.fold import Orders, cancel_key, fold_event, forget
from spark.ledger.lease import Lease
from spark.ledger.orders import CLOSED
from spark.names import (
    AccountId,
    Action,
    ClientOrderId,
    Endpoint,
    OrderState,
    Reason,
    TradingMode,
)
from spark.worker.inbox import Accepted, Inbox

#: How far this clock and the exchange's may be apart; the bound is on the exchange's.
_CLOCK_ERROR_NS_MAX: Final = 2_000_000_000


@dataclass(slots=True, kw_only=True)
class Lane:
    """What the gateway knows of one partition."""

    account: AccountId
    epoch: int
    inbox: Inbox
    orders: Orders
    dispatch: AnyDispatch
    manners: Manners
    keys: GatewayKeys
    permit: Permit
    lease: Lease
    #: Signed records taken and neither claimed nor ended, with the lineage before each.
    open_offsets: dict[int, tuple[int, int]] = field(default_factory=dict)
    #: Signed records at or above the resume point that have their event already.
    handled: set[int] = field(default_factory=set)
    #: Offset behind the last signed record that was claimed.
    claimed_below: int = 0
    #: Of each place that was opened: its mode, and ns from its intent's append to its sealing's.
    opened: list[tuple[TradingMode, int]] = field(default_factory=list)

    def begin(self, mode: TradingMode, endpoint: Endpoint, now: Now) -> list[OrderEvent]:
        """
        Say what a restart means: claims without an answer are unknown, and we are ready.

        Call once, after folding the log up to the own fence.
        """
        places = [
            words.unknown(order, Action.PLACE, epoch=self.epoch, cause="restart", now=now)
            for order in self.orders.by_id.values()
            if order.state is OrderState.CLAIMED
        ]
        cancels = [
            words.unknown(claim, Action.CANCEL, epoch=self.epoch, cause="restart", now=now)
            for claim in self.orders.cancels.values()
        ]
        ready = GatewayReady(
            epoch=self.epoch,
            account=self.account,
            endpoint=endpoint,
            mode=mode,
            ready_ns=now.wall_ns,
        )
        return self._said([*places, *cancels, ready], now)

    def take(self, accepted: Accepted, now: Now) -> list[OrderEvent]:
        """
        Take one signed record: queue it, or end it.

        Returns: what must be appended at once.
        """
        given = accepted.given
        if given.offset in self.handled:
            # Read again after a restart, because an earlier one was still open.
            self.handled.discard(given.offset)
            return []
        self.open_offsets[given.offset] = (accepted.epoch, accepted.seq - 1)
        found = open_request(given, self.keys, self.permit, now_ns=now.wall_ns)
        if not isinstance(found, Opened):
            key = getattr(given.event, "client_order_id", "")
            if key in self.orders.taken:
                # Else the order that was sent under this id would seem to end here.
                found += (Refusal(code=Reason.DUPLICATE_CLAIM, found=key),)
            return self._said([self._ended(given.offset, given.event, found, now=now)], now)
        ready = Ready(
            sealed=found.sealed,
            approval=found.approval,
            request=found.request,
            offset=given.offset,
            appended_ns=given.appended_ns,
            too_old_ns=now.monotonic_ns + found.sealed.not_after_ns - now.wall_ns,
        )
        if ready.is_place:
            asked_ns = ready.approval.basis.appended_ns
            self.opened.append((ready.mode, given.appended_ns - asked_ns))
        if ready.mode is TradingMode.SHADOW:
            return self._said([self._shadowed(ready, now)], now)
        if isinstance(found.approval, CancelApproved):
            return self._said(self._take_cancel(ready, now), now)
        self.dispatch.add(ready)
        return []

    def claim(self, now: Now) -> tuple[list[OrderEvent], list[Ready]]:
        """
        Let requests leave their queues.

        Returns: what must be appended, and the claimed requests, which may be
            sent once the append has proved the claims valid and first.
        """
        said: list[OrderEvent] = []
        claimed: list[Ready] = []
        control = self.permit.control
        protected = control.concurrency_max(self.account)
        self.dispatch.limit(self.manners.concurrency_max(protected, now))
        word = control.breakers.get(self.account)
        self.manners.begin(None if word is None else word.state, now)
        # A refused request gives its slot back at once, so that another may leave.
        while leaving := self.dispatch.leave(lambda ready: self.manners.may_leave(ready, now)):
            for ready in leaving:
                refusal = _refusal(self, ready, now) or self.manners.refusal(ready, now)
                if refusal is None:
                    claimed.append(ready)
                    self.dispatch.claims(ready)
                    self.manners.claims(ready)
                    self.claimed_below = max(self.claimed_below, ready.offset + 1)
                    origin = self._origin(ready.offset)
                    event: OrderEvent = words.claimed(
                        ready, epoch=self.epoch, origin=origin, now=now
                    )
                else:
                    self.dispatch.done(ready)
                    self.manners.drop(ready, now)
                    event = self._ended(ready.offset, ready.sealed, (refusal,), now=now)
                said.extend(self._said([event], now))
        return said, claimed

    def answer(self, ready: Ready, outcome: Outcome | Refusal, now: Now) -> list[OrderEvent]:
        """Take what became of a claimed request."""
        self.dispatch.done(ready)
        if isinstance(outcome, Refusal):
            said: list[OrderEvent] = [self._ended(ready.offset, ready.sealed, (outcome,), now=now)]
        elif outcome.answer is Answer.UNKNOWN:
            sealed = ready.sealed
            said = [
                words.unknown(sealed, sealed.action, epoch=self.epoch, cause=outcome.cause, now=now)
            ]
        else:
            said = list(outcome.evidence)
        return self._said(said, now)

    def done(self) -> tuple[Origin, set[int]]:
        """Say how far the signed records are done, and which beyond that are."""
        origin = self._origin(-1)
        beyond = range(origin.done_below, self.inbox.position)
        done = {offset for offset in beyond if offset not in self.open_offsets}
        # After a restart, what was handled before may not have been read again yet.
        return origin, done | self.handled

    def fold(self, event: Event, now: Now, offset: int = -1) -> None:
        """Fold an event of our own, or foreign evidence."""
        fold_event(self.orders, event, offset, now.wall_ns)
        forget(self.orders, now.wall_ns - MEMORY_NS)

    def _said(self, events: list[OrderEvent], now: Now) -> list[OrderEvent]:
        for event in events:
            self.fold(event, now)
        return events

    def _shadowed(self, ready: Ready, now: Now) -> RequestNotSent:
        """End where the send would be: a shadow order is guarded, signed and measured (B1)."""
        reasons = [Refusal(code=Reason.SHADOW_MODE)]
        # What would have kept it from being sent belongs to what is measured.
        if (refusal := _refusal(self, ready, now)) is not None:
            reasons.append(refusal)
        return self._ended(ready.offset, ready.sealed, reasons, now=now)

    def _take_cancel(self, ready: Ready, now: Now) -> list[OrderEvent]:
        target = ready.sealed.client_order_id
        waiting = self.dispatch.drop(target, ready.sealed.symbol)
        if waiting is not None:
            reason = Refusal(code=Reason.CANCELLED_BEFORE_SEND)
            return [
                self._ended(waiting.offset, waiting.sealed, (reason,), now=now),
                self._ended(ready.offset, ready.sealed, (reason,), now=now),
            ]
        order = self.orders.by_id.get(target)
        if order is not None and order.state in CLOSED:
            closed = Refusal(code=Reason.CANCEL_TARGET_CLOSED, found=order.state)
            return [self._ended(ready.offset, ready.sealed, (closed,), now=now)]
        self.dispatch.add(ready)
        return []

    def is_late(self, ready: Ready, now: Now) -> bool:
        """Tell whether a request is too old, by the wall clock or by our own patience."""
        return now.wall_ns >= ready.sealed.not_after_ns or now.monotonic_ns >= ready.too_old_ns

    def _ended(
        self, offset: int, event: Event | None, reasons: Sequence[Refusal], *, now: Now
    ) -> RequestNotSent:
        origin = self._origin(offset)
        return words.not_sent(
            event, reasons, account=self.account, epoch=self.epoch, origin=origin, now=now
        )

    def _origin(self, offset: int) -> Origin:
        self.open_offsets.pop(offset, None)
        lineage = self.inbox.lineage
        assert lineage is not None
        if self.open_offsets:
            below = next(iter(self.open_offsets))
            epoch, seq = self.open_offsets[below]
        else:
            below, epoch, seq = self.inbox.position, lineage.epoch, lineage.seq
        return Origin(offset=offset, done_below=below, done_epoch=epoch, done_seq=seq)


def open_orders(lane: Lane, now_ns: int) -> frozenset[ClientOrderId]:
    """
    List the places of which a byte may be on its way: claimed and unanswered (R10).

    An unknown counts until it is settled, or past the moment from which on the
    exchange's denial of it is final.
    """
    orders = lane.orders
    unknown = {
        key
        for key in orders.unknown
        if (order := orders.by_id.get(key)) is not None
        if not 0 < order.final_after_ns < now_ns - _CLOCK_ERROR_NS_MAX
    }
    return lane.dispatch.places_in_flight | unknown


def refusal_at_door(lane: Lane, ready: Ready, now: Now) -> Refusal | None:
    """Look for the last time, with the connection in hand: halts, lateness, lease, manners."""
    approval = ready.approval
    if isinstance(approval, OrderApproved):
        found = lane.permit.refusal_now(approval)
        if found is not None:
            return found
    if lane.is_late(ready, now):
        return Refusal(code=Reason.SIGNATURE_EXPIRED)
    return _unleased(lane, ready, now) or lane.manners.refusal(ready, now)


def past_of(lane: Lane, topic_ids: dict[str, str]) -> GatewayPast:
    """Give what a restart needs to know."""
    origin, handled = lane.done()
    return GatewayPast(
        lane.orders,
        origin,
        handled,
        topic_ids,
        claimed_below=lane.claimed_below,
        breaker=lane.manners.breaker.state,
        breaker_since_ns=lane.manners.breaker.since_ns,
    )


def resolved_by_persons(lane: Lane, now: Now) -> list[OrderEvent]:
    """Give what to say of unknowns that persons took over, because no evidence settles them."""
    said = lane.permit.control.resolved
    found = sorted(key for key in lane.orders.unknown if key in said)
    return [words.resolved(lane.orders.by_id[key], epoch=lane.epoch, now=now) for key in found]


def _refusal(lane: Lane, ready: Ready, now: Now) -> Refusal | None:
    """Look once more before the claim: one claim for each id, and nothing late (R1, R2)."""
    sealed = ready.sealed
    key = sealed.client_order_id if ready.is_place else cancel_key(sealed.intent_id)
    if key in lane.orders.taken:
        return Refusal(code=Reason.DUPLICATE_CLAIM, found=key)
    if lane.is_late(ready, now):
        return Refusal(code=Reason.SIGNATURE_EXPIRED)
    if lane.dispatch.is_overtaken(ready):
        return Refusal(code=Reason.STAMP_OVERTAKEN, found=str(sealed.stamped_ns))
    if ready.is_place and sealed.symbol in lane.orders.unknown_symbols:
        # The guardrail learns of an unknown a moment later than we do.
        return Refusal(code=Reason.UNKNOWN_OUTCOME_OPEN, found=sealed.symbol)
    return _unleased(lane, ready, now)


def _unleased(lane: Lane, ready: Ready, now: Now) -> Refusal | None:
    """Refuse a place, on paper too, unless the guardrail lives; a cancel waits for nobody (S9)."""
    if not ready.is_place:
        return None
    return lane.lease.refusal(ready.appended_ns, wall_ns=now.wall_ns, monotonic_ns=now.monotonic_ns)
