"""
Orders that an exchange has no words for.

BTCTurk knows no time in force, and takes the quantity of a market buy in the quote currency
(facts: exchanges.md §1.6): the base quantity that was approved could not be asked for.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from spark.events import PlaceOrder, Refusal
from spark.guards.limits import Limits
from spark.ledger.snapshot import Snapshot
from spark.names import OrderType, Reason, Side, TimeInForce, Venue, venue_of

#: Where it is not all of them.
_TIMES_IN_FORCE: Final[Mapping[str, frozenset[TimeInForce]]] = MappingProxyType(
    {Venue.BTCTURK: frozenset({TimeInForce.GTC})}
)
_MARKET_SIDES: Final[Mapping[str, frozenset[Side]]] = MappingProxyType(
    {Venue.BTCTURK: frozenset({Side.SELL})}
)


def order_type_offered(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse a market order that would trade another quantity than was asked for."""
    del snap, limits
    offered = _MARKET_SIDES.get(venue_of(order.account), frozenset(Side))
    if order.order_type is not OrderType.MARKET or order.side in offered:
        return None
    return Refusal(code=Reason.ORDER_TYPE_UNSUPPORTED, found=f"{order.order_type} {order.side}")


def time_in_force_offered(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse a time in force that the exchange does not know."""
    del snap, limits
    offered = _TIMES_IN_FORCE.get(venue_of(order.account), frozenset(TimeInForce))
    if order.time_in_force is None or order.time_in_force in offered:
        return None
    return Refusal(
        code=Reason.TIME_IN_FORCE_UNSUPPORTED,
        found=order.time_in_force,
        limit=", ".join(sorted(offered)),
    )
