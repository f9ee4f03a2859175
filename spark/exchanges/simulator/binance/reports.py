"""
What an account's own stream says: executionReport, outboundAccountPosition, balanceUpdate.

Source: binance-spot-api-docs user-data-stream.md (2026-07).
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from spark.exchanges.simulator.accounts import Account, Movement
from spark.exchanges.simulator.binance.render import KINDS
from spark.exchanges.simulator.binance.symbols import amount
from spark.exchanges.simulator.orders import ZERO, Fill, Kind, Order, Status, Terms
from spark.exchanges.simulator.venue import Refused
from spark.names import TimeInForce

_NS_PER_MS: Final = 1_000_000
#: What stands where an order is not part of a list, and no trade is meant.
_NONE: Final = -1
#: Refusals by the engine that are told on the stream; their documented reasons.
REJECT_REASONS: Final = {
    Refused.INSUFFICIENT_BALANCE: "INSUFFICIENT_BALANCES",
    Refused.WOULD_TRADE: "WOULD_MATCH_IMMEDIATELY",
}


class Execution(StrEnum):
    """What happened to an order."""

    NEW = "NEW"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    TRADE = "TRADE"
    EXPIRED = "EXPIRED"


#: A change of state that is told as such; trades are told one by one.
CHANGES: Final = {
    Status.OPEN: Execution.NEW,
    Status.CANCELLED: Execution.CANCELED,
    Status.EXPIRED: Execution.EXPIRED,
}


def changed(order: Order, *, execution_id: int, now_ms: int) -> dict[str, object]:
    """Report that an order came to rest, was cancelled or has expired."""
    kind = CHANGES[order.status]
    report = _report(order, kind, execution_id=execution_id, now_ms=now_ms)
    report["X"] = kind
    if kind is Execution.CANCELED:
        # `c` names the cancel then, and `C` the order.
        report |= {"c": order.cancel_name, "C": order.terms.client_id}
    elif kind is Execution.EXPIRED:
        report["eR"] = _expiry(order.terms)
    return report


def traded(order: Order, fill: Fill, *, execution_id: int, now_ms: int) -> dict[str, object]:
    """Report one trade; the order stands as after it."""
    is_filled = order.remaining == ZERO
    return _report(order, Execution.TRADE, execution_id=execution_id, now_ms=now_ms) | {
        "X": "FILLED" if is_filled else "PARTIALLY_FILLED",
        "l": amount(fill.quantity),
        "L": amount(fill.price),
        "Y": amount(fill.quote),
        "n": amount(fill.commission),
        "N": fill.commission_asset,
        "T": fill.at_ns // _NS_PER_MS,
        "t": fill.trade_id,
        "m": fill.is_maker,
        "w": not is_filled,
        "M": True,
    }


def rejected(order: Order, reason: str, *, execution_id: int, now_ms: int) -> dict[str, object]:
    """Report an order that the engine refused; it was never there."""
    report = _report(order, Execution.REJECTED, execution_id=execution_id, now_ms=now_ms)
    del report["W"]
    return report | {"X": "REJECTED", "r": reason, "w": False}


def _report(order: Order, kind: Execution, *, execution_id: int, now_ms: int) -> dict[str, object]:
    terms = order.terms
    created_ms = order.created_ns // _NS_PER_MS
    return {
        "e": "executionReport",
        "E": now_ms,
        "s": terms.symbol,
        "c": terms.client_id,
        "S": terms.side.upper(),
        "o": KINDS[terms.kind],
        "f": terms.time_in_force.upper(),
        "q": amount(order.quantity),
        "p": amount(terms.price or ZERO),
        "P": amount(ZERO),
        "F": amount(ZERO),
        "g": _NONE,
        "C": "",
        "x": kind,
        "X": "",
        "r": "NONE",
        "i": order.order_id,
        "l": amount(ZERO),
        "z": amount(order.executed),
        "L": amount(ZERO),
        "n": "0",
        "N": None,
        "T": order.updated_ns // _NS_PER_MS,
        "t": _NONE,
        "I": execution_id,
        "w": order.is_alive,
        "m": False,
        "M": False,
        "O": created_ms,
        "Z": amount(order.executed_quote),
        "Y": amount(ZERO),
        "Q": amount(terms.quote_quantity or ZERO),
        "W": created_ms,
        "V": "NONE",
    }


def _expiry(terms: Terms) -> str:
    if terms.kind is Kind.MARKET:
        return "INSUFFICIENT_LIQUIDITY"
    if terms.time_in_force is TimeInForce.FOK:
        return "UNFILLED_FOK_ORDER_EXPIRED"
    return "UNFILLED_IOC_QUANTITY_EXPIRED"


def position(account: Account, assets: Iterable[str], *, now_ms: int) -> dict[str, object]:
    """Tell what an account has now of the assets that may have changed."""
    balances = [(asset, account.balance(asset)) for asset in assets]
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": now_ms,
        "B": [
            {"a": asset, "f": amount(balance.free), "l": amount(balance.locked)}
            for asset, balance in balances
        ],
    }


def balance_update(movement: Movement, *, now_ms: int) -> dict[str, object]:
    """Tell of money that came or went without a trade."""
    return {
        "e": "balanceUpdate",
        "E": now_ms,
        "a": movement.asset,
        "d": amount(movement.amount),
        "T": movement.at_ns // _NS_PER_MS,
    }


def terminated(*, now_ms: int) -> dict[str, object]:
    """Tell that a subscription is over."""
    return {"e": "eventStreamTerminated", "E": now_ms}
