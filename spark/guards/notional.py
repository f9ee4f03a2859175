"""
No single order worth more than its cap (spec B5).
"""

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.ledger.snapshot import Snapshot
from spark.names import Reason


def notional(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """
    Refuse an order worth more than its cap, or whose worth cannot be told.

    A market order without a reference price and a quote asset without a rate
    have no worth that could be compared: refused.

    Units: US dollars.
    """
    rules = snap.instruments.get(order.symbol)
    if rules is None:
        return None  # instrument_known has refused
    rate = snap.usd_rates.get(rules.quote_asset)
    if order.price is None or rate is None:
        missing = "price" if order.price is None else f"{rules.quote_asset} rate"
        return Refusal(code=Reason.PRICE_MISSING, found=missing)
    worth_usd = order.price * order.quantity * rate
    if worth_usd <= limits.order_notional_usd_max:
        return None
    return Refusal(
        code=Reason.NOTIONAL_EXCEEDED,
        found=f"{worth_usd} USD",
        limit=f"{limits.order_notional_usd_max} USD",
    )
