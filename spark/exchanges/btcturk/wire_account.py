"""
The account: balances and trades. Pure.

Source: docs.btcturk.com account-balance, user-transactions; facts: exchanges.md §1.5.
"""

from decimal import Decimal
from typing import Final

from spark.exchanges.btcturk.wire import (
    EXCHANGE_ORDER_ID,
    amount,
    folded,
    identifier,
    milliseconds,
    signed_amount,
    text_or_empty,
)
from spark.exchanges.btcturk.wire_orders import side_of
from spark.exchanges.fields import (
    Object,
    as_list,
    text,
)
from spark.exchanges.funds import balances_of
from spark.exchanges.port import BalanceSeen, FillSeen
from spark.names import Symbol

BALANCES_PATH: Final = "/api/v1/users/balances"
FILLS_PATH: Final = "/api/v1/users/transactions/trade"
_NS_PER_MS: Final = 1_000_000


def fills_query(symbol: str, since_ns: int) -> str:
    """Write the query of a symbol's trades: its times are ms; without one, the last 30 days."""
    start = f"&startDate={since_ns // _NS_PER_MS}" if since_ns else ""
    return f"pairSymbol={symbol}{start}"


def order_fills_query(exchange_order_id: str) -> str:
    """Write the query of one order's trades; nothing may stand beside it."""
    assert EXCHANGE_ORDER_ID.fullmatch(exchange_order_id), "an id that the venue never gave"
    return f"orderId={exchange_order_id}"


def balances(data: object) -> tuple[BalanceSeen, ...]:
    """Read the balances; raises `WireError`."""
    rows = [folded(row, "a balance") for row in as_list(data, "balances")]
    return balances_of(
        (text(one, "asset").upper(), amount(one, "free"), amount(one, "locked")) for one in rows
    )


def fills(data: object) -> tuple[FillSeen, ...]:
    """Read the trades, oldest first; raises `WireError`."""
    seen = [fill(folded(row, "a trade")) for row in as_list(data, "trades")]
    return tuple(sorted(seen, key=lambda one: (one.exchange_ns, int(one.trade_id))))


def fill(fields: Object) -> FillSeen:
    """
    Read one trade; names in lower case; raises `WireError`.

    A sale's amount is below zero, and so is a fee that was paid; the cost is fee and tax,
    both in the quote currency.
    """
    base, quote = text(fields, "numeratorsymbol"), text(fields, "denominatorsymbol")
    quantity = signed_amount(fields, "amount")
    side = side_of(text(fields, "ordertype"))
    cost = signed_amount(fields, "fee") + signed_amount(fields, "tax")
    return FillSeen(
        symbol=Symbol(f"{base}{quote}".upper()),
        trade_id=identifier(fields, "id"),
        exchange_order_id=identifier(fields, "orderid"),
        client_order_id=text_or_empty(fields, "orderclientid"),
        side=side,
        quantity=quantity.copy_abs(),
        price=amount(fields, "price"),
        commission=Decimal(0) if cost == 0 else cost.copy_negate(),
        commission_asset=quote.upper(),
        exchange_ns=milliseconds(fields, "timestamp") * _NS_PER_MS,
    )
