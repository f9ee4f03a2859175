"""
An order as three topics tell it, each in a part of its own. Pure.

What was asked (`orders.intents`) and what was decided of it (`orders.decisions`) are joined
by the intent's offset, which the decision carries; what the gateway and the exchange said
(`orders.events`) is folded by ledger/fold.py. The order's row is a function of the parts,
so the order in which topics are read cannot matter.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from spark.events import (
    BreakerChanged,
    CancelAccepted,
    CancelApproved,
    CancelOrder,
    CancelRejected,
    Decision,
    GatewayReady,
    Intent,
    IntentRefused,
    OrderAcked,
    OrderApproved,
    OrderEvent,
    OrderRejected,
    OutcomeUnknown,
    PartitionFenced,
    Refusal,
    RequestNotSent,
)
from spark.ids import client_order_id, created_ms
from spark.ledger.fold import Order, Orders, fold_event
from spark.names import (
    AccountId,
    Action,
    ClientOrderId,
    IntentId,
    OrderState,
    Reason,
    StrategyId,
)

APPROVED: Final = "approved"
REFUSED: Final = "refused"
#: Refusals that leave open who wrote the intent.
_UNPROVEN: Final = frozenset(
    {
        Reason.TAG_MISSING,
        Reason.STRATEGY_MISMATCH,
        Reason.WRONG_PARTITION,
        Reason.ACCOUNT_UNKNOWN,
    }
)
#: Refusals of a second intent of one id: the order is the first one's.
_REPETITIONS: Final = frozenset({Reason.DUPLICATE_INTENT, Reason.INTENT_ID_REUSED})
#: Ends before the send that somebody wanted.
_AS_MEANT: Final = frozenset({Reason.CANCELLED_BEFORE_SEND, Reason.SHADOW_MODE})
#: Ends of a request that say nothing of the order whose id it carries: refused or
#: repeated before, so that its decision, or the first one's story, says how it ended.
_NOT_THE_ORDERS: Final = frozenset(
    {Reason.UPSTREAM_REFUSED, Reason.ALREADY_SIGNED, Reason.DUPLICATE_CLAIM, *_REPETITIONS}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an intent asks for."""

    account: str
    strategy: str
    intent_id: str
    action: Action
    symbol: str
    side: str | None = None
    order_type: str | None = None
    time_in_force: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    target_intent_id: str | None = None
    appended_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What was decided of the intent at an offset."""

    outcome: str
    #: The intent was read, and its strategy did write it.
    is_proven: bool
    client_order_id: str | None = None
    mode: str
    endpoint: str | None = None
    reasons: tuple[Refusal, ...] = ()
    #: Append time of the decision.
    decided_ns: int


@dataclass(slots=True)
class IntentCard:
    """An intent's place on its topic: what stands there, and what was decided of it."""

    said: Said | None = None
    decided: Decided | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An intent with its decision, where the two make an order."""

    #: Offset of the intent.
    seq: int
    said: Said
    decided: Decided


@dataclass(slots=True, kw_only=True)
class Told:
    """What `orders.events` says of an order."""

    order: Order
    first_ns: int
    #: Append time of the first acknowledgement.
    acked_ns: int | None = None
    error_class: str | None = None
    reasons: tuple[Refusal, ...] = ()
    #: False while only an end without the order's own id is known, which may be a cancel's.
    is_named: bool = False


@dataclass(slots=True)
class OrderCard:
    """All parts of one order."""

    asked: Asked | None = None
    #: By `orders.events`.
    told: Told | None = None
    #: By the account feed: evidence alone, often the same once more.
    seen: Told | None = None


def said_of(intent: Intent, appended_ns: int) -> Said:
    """Write down what an intent asks for."""
    is_cancel = isinstance(intent, CancelOrder)
    return Said(
        account=intent.account,
        strategy=intent.strategy,
        intent_id=intent.intent_id,
        action=Action.CANCEL if is_cancel else Action.PLACE,
        symbol=intent.symbol,
        side=getattr(intent, "side", None),
        order_type=getattr(intent, "order_type", None),
        time_in_force=getattr(intent, "time_in_force", None),
        quantity=getattr(intent, "quantity", None),
        price=getattr(intent, "price", None),
        target_intent_id=getattr(intent, "target_intent_id", None),
        appended_ns=appended_ns,
    )


def decided_of(decision: Decision, decided_ns: int) -> Decided:
    """Write down what a decision says."""
    if isinstance(decision, IntentRefused):
        is_read = decision.intent_id != ""
        return Decided(
            outcome=REFUSED,
            is_proven=is_read and not _codes(decision.reasons) & _UNPROVEN,
            mode=decision.basis.mode,
            reasons=decision.reasons,
            decided_ns=decided_ns,
        )
    assert isinstance(decision, OrderApproved | CancelApproved)  # nothing else decides
    return Decided(
        outcome=APPROVED,
        is_proven=True,
        client_order_id=decision.client_order_id,
        mode=decision.mode,
        endpoint=decision.endpoint,
        decided_ns=decided_ns,
    )


def asked_of(seq: int, card: IntentCard) -> Asked | None:
    """
    Join an intent with its decision.

    Returns: None until both are known, and where they make no order: a cancel, a
        repetition, an id of another form, an intent whose writer is not proven.

    """
    said, decided = card.said, card.decided
    if said is None or decided is None or said.action is not Action.PLACE:
        return None
    if not decided.is_proven or _codes(decided.reasons) & _REPETITIONS:
        return None
    if created_ms(IntentId(said.intent_id)) is None:
        # Refused for it; a text of any length is no name for an order.
        return None
    return Asked(seq=seq, said=said, decided=decided)


def ask(card: OrderCard, asked: Asked) -> None:
    """Give an order what was asked: of several intents of one id the first one counts."""
    if card.asked is None or asked.seq < card.asked.seq:
        card.asked = asked


def order_key(asked: Asked) -> tuple[AccountId, ClientOrderId]:
    """Name the order that was asked for."""
    said = asked.said
    account = AccountId(said.account)
    return account, _derived(said.account, said.strategy, said.intent_id)


def event_key(event: OrderEvent | PartitionFenced) -> ClientOrderId | None:
    """Name the order whose story an event belongs to; None where it is no order's."""
    if isinstance(
        event, GatewayReady | PartitionFenced | BreakerChanged | CancelAccepted | CancelRejected
    ):
        return None
    if getattr(event, "action", Action.PLACE) is Action.CANCEL:
        return None
    if isinstance(event, RequestNotSent):
        if _codes(event.reasons) & _NOT_THE_ORDERS:
            return None
        if not event.client_order_id and event.intent_id:
            # No request was made for it, so nothing upstream wrote the id down.
            return _derived(event.account, event.strategy, event.intent_id)
    return event.client_order_id or None


