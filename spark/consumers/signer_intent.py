"""
Compares what was approved with what the strategy itself asked for (S3). Pure.
"""

from spark.events import CancelApproved, CancelOrder, OrderApproved, PlaceOrder
from spark.ids import client_order_id, may_cancel


def difference(approval: OrderApproved | CancelApproved, intent: PlaceOrder | CancelOrder) -> str:
    """Name the first field in which the approval is not what the strategy asked for."""
    fields = ["account", "strategy", "intent_id", "symbol"]
    target, owner = intent.intent_id, intent.strategy
    if isinstance(approval, OrderApproved):
        if not isinstance(intent, PlaceOrder):
            return "type"
        fields += ["side", "order_type", "time_in_force", "price"]
        if approval.quantity > intent.quantity:
            return "quantity"
    else:
        if not isinstance(intent, CancelOrder):
            return "type"
        if not may_cancel(intent):
            return "target_strategy"
        fields += ["target_intent_id", "target_strategy"]
        target, owner = intent.target_intent_id, intent.target_strategy
    for name in fields:
        if getattr(approval, name) != getattr(intent, name):
            return name
    derived = client_order_id(intent.account, owner, target)
    return "" if approval.client_order_id == derived else "client_order_id"
