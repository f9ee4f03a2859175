"""
How an account's orders fare at their exchange, within the last hour. Pure.

Counted in slots of ten seconds by the log's clock, from what the gateway wrote: answers,
refused clocks, rate limits, requests without an answer, and how long each place took from
its intent's append to its acknowledgement's. Told one by one: what an exchange should never
say. Orders that trade for nobody (paper, shadow) do not count. A record that comes again
counts once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from spark.events import (
    CancelRejected,
    Event,
    OrderAcked,
    OrderApproved,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OutcomeUnknown,
    RequestNotSent,
)
from spark.exchanges.refusals import Subject, subject_of
from spark.ledger.fold import OVERFILL, Orders, fold_event, forget, overfill
from spark.ledger.orders import Seen
from spark.names import BOOK_OF, Action, Book, ClientOrderId, IntentId, OrderState

SLOT_NS: Final = 10_000_000_000
HOUR_NS: Final = 3_600_000_000_000
_NS_PER_MS: Final = 1_000_000
_SLOTS_MAX: Final = HOUR_NS // SLOT_NS + 1
#: Upper ends of the latency classes, ms; behind the last one is what never came.
BOUNDS_MS: Final = (50, 100, 200, 300, 500, 800, 1000, 1200, 2000, 3000, 5000, 10_000)
#: What the gateway calls a claim that it found without an answer when it began.
_RESTART: Final = "restart"
#: States from which a first answer comes.
_UNANSWERED: Final = frozenset({OrderState.PENDING, OrderState.CLAIMED})
_FILLS: Final = (f":{Seen.PART_FILL.value}", f":{Seen.FULL_FILL.value}")
#: Of each kind that is told one by one.
_TOLD_MAX: Final = 20
#: An order that was never claimed has had no end; that it is filled is another alarm.
_NEVER_CLAIMED: Final = f"{OrderState.PENDING.value}:"
#: How long an order that is over is remembered.
_MEMORY_NS: Final = 120_000_000_000


@dataclass(slots=True)
class Slot:
    """Ten seconds."""

    #: Requests that came to an end: answered, or given up.
    ended: int = 0
    nonce: int = 0
    limited: int = 0
    #: Without a definite answer.
    unknown: int = 0
    #: Places by their latency class.
    latencies: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))


class Told(NamedTuple):
    """What an exchange should never say, and did."""

    at_ns: int
    #: Whose request, or fill, it was about.
    order: ClientOrderId
    #: For a person to read.
    what: str


@dataclass(slots=True)
class Health:
    """One account's last hour; plain values, kept as JSON."""

    slots: dict[int, Slot] = field(default_factory=dict)
    orders: Orders = field(default_factory=Orders)
    #: When intents were appended that are approved and not answered, and when answers were
    #: whose approval has not been read yet: two topics, in no order (R15).
    asked_ns: dict[ClientOrderId, int] = field(default_factory=dict)
    acked_ns: dict[ClientOrderId, int] = field(default_factory=dict)
    #: Fills that no order could have, with what the table said.
    odd: list[Told] = field(default_factory=list)
    #: Fills beyond what was ordered, with both quantities.
    overfills: list[Told] = field(default_factory=list)
    #: Refusals for the key, with the exchange's word.
    refused_keys: list[Told] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What slots add up to."""

    ended: int
    nonce: int
    limited: int
    unknown: int
    latencies: tuple[int, ...]

    @property
    def errors(self) -> int:
        """Count what H1 promises to be rare: no answer, a refused clock, a rate limit."""
        return self.nonce + self.limited + self.unknown


def fold_approval(health: Health, event: Event) -> None:
    """Take in a decision: from its intent's append on the exchange's answer is waited for."""
    if not isinstance(event, OrderApproved) or BOOK_OF[event.mode] is not Book.LIVE:
        return
    asked_ns = event.basis.appended_ns
    acked_ns = health.acked_ns.pop(event.client_order_id, None)
    if acked_ns is not None:
        _note_latency(health, asked_ns, acked_ns)
        return
    health.asked_ns[event.client_order_id] = asked_ns
    _forget(health.asked_ns, asked_ns - HOUR_NS)


def fold_outcome(health: Health, event: Event, *, offset: int, appended_ns: int) -> None:
    """Take in a record of `orders.events`."""
    orders = health.orders
    order_id = getattr(event, "client_order_id", ClientOrderId(""))
    before = orders.by_id.get(order_id)
    state = OrderState.PENDING if before is None else before.state
    odd_before = 0 if before is None else len(before.odd)
    is_open_cancel = getattr(event, "intent_id", IntentId("")) in orders.cancels
    is_open_cancel |= getattr(event, "cancel_intent_id", "") in orders.cancels
    epoch = getattr(event, "epoch", None)
    is_void = epoch is not None and epoch != orders.epoch
    fold_event(orders, event, offset, appended_ns)
    forget(orders, appended_ns - _MEMORY_NS)
    order = orders.by_id.get(order_id)
    mode = None if order is None else order.mode
    if is_void or (mode is not None and BOOK_OF[mode] is not Book.LIVE):
        return
    for odd in () if order is None else order.odd[odd_before:]:
        if _is_late_fill(odd):
            _tell(health.odd, Told(appended_ns, order_id, odd))
        elif odd.startswith(OVERFILL):
            _tell_once(health.overfills, Told(appended_ns, order_id, odd))
    if is_open_cancel or state in _UNANSWERED:
        _count(health, event, appended_ns)


def look_at_fill(health: Health, fill: OrderFilled, appended_ns: int) -> None:
    """Look at a fill of a living order that only the account feed told; it is not folded here."""
    order = health.orders.by_id.get(fill.client_order_id)
    found = "" if order is None else overfill(order, fill.cumulative)
    if found and BOOK_OF[fill.mode] is Book.LIVE:
        _tell_once(health.overfills, Told(appended_ns, fill.client_order_id, found))


def sums(health: Health, *, after_ns: int, now_ns: int) -> Sums:
    """Add up the slots that begin after a moment, and none of the future."""
    return _added(
        slot
        for number, slot in health.slots.items()
        if number * SLOT_NS >= after_ns and number * SLOT_NS <= now_ns
    )


def sums_by_minute(health: Health, *, after_ns: int, now_ns: int) -> dict[int, Sums]:
    """Add up the slots of each minute in which a place was answered, newest first."""
    minutes: dict[int, list[Slot]] = {}
    for number, slot in health.slots.items():
        if after_ns <= number * SLOT_NS <= now_ns and any(slot.latencies):
            minutes.setdefault(number * SLOT_NS // (6 * SLOT_NS), []).append(slot)
    return {minute: _added(minutes[minute]) for minute in sorted(minutes, reverse=True)}


def p95_class(latencies: Iterable[int]) -> int | None:
    """Give the latency class in which the 95th percentile lies; None without a place."""
    counts = tuple(latencies)
    total, seen = sum(counts), 0
    for number, count in enumerate(counts):
        seen += count
        if total and seen * 100 >= total * 95:
            return number
    return None


def class_text(number: int) -> str:
    """Write a latency class for people."""
    if number == len(BOUNDS_MS):
        return f"over {BOUNDS_MS[-1]} ms or no answer"
    return f"up to {BOUNDS_MS[number]} ms"


def _is_late_fill(odd: str) -> bool:
    return odd.endswith(_FILLS) and not odd.startswith(_NEVER_CLAIMED)


def _count(health: Health, event: Event, appended_ns: int) -> None:
    match event:
        case OrderAcked() | OrderCancelled() if event.sent_ns:
            slot = _slot(health, appended_ns)
        case OrderRejected() | CancelRejected() if event.sent_ns:
            slot = _slot(health, appended_ns)
            _refused(health, event, appended_ns, slot=slot)
        case OutcomeUnknown(cause=cause) if cause == _RESTART:
            # Our own gateway began anew; that says nothing of the exchange.
            health.asked_ns.pop(event.client_order_id, None)
            return
        case OutcomeUnknown():
            slot = _slot(health, appended_ns)
            slot.unknown += 1
        case RequestNotSent():
            health.asked_ns.pop(event.client_order_id, None)
            return
        case _:
            return
    slot.ended += 1
    if isinstance(event, OrderAcked):
        _acked(health, event.client_order_id, appended_ns)
    elif isinstance(event, OutcomeUnknown) and event.action is Action.PLACE:
        slot.latencies[-1] += 1
        health.asked_ns.pop(event.client_order_id, None)
    elif isinstance(event, OrderRejected):
        health.asked_ns.pop(event.client_order_id, None)


def _refused(
    health: Health, event: OrderRejected | CancelRejected, appended_ns: int, *, slot: Slot
) -> None:
    match subject_of(event.code, event.http_status):
        case Subject.CLOCK:
            slot.nonce += 1
        case Subject.RATE:
            slot.limited += 1
        case Subject.KEY:
            word = f"{event.code}, HTTP {event.http_status}"
            _tell(health.refused_keys, Told(appended_ns, event.client_order_id, word))
        case None:
            pass


def _tell_once(told: list[Told], one: Told) -> None:
    # Gateway and account feed tell of the same fill (R4).
    if all((known.order, known.what) != (one.order, one.what) for known in told):
        _tell(told, one)


def _tell(told: list[Told], one: Told) -> None:
    told.append(one)
    del told[:-_TOLD_MAX]


def _acked(health: Health, order: ClientOrderId, appended_ns: int) -> None:
    asked_ns = health.asked_ns.pop(order, None)
    if asked_ns is not None:
        _note_latency(health, asked_ns, appended_ns)
        return
    health.acked_ns[order] = appended_ns
    _forget(health.acked_ns, appended_ns - HOUR_NS)


def _note_latency(health: Health, asked_ns: int, acked_ns: int) -> None:
    took_ms = (acked_ns - asked_ns) // _NS_PER_MS
    number = next((n for n, bound in enumerate(BOUNDS_MS) if took_ms <= bound), len(BOUNDS_MS))
    _slot(health, acked_ns).latencies[number] += 1


def _slot(health: Health, at_ns: int) -> Slot:
    number = at_ns // SLOT_NS
    found = health.slots.get(number)
    if found is None:
        found = health.slots[number] = Slot()
        newest = max(health.slots)
        for old in [one for one in health.slots if one <= newest - _SLOTS_MAX]:
            del health.slots[old]
        # A straggler from before the window is counted nowhere.
        return health.slots.get(number, Slot())
    return found


def _forget(times: dict[ClientOrderId, int], before_ns: int) -> None:
    while times:
        oldest = next(iter(times))
        if times[oldest] >= before_ns:
            return
        del times[oldest]


def _added(slots: Iterable[Slot]) -> Sums:
    total = Slot()
    for slot in slots:
        total.ended += slot.ended
        total.nonce += slot.nonce
        total.limited += slot.limited
        total.unknown += slot.unknown
        total.latencies = [a + b for a, b in zip(total.latencies, slot.latencies, strict=True)]
    return Sums(
        ended=total.ended,
        nonce=total.nonce,
        limited=total.limited,
        unknown=total.unknown,
        latencies=tuple(total.latencies),
    )
