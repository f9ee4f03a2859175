"""
A venue of one symbol and two accounts, and its orders in a few words.
"""

from decimal import Decimal
from typing import Final

from spark.clock import ManualClock
from spark.exchanges.simulator.accounts import Account, Balance
from spark.exchanges.simulator.clearing import Pair
from spark.exchanges.simulator.orders import Fill, Kind, Order, Terms
from spark.exchanges.simulator.venue import Venue
from spark.names import Side, TimeInForce

START_NS: Final = 1_700_000_000_000_000_000
STEP: Final = Decimal("0.001")


def new_venue() -> Venue:
    return Venue([Pair("BTCUSDT", "BTC", "USDT", STEP)], clock=ManualClock(START_NS))


def new_account(name: str, *, usdt: int = 100_000, btc: int = 100) -> Account:
    return Account(name, {"USDT": Balance(free=Decimal(usdt)), "BTC": Balance(free=Decimal(btc))})


def limit(
    side: Side, price: object, quantity: object, client_id: str = "x", **more: object
) -> Terms:
    return terms(side, price=price, quantity=quantity, client_id=client_id, **more)


def market(
    side: Side, quantity: object = None, *, quote: object = None, client_id: str = "x"
) -> Terms:
    return terms(
        side, quantity=quantity, quote_quantity=quote, client_id=client_id, kind=Kind.MARKET
    )


def terms(
    side: Side,
    *,
    client_id: str,
    quantity: object = None,
    price: object = None,
    quote_quantity: object = None,
    kind: object = Kind.LIMIT,
    in_force: object = TimeInForce.GTC,
) -> Terms:
    assert isinstance(kind, Kind)
    assert isinstance(in_force, TimeInForce)
    return Terms(
        symbol="BTCUSDT",
        side=side,
        kind=kind,
        time_in_force=in_force,
        client_id=client_id,
        quantity=_decimal(quantity),
        price=_decimal(price),
        quote_quantity=_decimal(quote_quantity),
    )


def exact(*values: object) -> tuple[Decimal, ...]:
    return tuple(Decimal(str(value)) for value in values)


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


class Listener:
    """Remembers what a venue says of orders."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, str]] = []

    def order_changed(self, order: Order) -> None:
        self.changes.append((order.terms.client_id, order.status.value))

    def filled(self, order: Order, fill: Fill) -> None:
        self.changes.append((order.terms.client_id, f"fill of {fill.quantity}"))
