"""
Orders as the log tells them: (book of orders, event) -> book of orders.

Used by the gateway (what is claimed, open, unknown), the guardrail (what blocks
a symbol) and every view of an order's life. Folding a record twice changes
nothing; executions are told apart by their cumulative quantity (R4).
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from spark.events import (
    CancelAccepted,
    CancelRejected,
    Event,
    OrderAcked,
    OrderCancelled,
    OrderClaimed,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderResolved,
    OutcomeUnknown,
    PartitionFenced,
    RequestNotSent,
)
from spark.ledger.orders import (
    CLOSED,
    EVIDENCE,
    ImpossibleTransitionError,
    Seen,
    is_odd,
    step,
)
from spark.names import (
    AccountId,
    Action,
    ClientOrderId,
    IntentId,
    OrderState,
    Reason,
    Side,
    StrategyId,
    Symbol,
    TradingMode,
)

#: Begins an oddity that no state tells: more traded than was ordered.
OVERFILL: Final = "overfill"
_ZERO: Final = Decimal(0)
_ACCOUNT_EVIDENCE: Final = (OrderAcked, OrderRejected, OrderFilled, OrderCancelled, OrderExpired)
_LAPSES: Final = frozenset(
    {Reason.INTENT_EXPIRED, Reason.APPROVAL_EXPIRED, Reason.SIGNATURE_EXPIRED}
)


@dataclass(slots=True, kw_only=True)
class Order:
    """One order as far as it is known."""

    client_order_id: ClientOrderId
    intent_id: IntentId
    account: AccountId
    strategy: StrategyId
    symbol: Symbol
    #: As it was sent; None where only evidence is known.
    mode: TradingMode | None = None
    state: OrderState = OrderState.PENDING
    side: Side | None = None
    quantity: Decimal = _ZERO
    price: Decimal | None = None
    filled: Decimal = _ZERO
    exchange_order_id: str = ""
    #: Exchange time after which a denial is final; 0 before the claim.
    final_after_ns: int = 0
    #: The same of its last cancel without an answer: until then it may still be carried out.
    cancel_final_after_ns: int = 0
    #: When it was last seen to change, by the log's clock.
    changed_ns: int = 0
    #: Trade ids applied, so that a repeated fill changes nothing.
    trades: tuple[str, ...] = ()
    #: What those trades add up to: one that is told late has a low cumulative of its own.
    traded: Decimal = _ZERO
    #: What the table did not foresee: evidence, which was applied, and opinions, which were not.
    odd: tuple[str, ...] = ()


@dataclass(slots=True)
class Orders:
    """All orders of one partition that still matter."""

    by_id: dict[ClientOrderId, Order] = field(default_factory=dict)
    #: Every client order id that was claimed or ended, with when; one claim each (R1).
    taken: dict[str, int] = field(default_factory=dict)
    #: Cancels claimed and not answered, by their own intent id.
    cancels: dict[IntentId, OrderClaimed] = field(default_factory=dict)
    #: The gateway's fence in force; opinions of other epochs do not count.
    epoch: int = -1

    #: Orders in the order in which they closed, with when.
    closed: deque[tuple[int, ClientOrderId]] = field(default_factory=deque)
    #: Orders whose cancel has no definite answer: asked about, but no new exposure.
    doubtful: set[ClientOrderId] = field(default_factory=set)
    #: The orders without a definite answer.
    unknown: set[ClientOrderId] = field(default_factory=set)

    @property
    def unknown_symbols(self) -> frozenset[Symbol]:
        """List the symbols that an unknown outcome blocks."""
        return frozenset(self.by_id[key].symbol for key in self.unknown)


def cancel_key(intent: IntentId) -> str:
    """Key a cancel among the taken ids: it shares its target's client order id."""
    return f"cancel:{intent}"


def fold_event(  # noqa: C901, PLR0912  (a case for each event)
    orders: Orders, event: Event, offset: int, appended_ns: int
) -> None:
    """Fold one record of `orders.events`; opinions of foreign epochs are dropped."""
    if isinstance(event, PartitionFenced):
        orders.epoch = offset
        return
    epoch = getattr(event, "epoch", None)
    if epoch is not None and epoch != orders.epoch:
        return
    match event:
        case OrderClaimed(action=Action.CANCEL):
            orders.taken[cancel_key(event.intent_id)] = appended_ns
            orders.cancels[event.intent_id] = event
        case OrderClaimed():
            _claim(orders, event, appended_ns)
        case RequestNotSent():
            _not_sent(orders, event, appended_ns)
        case CancelAccepted() | CancelRejected():
            orders.cancels.pop(event.intent_id, None)
        case OutcomeUnknown(action=Action.CANCEL):
            _doubt(orders, event)
        case OutcomeUnknown():
            _see(orders, event, Seen.SILENCE, appended_ns=appended_ns)
        case OrderResolved():
            _see(orders, event, Seen.DENIAL, appended_ns=appended_ns)
        case OrderAcked():
            order = _see(orders, event, Seen.ACK, appended_ns=appended_ns)
            order.exchange_order_id = event.exchange_order_id
        case OrderRejected():
            _see(orders, event, Seen.REJECT, appended_ns=appended_ns)
        case OrderFilled():
            _fill(orders, event, appended_ns)
        case OrderCancelled():
            orders.cancels.pop(IntentId(event.cancel_intent_id), None)
            order = _see(orders, event, Seen.CANCEL, appended_ns=appended_ns)
            _traded(order, event.filled)
        case OrderExpired():
            order = _see(orders, event, Seen.EXPIRY, appended_ns=appended_ns)
            _traded(order, event.filled)
        case _:
            return


