"""
An order says what it is: a price and a time in force stand exactly in limit orders.
"""

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.ledger.snapshot import Snapshot
from spark.names import OrderType, Reason


def order_shape(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse an order whose fields contradict its type; no exchange request could say it."""
    del snap, limits
    is_market = order.order_type is OrderType.MARKET
    for name, value in (("price", order.price), ("time_in_force", order.time_in_force)):
        if is_market != (value is None):
            word = "with" if is_market else "without"
            return Refusal(code=Reason.MALFORMED, found=f"{order.order_type} {word} {name}")
    return None
