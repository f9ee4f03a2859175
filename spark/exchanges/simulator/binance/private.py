"""
Signed endpoints: orders, the account, its trades.

Source: binance-spot-api-docs rest-api.md "Trading endpoints", "Account endpoints".
"""

from typing import Final

from spark.exchanges.simulator.accounts import Permission
from spark.exchanges.simulator.binance import refusals, render
from spark.exchanges.simulator.binance.api import Api, Handler, Handling, Route
from spark.exchanges.simulator.binance.parameters import Demands
from spark.exchanges.simulator.binance.refusals import Refusal
from spark.exchanges.simulator.binance.render import ResponseType
from spark.exchanges.simulator.binance.terms import read_terms
from spark.exchanges.simulator.orders import Kind, Order, Status, Terms
from spark.exchanges.simulator.register import open_orders

_NS_PER_MS: Final = 1_000_000
TRADES: Final = 500
TRADES_MAX: Final = 1_000
OPEN_ORDERS_ALL_WEIGHT: Final = 80
TRADES_BY_ORDER_WEIGHT: Final = 5


def _place(api: Api, handling: Handling) -> object:
    account = handling.signer.account
    detail, terms = _new_order(api, handling)
    now_ns = handling.call.at_ns
    api.limits.admit_order(account.name, now_ns)
    handling.order = order = api.venue.place(account, terms)
    ten_s, day = api.limits.order_placed(account.name, now_ns)
    handling.headers = {"X-MBX-ORDER-COUNT-10S": str(ten_s), "X-MBX-ORDER-COUNT-1D": str(day)}
    # Since 2026-04-02 an accepted order costs no weight, a refused one does.
    handling.weight = 0
    return render.placed(order, detail)


def _test_order(api: Api, handling: Handling) -> object:
    _new_order(api, handling)
    return {}


def _new_order(api: Api, handling: Handling) -> tuple[ResponseType, Terms]:
    params = handling.params
    rules = api.known(params)
    terms = read_terms(params, client_id=params.get("newClientOrderId") or api.given_id())
    wanted = params.get("newOrderRespType")
    if wanted is None:
        is_maker = terms.kind is Kind.MAKER
        detail = ResponseType.ACK if is_maker else ResponseType.FULL
    elif wanted in ResponseType.__members__:
        detail = ResponseType(wanted)
    else:
        raise refusals.invalid_data("newOrderRespType")
    account = handling.signer.account
    reference = api.venue.last_price.get(rules.symbol, rules.start_price)
    rules.check(terms, reference=reference, open_orders=account.open_count(rules.symbol))
    return detail, terms


def _find(api: Api, handling: Handling) -> Order | None:
    params = handling.params
    symbol = api.known(params).symbol
    order_id = int(params["orderId"]) if "orderId" in params else None
    client_id = params.get("origClientOrderId")
    if order_id is None and client_id is None:
        raise refusals.one_of("origClientOrderId", "orderId")
    handling.order = api.venue.register.find(
        handling.signer.account, symbol, order_id=order_id, client_id=client_id
    )
    return handling.order


def _query(api: Api, handling: Handling) -> object:
    order = _find(api, handling)
    if order is None:
        raise refusals.no_such_order()
    return render.queried(order)


def _cancel(api: Api, handling: Handling) -> object:
    order = _find(api, handling)
    if order is None:
        raise refusals.unknown_order()
    restriction = handling.params.get("cancelRestrictions")
    if restriction is not None:
        _check_restriction(order, restriction)
    api.venue.cancel(handling.signer.account, order)
    handling.weight = 0
    return render.cancelled(order, handling.params.get("newClientOrderId") or api.given_id())


def _check_restriction(order: Order, restriction: str) -> None:
    wanted = {
        "ONLY_NEW": Status.OPEN,
        "ONLY_PARTIALLY_FILLED": Status.PARTLY_FILLED,
    }.get(restriction)
    if wanted is None:
        raise Refusal(-1145, "Invalid cancelRestrictions")
    if order.is_alive and order.status is not wanted:
        raise Refusal(-2011, "Order was not canceled due to cancel restrictions.")


def _open_orders(api: Api, handling: Handling) -> object:
    symbol = api.known(handling.params).symbol if "symbol" in handling.params else None
    if symbol is None:
        handling.weight = OPEN_ORDERS_ALL_WEIGHT
    return [render.queried(order) for order in open_orders(handling.signer.account, symbol)]


def _account(api: Api, handling: Handling) -> object:
    key = handling.signer
    omit = handling.params.get("omitZeroBalances", "false")
    if omit not in ("true", "false"):
        raise refusals.invalid_data("omitZeroBalances")
    now_ms = api.venue.clock.wall_ns() // _NS_PER_MS
    return render.account(key.account, key.permissions, omit_zero=omit == "true", now_ms=now_ms)


def _my_trades(api: Api, handling: Handling) -> object:
    params = handling.params
    symbol = api.known(params).symbol
    limit = min(int(params.get("limit", TRADES)), TRADES_MAX)
    if limit == 0:
        raise refusals.invalid_data("limit")
    found = list(handling.signer.account.fills.get(symbol, ()))
    if "orderId" in params:
        handling.weight = TRADES_BY_ORDER_WEIGHT
        found = [fill for fill in found if fill.order_id == int(params["orderId"])]
    is_from_start = "fromId" in params or "startTime" in params
    if "fromId" in params:
        found = [fill for fill in found if fill.trade_id >= int(params["fromId"])]
    if "startTime" in params:
        since_ns = int(params["startTime"]) * _NS_PER_MS
        found = [fill for fill in found if fill.at_ns >= since_ns]
    if "endTime" in params:
        # The whole millisecond that endTime names belongs to the window.
        until_ns = (int(params["endTime"]) + 1) * _NS_PER_MS
        found = [fill for fill in found if fill.at_ns < until_ns]
    return [render.trade(fill) for fill in (found[:limit] if is_from_start else found[-limit:])]


def _route(handle: Handler, weight: int, permission: Permission, *, known: str, due: str) -> Route:
    due_names = (*due.split(), "timestamp", "signature")
    names = frozenset((*known.split(), *due_names, "recvWindow"))
    return Route(handle, Demands(names, due_names, permission), weight)


_NEW: Final = """timeInForce quantity quoteOrderQty price newClientOrderId newOrderRespType
    selfTradePreventionMode strategyId strategyType stopPrice trailingDelta icebergQty"""
_CANCEL: Final = "orderId origClientOrderId newClientOrderId cancelRestrictions"
_TRADES: Final = "orderId startTime endTime fromId limit"
_TRADE, _READ = Permission.TRADE, Permission.READ
ROUTES: Final = {
    ("POST", "/api/v3/order"): _route(_place, 1, _TRADE, known=_NEW, due="symbol side type"),
    ("POST", "/api/v3/order/test"): _route(
        _test_order, 1, _TRADE, known=_NEW, due="symbol side type"
    ),
    ("GET", "/api/v3/order"): _route(
        _query, 4, _READ, known="orderId origClientOrderId", due="symbol"
    ),
    ("DELETE", "/api/v3/order"): _route(_cancel, 1, _TRADE, known=_CANCEL, due="symbol"),
    ("GET", "/api/v3/openOrders"): _route(_open_orders, 6, _READ, known="symbol", due=""),
    ("GET", "/api/v3/account"): _route(_account, 20, _READ, known="omitZeroBalances", due=""),
    ("GET", "/api/v3/myTrades"): _route(_my_trades, 20, _READ, known=_TRADES, due="symbol"),
}