def fold_evidence(orders: Orders, event: Event, appended_ns: int) -> None:
    """
    Fold one record of `account.events`: the exchange's evidence, learnt by the account feed.

    The rest of that topic is about the account, and its fences are not the gateway's (R4).
    """
    if isinstance(event, _ACCOUNT_EVIDENCE):
        fold_event(orders, event, -1, appended_ns)


def forget(orders: Orders, before_ns: int) -> None:
    """
    Drop closed orders and taken ids that no valid request can name any more.

    Each is looked at once, in the order in which it closed or was taken.

    Args:
        before_ns: older than the longest life of an intent and everything made
            of it, so that a repetition has expired before it is forgotten (A7).

    """
    closed = orders.closed
    while closed and closed[0][0] < before_ns:
        _, key = closed.popleft()
        order = orders.by_id.get(key)
        if order is not None and order.state in CLOSED and order.changed_ns < before_ns:
            del orders.by_id[key]
    while orders.taken:
        oldest = next(iter(orders.taken))
        if orders.taken[oldest] >= before_ns:
            return
        del orders.taken[oldest]


_About = (
    OrderClaimed
    | RequestNotSent
    | OutcomeUnknown
    | OrderResolved
    | OrderAcked
    | OrderRejected
    | OrderFilled
    | OrderCancelled
    | OrderExpired
    | CancelRejected
)


def _order(orders: Orders, event: _About) -> Order:
    found = orders.by_id.get(event.client_order_id)
    if found is None:
        found = orders.by_id[event.client_order_id] = Order(
            client_order_id=event.client_order_id,
            intent_id=event.intent_id,
            account=event.account,
            strategy=event.strategy,
            symbol=getattr(event, "symbol", Symbol("")),
        )
    return found


def _see(orders: Orders, event: _About, seen: Seen, *, appended_ns: int) -> Order:
    order = _order(orders, event)
    if seen in EVIDENCE or seen is Seen.DENIAL:
        orders.doubtful.discard(order.client_order_id)
    before = order.state
    try:
        order.state = step(before, seen)
    except ImpossibleTransitionError:
        # An ack from an older epoch may have overtaken our word that there is none;
        # the log stays as it is, so whoever cannot read past this could never start.
        order.odd += (f"{before.value}:{seen.value}",)
        return order
    if is_odd(before, seen):
        order.odd += (f"{before.value}:{seen.value}",)
    order.changed_ns = appended_ns
    if order.state is OrderState.UNKNOWN:
        orders.unknown.add(order.client_order_id)
    else:
        orders.unknown.discard(order.client_order_id)
    if order.state in CLOSED:
        orders.closed.append((appended_ns, order.client_order_id))
    return order


def _claim(orders: Orders, event: OrderClaimed, appended_ns: int) -> None:
    orders.taken[event.client_order_id] = appended_ns
    order = _see(orders, event, Seen.CLAIM, appended_ns=appended_ns)
    order.side, order.price, order.mode = event.side, event.price, event.mode
    order.quantity = event.quantity if event.quantity is not None else _ZERO
    order.final_after_ns = event.final_after_ns


def _not_sent(orders: Orders, event: RequestNotSent, appended_ns: int) -> None:
    codes = {refusal.code for refusal in event.reasons}
    if event.action is Action.CANCEL:
        orders.cancels.pop(event.intent_id, None)
        orders.taken.setdefault(cancel_key(event.intent_id), appended_ns)
        return
    if not event.client_order_id or Reason.DUPLICATE_CLAIM in codes:
        # It ends a request that made no order; an id that it names is another's.
        return
    orders.taken[event.client_order_id] = appended_ns
    if codes & {Reason.CANCELLED_BEFORE_SEND, Reason.SHADOW_MODE}:
        seen = Seen.DROPPED
    elif codes <= _LAPSES:
        seen = Seen.LAPSED
    else:
        seen = Seen.REFUSED
    _see(orders, event, seen, appended_ns=appended_ns)


def _doubt(orders: Orders, event: OutcomeUnknown) -> None:
    claim = orders.cancels.pop(event.intent_id, None)
    order = orders.by_id.get(event.client_order_id)
    if order is None or (order.state in CLOSED and order.state is not OrderState.NOT_FOUND):
        # However the cancel ended, there is nothing left of what it was about.
        return
    orders.doubtful.add(order.client_order_id)
    if claim is not None:
        order.cancel_final_after_ns = max(order.cancel_final_after_ns, claim.final_after_ns)


def _fill(orders: Orders, event: OrderFilled, appended_ns: int) -> None:
    order = _order(orders, event)
    order.quantity = order.quantity or event.order_quantity
    order.side = order.side or event.side
    order.mode = order.mode or event.mode
    if event.trade_id in order.trades or (not event.trade_id and event.cumulative <= order.filled):
        return
    if event.trade_id:
        order.trades += (event.trade_id,)
        order.traded += event.quantity
    # Never a sum of all: executions may come in any order, and once more as one average.
    _traded(order, max(event.cumulative, order.traded))
    is_whole = order.filled >= event.order_quantity
    _see(orders, event, Seen.FULL_FILL if is_whole else Seen.PART_FILL, appended_ns=appended_ns)


def _traded(order: Order, filled: Decimal) -> None:
    """Take how much has traded; beyond what was ordered it counts as well, and is an alarm."""
    if filled <= order.filled:
        return
    order.filled = filled
    if found := overfill(order, filled):
        order.odd += (found,)


def overfill(order: Order, filled: Decimal) -> str:
    """Say how much traded of how little; empty where it is no more than was ordered."""
    return f"{OVERFILL} {filled} of {order.quantity}" if _ZERO < order.quantity < filled else ""
