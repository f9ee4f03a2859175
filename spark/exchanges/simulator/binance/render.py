"""
Replies as Binance spells them. Pure.

Source: binance-spot-api-docs rest-api.md (2026-07): ACK, RESULT, FULL, order
query, cancel, account, trades.
"""

from enum import StrEnum
from typing import Final

from spark.exchanges.simulator.accounts import Account, Permission
from spark.exchanges.simulator.binance.symbols import amount
from spark.exchanges.simulator.binance.tape import Bar
from spark.exchanges.simulator.book import Book, BookSide
from spark.exchanges.simulator.clearing import COMMISSION_RATE
from spark.exchanges.simulator.orders import ZERO, Fill, Kind, Order, Status

_NS_PER_MS: Final = 1_000_000
_MS_PER_S: Final = 1_000
_STATUS: Final = {
    Status.OPEN: "NEW",
    Status.PARTLY_FILLED: "PARTIALLY_FILLED",
    Status.FILLED: "FILLED",
    Status.CANCELLED: "CANCELED",
    Status.EXPIRED: "EXPIRED",
}
KINDS: Final = {Kind.LIMIT: "LIMIT", Kind.MARKET: "MARKET", Kind.MAKER: "LIMIT_MAKER"}


class ResponseType(StrEnum):
    """How much a new order's reply says."""

    ACK = "ACK"
    RESULT = "RESULT"
    FULL = "FULL"


def placed(order: Order, detail: ResponseType) -> dict[str, object]:
    """Return the reply to a new order."""
    reply: dict[str, object] = {
        "symbol": order.terms.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.terms.client_id,
        "transactTime": order.updated_ns // _NS_PER_MS,
    }
    if detail is ResponseType.ACK:
        return reply
    reply |= _progress(order)
    reply["workingTime"] = order.created_ns // _NS_PER_MS
    reply["selfTradePreventionMode"] = "NONE"
    if detail is ResponseType.FULL:
        reply["fills"] = [
            {
                "price": amount(fill.price),
                "qty": amount(fill.quantity),
                "commission": amount(fill.commission),
                "commissionAsset": fill.commission_asset,
                "tradeId": fill.trade_id,
            }
            for fill in order.fills
        ]
    return reply


def cancelled(order: Order, cancel_id: str) -> dict[str, object]:
    """Return the reply to a cancel; `clientOrderId` names the cancel, not the order."""
    return {
        "symbol": order.terms.symbol,
        "origClientOrderId": order.terms.client_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": cancel_id,
        "transactTime": order.updated_ns // _NS_PER_MS,
        **_progress(order),
        "selfTradePreventionMode": "NONE",
    }


def queried(order: Order) -> dict[str, object]:
    """Return an order as queries and lists show it."""
    created_ms = order.created_ns // _NS_PER_MS
    return {
        "symbol": order.terms.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.terms.client_id,
        **_progress(order),
        "stopPrice": amount(ZERO),
        "icebergQty": amount(ZERO),
        "time": created_ms,
        "updateTime": order.updated_ns // _NS_PER_MS,
        "isWorking": True,
        "workingTime": created_ms,
        "selfTradePreventionMode": "NONE",
    }


def _progress(order: Order) -> dict[str, object]:
    terms = order.terms
    return {
        "price": amount(ZERO if terms.price is None else terms.price),
        "origQty": amount(order.quantity),
        "executedQty": amount(order.executed),
        "origQuoteOrderQty": amount(terms.quote_quantity or ZERO),
        # The venue's own spelling.
        "cummulativeQuoteQty": amount(order.executed_quote),
        "status": _STATUS[order.status],
        "timeInForce": terms.time_in_force.upper(),
        "type": KINDS[terms.kind],
        "side": terms.side.upper(),
    }


def account(
    owner: Account, permissions: frozenset[Permission], *, omit_zero: bool, now_ms: int
) -> dict[str, object]:
    """Return the account reply."""
    rate = amount(COMMISSION_RATE)
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": rate,
            "taker": rate,
            "buyer": amount(ZERO),
            "seller": amount(ZERO),
        },
        "canTrade": Permission.TRADE in permissions,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": now_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": amount(balance.free), "locked": amount(balance.locked)}
            for asset, balance in sorted(owner.balances.items())
            if not omit_zero or balance.free or balance.locked
        ],
        "permissions": ["SPOT"],
        "uid": 1,
    }


def commission(symbol: str) -> dict[str, object]:
    """Return the commission reply; nothing but the standard rate is ever taken here."""
    none = dict.fromkeys(("maker", "taker", "buyer", "seller"), amount(ZERO))
    rate = amount(COMMISSION_RATE)
    return {
        "symbol": symbol,
        "standardCommission": none | {"maker": rate, "taker": rate},
        "specialCommission": none,
        "taxCommission": none,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": "0.75000000",
        },
    }


def trade(fill: Fill) -> dict[str, object]:
    """Return one row of myTrades."""
    return {
        "symbol": fill.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": -1,
        "price": amount(fill.price),
        "qty": amount(fill.quantity),
        "quoteQty": amount(fill.quote),
        "commission": amount(fill.commission),
        "commissionAsset": fill.commission_asset,
        "time": fill.at_ns // _NS_PER_MS,
        "isBuyer": fill.is_buyer,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def public_trade(fill: Fill) -> dict[str, object]:
    """Return one row of trades, from its taker's half."""
    return {
        "id": fill.trade_id,
        "price": amount(fill.price),
        "qty": amount(fill.quantity),
        "quoteQty": amount(fill.quote),
        "time": fill.at_ns // _NS_PER_MS,
        "isBuyerMaker": not fill.is_buyer,
        "isBestMatch": True,
    }


def kline(bar: Bar, next_s: int) -> list[object]:
    """Return one row of klines; the last field is there for nothing."""
    prices = (bar.open, bar.high, bar.low, bar.close)
    return [
        bar.start_s * _MS_PER_S,
        *map(amount, prices),
        amount(bar.volume),
        next_s * _MS_PER_S - 1,
        amount(bar.quote),
        bar.trades,
        amount(bar.taker_volume),
        amount(bar.taker_quote),
        "0",
    ]


def depth(book: Book, limit: int) -> dict[str, object]:
    """Return the order book reply."""
    return {
        "lastUpdateId": book.update_id,
        "bids": _levels(book.bids, limit),
        "asks": _levels(book.asks, limit),
    }


def _levels(side: BookSide, limit: int) -> list[list[str]]:
    levels: list[list[str]] = []
    for price, level in side.walk():
        if len(levels) == limit:
            break
        levels.append([amount(price), amount(level.total)])
    return levels
