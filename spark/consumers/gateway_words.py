"""
What the gateway says of requests, as records: claimed, not sent, unknown. Pure.
"""

from collections.abc import Sequence

from spark.consumers.gateway_intake import Now
from spark.events import (
    Event,
    OrderApproved,
    OrderClaimed,
    OrderResolved,
    Origin,
    OutcomeUnknown,
    Refusal,
    RequestNotSent,
    RequestSealed,
)
from spark.ledger.dispatch import Ready
from spark.ledger.fold import Order
from spark.names import AccountId, Action, ClientOrderId, IntentId, StrategyId


def claimed(ready: Ready, *, epoch: int, origin: Origin, now: Now) -> OrderClaimed:
    """Say that a request will be sent, once."""
    approval = ready.approval
    order = approval if isinstance(approval, OrderApproved) else None
    return OrderClaimed(
        epoch=epoch,
        origin=origin,
        action=ready.sealed.action,
        account=approval.account,
        strategy=approval.strategy,
        intent_id=approval.intent_id,
        client_order_id=approval.client_order_id,
        symbol=approval.symbol,
        mode=ready.mode,
        side=order.side if order else None,
        order_type=order.order_type if order else None,
        quantity=order.quantity if order else None,
        price=order.price if order else None,
        final_after_ns=ready.request.final_after_ns,
        claimed_ns=now.wall_ns,
    )


def not_sent(
    event: Event | None,
    reasons: Sequence[Refusal],
    *,
    account: AccountId,
    epoch: int,
    origin: Origin,
    now: Now,
) -> RequestNotSent:
    """
    Say that a request ends before a byte of it was sent.

    Args:
        event: the signed record, whatever it says; None where nobody can read it.

    """
    return RequestNotSent(
        epoch=epoch,
        origin=origin,
        action=getattr(event, "action", Action.PLACE),
        account=account,
        strategy=getattr(event, "strategy", StrategyId("")),
        intent_id=getattr(event, "intent_id", IntentId("")),
        client_order_id=getattr(event, "client_order_id", ClientOrderId("")),
        reasons=tuple(reasons),
        at_ns=now.wall_ns,
    )


def unknown(
    about: Order | OrderClaimed | RequestSealed, action: Action, *, epoch: int, cause: str, now: Now
) -> OutcomeUnknown:
    """Say that a claimed request has no definite answer."""
    return OutcomeUnknown(
        epoch=epoch,
        action=action,
        account=about.account,
        strategy=about.strategy,
        intent_id=about.intent_id,
        client_order_id=about.client_order_id,
        symbol=about.symbol,
        cause=cause,
        at_ns=now.wall_ns,
    )


def resolved(order: Order, *, epoch: int, now: Now) -> OrderResolved:
    """Say that persons hold an unknown for never placed; evidence that comes later reopens it."""
    return OrderResolved(
        epoch=epoch,
        account=order.account,
        strategy=order.strategy,
        intent_id=order.intent_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        outcome="by_person",
        asked_ns=0,
        final_after_ns=order.final_after_ns,
        at_ns=now.wall_ns,
    )
