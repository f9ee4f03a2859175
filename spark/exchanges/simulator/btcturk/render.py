"""
Replies as BTCTurk spells them. Pure.

Times are milliseconds; the open list says 0 for the time of an order, as the venue does.
Source: broker-api-docs README, issues 271, 341, 559, 572, 591; docs.btcturk.com
"open-orders", "all-orders", "get-single-order".
"""

from datetime import UTC, datetime
from itertools import islice
from typing import Final

from spark.exchanges.simulator.accounts import Account
from spark.exchanges.simulator.book import Book, BookSide
from spark.exchanges.simulator.btcturk.symbols import Rules
from spark.exchanges.simulator.btcturk.tape import Day
from spark.exchanges.simulator.btcturk.tariff import shares
from spark.exchanges.simulator.orders import ZERO, Fill, Kind, Order, Status, spelled

NS_PER_MS: Final = 1_000_000
LEVELS_MAX: Final = 100
#: Above what a trade is called publicly: some eighteen digits.
_PUBLIC_IDS: Final = 100_000_000_000_000_000
_STATUS: Final = {
    Status.OPEN: "Untouched",
    Status.PARTLY_FILLED: "Partial",
    Status.FILLED: "Closed",
    Status.CANCELLED: "Canceled",
    # What a market order could not fill.
    Status.EXPIRED: "Canceled",
}
_METHOD: Final = {Kind.LIMIT: "limit", Kind.MARKET: "market"}


def success(data: object, *, message: str | None = "SUCCESS", code: object = 0) -> object:
    """Wrap what was asked for."""
    return {"data": data, "success": True, "message": message, "code": code}


def server_time(now_ns: int) -> dict[str, object]:
    """Return the clock, which has no envelope and a fraction of seven digits."""
    moment = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC)
    fraction = now_ns % 1_000_000_000 // 100
    return {
        "serverTime": now_ns // NS_PER_MS,
        "serverTime2": f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:07d}+00:00",
    }


def placed(order: Order, rules: Rules) -> dict[str, object]:
    """Return a new order."""
    terms = order.terms
    quantity = order.quantity if terms.quote_quantity is None else terms.quote_quantity
    return {
        "id": order.order_id,
        "datetime": order.created_ns // NS_PER_MS,
        "type": terms.side.lower(),
        "method": _METHOD[terms.kind],
        "price": spelled(terms.price or ZERO),
        "stopPrice": "0",
        "quantity": spelled(quantity),
        "pairSymbol": rules.symbol,
        "pairSymbolNormalized": rules.normalized,
        "newOrderClientId": terms.client_id,
    }


def listed(order: Order, rules: Rules, *, is_open_list: bool = False) -> dict[str, object]:
    """Return an order as queries show it; it has no filled amount and no average price."""
    terms = order.terms
    return {
        "id": order.order_id,
        "price": spelled(terms.price or ZERO),
        "amount": spelled(order.quantity),
        "quantity": spelled(order.quantity),
        "stopPrice": "0",
        "pairSymbol": rules.symbol,
        "pairSymbolNormalized": rules.normalized,
        "type": terms.side.lower(),
        "method": _METHOD[terms.kind],
        "orderClientId": terms.client_id,
        "time": 0 if is_open_list else order.created_ns // NS_PER_MS,
        "updateTime": order.updated_ns // NS_PER_MS,
        "status": _STATUS[order.status],
        "leftAmount": spelled(order.remaining),
    }


def transaction(fill: Fill, order: Order, rules: Rules) -> dict[str, object]:
    """Return a fill: what goes out is negative, what it cost is negative."""
    fee, tax = shares(fill)
    signed = fill.quantity if fill.is_buyer else -fill.quantity
    return {
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "timestamp": fill.at_ns // NS_PER_MS,
        "numeratorSymbol": rules.base,
        "denominatorSymbol": rules.quote,
        "amount": spelled(signed),
        "fee": spelled(-fee),
        "tax": spelled(-tax),
        "price": spelled(fill.price),
        "orderType": "buy" if fill.is_buyer else "sell",
        "orderClientId": order.terms.client_id,
        # A JSON number, and as imprecise as one.
        "preciseAmount": float(signed),
    }


def balances(owner: Account, now_ns: int) -> list[dict[str, object]]:
    """Return every balance."""
    return [
        {
            "asset": asset,
            "assetname": asset,
            "balance": spelled(balance.free + balance.locked),
            "locked": spelled(balance.locked),
            "free": spelled(balance.free),
            "orderFund": spelled(balance.locked),
            "requestFund": "0",
            "precision": 8,
            "timestamp": now_ns // NS_PER_MS,
        }
        for asset, balance in sorted(owner.balances.items())
    ]


def ticker(book: Book, rules: Rules, day: Day, *, now_ns: int) -> dict[str, object]:
    """Return a ticker row; its numbers are JSON numbers."""
    change = day.last - day.open
    return {
        "pair": rules.symbol,
        "pairNormalized": rules.normalized,
        "timestamp": now_ns // NS_PER_MS,
        "last": float(day.last),
        "high": float(day.high),
        "low": float(day.low),
        "bid": float(book.bids.best() or ZERO),
        "ask": float(book.asks.best() or ZERO),
        "open": float(day.open),
        "volume": float(day.volume),
        "average": float(day.average),
        "daily": float(change),
        "dailyPercent": float(round(change * 100 / day.open, 2)),
        "denominatorSymbol": rules.quote,
        "numeratorSymbol": rules.base,
        "order": 1000 * rules.number,
    }


def levels(side: BookSide, most: int = LEVELS_MAX) -> list[list[str]]:
    """Return a side of the book, best first."""
    return [[spelled(price), spelled(level.total)] for price, level in islice(side.walk(), most)]


def public_trade(fill: Fill, rules: Rules) -> dict[str, object]:
    """Return a public trade, from its taker's half."""
    return {
        "pair": rules.symbol,
        "pairNormalized": rules.normalized,
        "numerator": rules.base,
        "denominator": rules.quote,
        "date": fill.at_ns // NS_PER_MS,
        "tid": public_id(fill),
        "price": spelled(fill.price),
        "amount": spelled(fill.quantity),
        "side": "buy" if fill.is_buyer else "sell",
    }


def public_id(fill: Fill) -> str:
    """Name a trade as everybody sees it."""
    return str(_PUBLIC_IDS + fill.trade_id)
