"""
A venue's memory over restarts: orders, fills and balances, folded from the ledger.

An exchange does not forget when a process dies. Balances start from the keys
file, as they did at the first start, and every fill, deposit and withdrawal since is
applied to them.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson

from spark.errors import SettingError
from spark.exchanges.simulator.accounts import Account, Accounts
from spark.exchanges.simulator.ledger import Ledger
from spark.exchanges.simulator.orders import ZERO, Fill, Kind, Order, Status, Terms
from spark.exchanges.simulator.venue import Venue
from spark.names import Side, TimeInForce


def restore(venue: Venue, accounts: Accounts, ledger: Ledger) -> None:
    """
    Put back what an earlier run left behind; an empty ledger leaves nothing.

    Raises:
        SettingError: the ledger is of another venue, or of other accounts.
    """
    orders: dict[int, Order] = {}
    try:
        for line in ledger.every_line():
            entry = orjson.loads(line)
            if entry["kind"] == "order":
                _follow(orders, accounts, entry)
            elif entry["kind"] == "fill":
                _settle(venue, orders[entry["order_id"]], entry)
            elif entry["kind"] == "funds":
                balance = accounts.by_name[entry["account"]].balance(entry["asset"])
                balance.free += Decimal(entry["amount"])
        for order in orders.values():
            venue.adopt(order)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise SettingError(
            f"ledger file: not one of this venue and these accounts ({type(error).__name__})"
        ) from None
    broke = [account.name for account in accounts.by_name.values() if _owes(account)]
    if broke:
        raise SettingError(
            f"ledger file: account {', '.join(broke)} has spent more than the keys file gave it"
        )


def _follow(orders: dict[int, Order], accounts: Accounts, entry: dict[str, Any]) -> None:
    order = orders.get(entry["order_id"])
    if order is None:
        order = orders[entry["order_id"]] = Order(
            entry["order_id"],
            accounts.by_name[entry["account"]],
            _terms(entry),
            entry["at_ns"],
            entry["at_ns"],
            Decimal(entry["quantity"]),
        )
    order.status = Status(entry["status"])
    order.updated_ns = entry["at_ns"]
    order.executed = Decimal(entry["executed"])
    order.executed_quote = Decimal(entry["executed_quote"])


def _terms(entry: dict[str, Any]) -> Terms:
    quote = _amount(entry["quote_quantity"])
    return Terms(
        symbol=entry["symbol"],
        side=Side(entry["side"]),
        kind=Kind(entry["order_kind"]),
        time_in_force=TimeInForce(entry["time_in_force"]),
        client_id=entry["client_order_id"],
        quantity=Decimal(entry["quantity"]) if quote is None else None,
        price=_amount(entry["price"]),
        quote_quantity=quote,
    )


def _settle(venue: Venue, order: Order, entry: dict[str, Any]) -> None:
    pair = venue.clearing.pairs[order.terms.symbol]
    price, quantity = Decimal(entry["price"]), Decimal(entry["quantity"])
    fill = Fill(
        trade_id=entry["trade_id"],
        order_id=order.order_id,
        symbol=pair.symbol,
        is_buyer=order.terms.side is Side.BUY,
        is_maker=entry["is_maker"],
        price=price,
        quantity=quantity,
        quote=price * quantity,
        commission=Decimal(entry["commission"]),
        commission_asset=entry["commission_asset"],
        at_ns=entry["at_ns"],
    )
    order.fills.append(fill)
    order.account.add_fill(fill)
    venue.clearing.move(order.account, fill)
    # The other half is the house's, or is a client's line of its own that undoes this.
    opposite = replace(fill, is_buyer=not fill.is_buyer, commission=ZERO)
    venue.clearing.move(venue.house, opposite)
    venue.last_price[pair.symbol] = price


def _owes(account: Account) -> bool:
    return any(balance.free < ZERO for balance in account.balances.values())


def _amount(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
