"""
An order's life, hop by hop, from the `orders.*` topics and the account feed's. Pure.

Used by `spark order show|list`, the live table and the benchmark. Times are the
broker's append times; Place→ACK is the acknowledgement's minus the intent's.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from spark import topics
from spark.codec import decimal_text
from spark.events import (
    CancelAccepted,
    CancelApproved,
    CancelOrder,
    CancelRejected,
    Event,
    IntentRefused,
    OrderAcked,
    OrderApproved,
    OrderCancelled,
    OrderClaimed,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderResolved,
    OutcomeUnknown,
    PlaceOrder,
    Refusal,
    RequestNotSent,
    RequestSealed,
    SigningSkipped,
)
from spark.ledger.orders import ImpossibleTransitionError, Seen, step
from spark.names import Action, OrderState, Reason

_NS_PER_MS: Final = 1_000_000
#: The topics to read, in the order of the hops.
SOURCES: Final = (
    topics.INTENTS,
    topics.DECISIONS,
    topics.SIGNED,
    topics.EVENTS,
    topics.ACCOUNT_EVENTS,
)
_LAPSES: Final = frozenset(
    {Reason.INTENT_EXPIRED, Reason.APPROVAL_EXPIRED, Reason.SIGNATURE_EXPIRED}
)
#: Why a second intent or request of one id ends.
_REPETITIONS: Final = frozenset(
    {Reason.DUPLICATE_INTENT, Reason.INTENT_ID_REUSED, Reason.DUPLICATE_CLAIM}
)


@dataclass(frozen=True, slots=True)
class Hop:
    """One record of an order's life."""

    kind: str
    topic: str
    offset: int
    appended_ns: int
    #: One line for a person.
    detail: str


@dataclass(slots=True, kw_only=True)
class OrderRow:
    """One intent and what became of it."""

    intent_id: str
    action: Action
    account: str = ""
    strategy: str = ""
    symbol: str = ""
    side: str = ""
    order_type: str = ""
    quantity: str = ""
    price: str = ""
    client_order_id: str = ""
    #: What was done with it: `live`, `paper`…; empty before a decision. A cancel's is its own.
    mode: str = ""
    #: The order that a cancel is about.
    target_intent_id: str = ""
    exchange_order_id: str = ""
    filled: str = "0"
    state: OrderState = OrderState.PENDING
    reasons: tuple[Refusal, ...] = ()
    hops: list[Hop] = field(default_factory=list)

    @property
    def place_ack_ms(self) -> float | None:
        """Give Place→ACK in ms; None before the acknowledgement."""
        first = self._at("place_order") or self._at("cancel_order")
        last = self._acked_ns() if self.action is Action.PLACE else self._end_ns()
        return None if first is None or last is None else (last - first) / _NS_PER_MS

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing more comes by itself: answered, ended or refused."""
        if self.action is Action.CANCEL:
            is_unknown = self._at("outcome_unknown") is not None
            return is_unknown or self._end_ns() is not None or bool(self.reasons)
        if self.state in {OrderState.PENDING, OrderState.CLAIMED}:
            return False
        # The account feed may see the order before the gateway has its answer written down.
        answers = (hop for hop in self.hops if hop.topic == topics.EVENTS)
        return bool(self.reasons) or any(hop.kind != "order_claimed" for hop in answers)

    def _at(self, kind: str) -> int | None:
        return next((hop.appended_ns for hop in self.hops if hop.kind == kind), None)

    def _acked_ns(self) -> int | None:
        """Find the answer to the place; the account feed may have told of the order sooner."""
        acked = [hop for hop in reversed(self.hops) if hop.kind == "order_acked"]
        found = {hop.topic: hop.appended_ns for hop in acked}
        return found.get(topics.EVENTS, found.get(topics.ACCOUNT_EVENTS))

    def _end_ns(self) -> int | None:
        ends = {"order_cancelled", "cancel_rejected", "cancel_accepted"}
        return next((hop.appended_ns for hop in self.hops if hop.kind in ends), None)


class OrderView:
    """Rows by intent id; feed it records in any order between topics."""

    def __init__(self) -> None:
        self.rows: dict[str, OrderRow] = {}

    def see(self, event: Event, *, topic: str, offset: int, appended_ns: int) -> OrderRow | None:
        """
        Take one record.

        Returns: the row that changed, if any.
        """
        intent_id = getattr(event, "intent_id", "")
        if not intent_id:
            return None
        hop = Hop(event.type, topic, offset, appended_ns, _detail(event))
        if isinstance(event, OrderCancelled) and event.cancel_intent_id:
            self._add(event.cancel_intent_id, Action.CANCEL, hop)
        row = self._add(intent_id, _action_of(event), hop)
        _apply(row, event)
        return row

    def _add(self, intent_id: str, action: Action, hop: Hop) -> OrderRow:
        row = self.rows.get(intent_id)
        if row is None:
            row = self.rows[intent_id] = OrderRow(intent_id=intent_id, action=action)
        row.hops.append(hop)
        row.hops.sort(key=lambda hop: (hop.appended_ns, SOURCES.index(hop.topic), hop.offset))
        return row


def _action_of(event: Event) -> Action:
    if isinstance(event, CancelOrder | CancelApproved | CancelAccepted | CancelRejected):
        return Action.CANCEL
    found: Action = getattr(event, "action", Action.PLACE)
    return found


def _apply(row: OrderRow, event: Event) -> None:  # noqa: C901, PLR0912  (a case for each event)
    match event:
        case PlaceOrder():
            row.account, row.strategy, row.symbol = event.account, event.strategy, event.symbol
            row.side, row.order_type = event.side, event.order_type
            row.quantity = str(event.quantity)
            row.price = "" if event.price is None else str(event.price)
        case CancelOrder():
            row.action = Action.CANCEL
            row.account, row.strategy, row.symbol = event.account, event.strategy, event.symbol
            row.target_intent_id = event.target_intent_id
        case OrderApproved() | CancelApproved():
            row.client_order_id, row.mode = event.client_order_id, event.mode
        case IntentRefused() | RequestNotSent() if _is_repetition(event):
            return
        case IntentRefused():
            row.reasons = event.reasons
            _see(row, Seen.REFUSED)
        case RequestNotSent():
            row.reasons = row.reasons or event.reasons
            _see(row, _ending(event))
        case OrderClaimed(action=Action.PLACE):
            _see(row, Seen.CLAIM)
        case OutcomeUnknown(action=Action.PLACE):
            _see(row, Seen.SILENCE)
        case OrderResolved():
            _see(row, Seen.DENIAL)
        case OrderAcked():
            row.exchange_order_id = event.exchange_order_id
            _see(row, Seen.ACK)
        case OrderRejected():
            row.reasons = (Refusal(code=Reason.UPSTREAM_REFUSED, found=event.code),)
            _see(row, Seen.REJECT)
        case OrderFilled():
            _fill(row, event.cumulative)
            is_whole = event.cumulative >= event.order_quantity
            _see(row, Seen.FULL_FILL if is_whole else Seen.PART_FILL)
        case OrderCancelled():
            _fill(row, event.filled)
            _see(row, Seen.CANCEL)
        case OrderExpired():
            _fill(row, event.filled)
            _see(row, Seen.EXPIRY)
        case _:
            return


def _fill(row: OrderRow, cumulative: Decimal) -> None:
    row.filled = decimal_text(max(Decimal(row.filled), cumulative))


def _is_repetition(event: IntentRefused | RequestNotSent) -> bool:
    """Tell whether what ended is a second one of this id: the first one's row stays as it is."""
    return any(refusal.code in _REPETITIONS for refusal in event.reasons)


