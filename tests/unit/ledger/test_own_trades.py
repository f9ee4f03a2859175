"""
Two orders of one account that trade with each other: one trade id, two fills (A9).
"""

from decimal import Decimal

from spark.exchanges.port import FillSeen
from spark.ledger.reconcile import fill_key
from spark.names import Side
from tests.made import NOW_NS, SYMBOL


def half(side: Side, order: str) -> FillSeen:
    return FillSeen(
        symbol=SYMBOL,
        trade_id="4711",
        exchange_order_id=order,
        client_order_id="",
        side=side,
        quantity=Decimal(1),
        price=Decimal(10),
        commission=Decimal(0),
        commission_asset="",
        exchange_ns=NOW_NS,
    )


def test_both_halves_of_an_own_trade_are_kept_apart() -> None:
    """A9: neither is taken for the other, so neither seems made up or is missing."""
    halves = [half(Side.BUY, "1"), half(Side.SELL, "2")]
    keys = {fill_key(one.symbol, one.trade_id, one.exchange_order_id) for one in halves}
    assert len(keys) == 2