def tell(
    card: OrderCard, event: OrderEvent, *, key: ClientOrderId, orders: Orders, appended_ns: int
) -> None:
    """
    Fold an event of `orders.events` that counts into its order's part.

    Args:
        key: as `event_key` names it.
        orders: the fold's own book; what it keeps from one order to the next is not needed.

    """
    is_named = True
    if isinstance(event, RequestNotSent) and not event.client_order_id:
        is_named, event = False, replace(event, client_order_id=key)
    card.told = _told(card.told, event, key, orders=orders, appended_ns=appended_ns)
    card.told.is_named |= is_named


def see(
    card: OrderCard, event: OrderEvent, *, key: ClientOrderId, orders: Orders, appended_ns: int
) -> None:
    """Fold the account feed's evidence into its own part; the order between the two is open."""
    card.seen = _told(card.seen, event, key, orders=orders, appended_ns=appended_ns)
    card.seen.is_named = True
    # That there was no claim on that topic is no oddity.
    card.seen.order.odd = ()


def _told(
    told: Told | None,
    event: OrderEvent,
    key: ClientOrderId,
    *,
    orders: Orders,
    appended_ns: int,
) -> Told:
    before = OrderState.PENDING
    orders.by_id.pop(key, None)
    if told is not None:
        before = told.order.state
        orders.by_id[key] = told.order
    # Whether an opinion counts was judged before; the fold asks the same question again.
    orders.epoch = getattr(event, "epoch", orders.epoch)
    fold_event(orders, event, -1, appended_ns)
    if told is None:
        told = Told(order=orders.by_id[key], first_ns=appended_ns)
    _note(told, event, appended_ns, before=before)
    return told


def _note(told: Told, event: OrderEvent, appended_ns: int, *, before: OrderState) -> None:
    match event:
        case OrderAcked() if told.acked_ns is None or event.sent_ns:
            # The answer to the place itself; what the account feed told may stand here sooner.
            told.acked_ns = appended_ns
        case OrderRejected():
            told.error_class = event.code
        case OutcomeUnknown() if told.order.state is OrderState.UNKNOWN:
            told.error_class = event.cause
        case RequestNotSent() if told.order.state is not before:
            told.reasons = event.reasons
            faults = [one.code for one in event.reasons if one.code not in _AS_MEANT]
            told.error_class = faults[0] if faults else None
        case _:
            return


def _codes(reasons: tuple[Refusal, ...]) -> set[Reason]:
    return {refusal.code for refusal in reasons}


def _derived(account: str, strategy: str, intent_id: str) -> ClientOrderId:
    return client_order_id(AccountId(account), StrategyId(strategy), IntentId(intent_id))