def _ending(event: RequestNotSent) -> Seen:
    codes = {refusal.code for refusal in event.reasons}
    if codes & {Reason.CANCELLED_BEFORE_SEND, Reason.SHADOW_MODE}:
        return Seen.DROPPED
    return Seen.LAPSED if codes <= _LAPSES else Seen.REFUSED


def _see(row: OrderRow, seen: Seen) -> None:
    if row.action is Action.CANCEL:
        return
    try:
        row.state = step(row.state, seen)
    except ImpossibleTransitionError:
        # A view reads topics in no order between them; the gateway's own fold,
        # which reads one log, is where an impossible opinion is an error.
        return


def _detail(event: Event) -> str:  # noqa: PLR0911  (a case for each event)
    match event:
        case IntentRefused() | SigningSkipped() | RequestNotSent():
            return ", ".join(_reason(refusal) for refusal in event.reasons)
        case RequestSealed():
            return f"sealed for the gateway, {event.action}"
        case OrderAcked():
            return f"exchange order {event.exchange_order_id}"
        case OrderRejected() | CancelRejected():
            return f"{event.code}, HTTP {event.http_status}"
        case OrderFilled():
            return f"{event.quantity} @ {event.price}, {event.cumulative} of {event.order_quantity}"
        case OutcomeUnknown():
            return event.cause
        case PlaceOrder():
            price = "market" if event.price is None else f"@ {event.price}"
            return f"{event.side} {event.quantity} {event.symbol} {price}"
        case CancelOrder():
            return f"of {event.target_intent_id}"
        case _:
            return ""


def _reason(refusal: Refusal) -> str:
    found = f" {refusal.found}" if refusal.found else ""
    limit = f" (limit {refusal.limit})" if refusal.limit else ""
    return f"{refusal.code}{found}{limit}"
