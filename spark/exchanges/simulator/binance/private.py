"""
Signed endpoints: orders, the account, its trades.

Source: binance-spot-api-docs rest-api.md "Trading endpoints", "Account endpoints".
"""

from typing import Final

from spark.exchanges.simulator.accounts import Account, Permission
from spark.exchanges.simulator.binance import refusals, render
from spark.exchanges.simulator.binance.api import Api, Handler, Handling, Route
from spark.exchanges.simulator.binance.parameters import Demands
from spark.exchanges.simulator.binance.refusals import Refusal
from spark.exchanges.simulator.binance.render import ResponseType
from spark.exchanges.simulator.binance.terms import read_terms
from spark.exchanges.simulator.orders import Kind, Order, Status, Terms
from spark.exchanges.simulator.register import open_orders
from spark.exchanges.simulator.venue import EngineRefusal, Refused

_NS_PER_MS: Final = 1_000_000
#: Of orders or trades in one reply.
ROWS: Final = 500
ROWS_MAX: Final = 1_000
WINDOW_MS_MAX: Final = 86_400_000
_EVER_NS: Final = 2**63
OPEN_ORDERS_ALL_WEIGHT: Final = 80
TRADES_BY_ORDER_WEIGHT: Final = 5


def _place(api: Api, handling: Handling) -> object:
    account = handling.signer.account
    detail, terms = _new_order(api, handling)
    now_ns = handling.call.at_ns
    api.limits.admit_order(account.name, now_ns)
    if not api.habits.is_id_free_after_cancel:
        _check_id(account, terms)
    try:
        handling.order = order = api.venue.place(account, terms)
    except EngineRefusal as error:
        api.on_rejected(account, terms, error.reason)
        raise
    ten_s, day = api.limits.order_placed(account.name, now_ns)
    handling.headers = {"X-MBX-ORDER-COUNT-10S": str(ten_s), "X-MBX-ORDER-COUNT-1D": str(day)}
    # Since 2026-04-02 an accepted order costs no weight, a refused one does.
    handling.weight = 0
    return render.placed(order, detail)


def _check_id(account: Account, terms: Terms) -> None:
    """Refuse an id whose last order was not filled."""
    last = account.latest_by_client_id.get((terms.symbol, terms.client_id))
    if last is not None and last.status is not Status.FILLED:
        raise refusals.from_engine(Refused.DUPLICATE)


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
    if order is None or _is_fresh(api, order):
        raise refusals.no_such_order()
    return render.queried(order)


def _is_fresh(api: Api, order: Order) -> bool:
    lag_ns = api.habits.query_lag_ms * _NS_PER_MS
    return api.venue.clock.wall_ns() < order.created_ns + lag_ns


def _cancel(api: Api, handling: Handling) -> object:
    order = _find(api, handling)
    if order is None:
        raise refusals.unknown_order()
    restriction = handling.params.get("cancelRestrictions")
    if restriction is not None:
        _check_restriction(order, restriction)
    name = handling.params.get("newClientOrderId") or api.given_id()
    api.venue.cancel(handling.signer.account, order, name=name)
    handling.weight = 0
    return render.cancelled(order, name)


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


def _commission(api: Api, handling: Handling) -> object:
    return render.commission(api.known(handling.params).symbol)


def _all_orders(api: Api, handling: Handling) -> object:
    params = handling.params
    symbol, limit = api.known(params).symbol, _limit(params)
    first, last = _window(params)
    account = handling.signer.account
    found = [
        order
        for order in api.venue.register.orders.values()
        if order.account is account
        and order.terms.symbol == symbol
        and first <= order.created_ns < last
        and order.order_id >= int(params.get("orderId", 0))
    ]
    is_from_start = "orderId" in params or "startTime" in params
    return [render.queried(order) for order in (found[:limit] if is_from_start else found[-limit:])]


def _my_trades(api: Api, handling: Handling) -> object:
    params = handling.params
    symbol, limit = api.known(params).symbol, _limit(params)
    first, last = _window(params)
    if "fromId" in params and {"startTime", "endTime"} & params.keys():
        raise refusals.bad_combination()
    found = [
        fill
        for fill in handling.signer.account.fills.get(symbol, ())
        if first <= fill.at_ns < last and fill.trade_id >= int(params.get("fromId", 0))
    ]
    if "orderId" in params:
        handling.weight = TRADES_BY_ORDER_WEIGHT
        found = [fill for fill in found if fill.order_id == int(params["orderId"])]
    is_from_start = "fromId" in params or "startTime" in params
    return [render.trade(fill) for fill in (found[:limit] if is_from_start else found[-limit:])]


def _limit(params: dict[str, str]) -> int:
    limit = min(int(params.get("limit", ROWS)), ROWS_MAX)
    if limit == 0:
        raise refusals.invalid_data("limit")
    return limit


def _window(params: dict[str, str]) -> tuple[int, int]:
    """Give the times asked for, from the first on and before the last; a day at most."""
    if "startTime" not in params and "endTime" not in params:
        return 0, _EVER_NS
    start_ms = int(params["startTime"]) if "startTime" in params else None
    end_ms = int(params["endTime"]) if "endTime" in params else None
    if start_ms is None:
        assert end_ms is not None, "one of both is there"
        start_ms = end_ms - WINDOW_MS_MAX
    elif end_ms is None:
        end_ms = start_ms + WINDOW_MS_MAX
    if end_ms - start_ms > WINDOW_MS_MAX:
        raise refusals.too_long_ago()
    # The whole millisecond that endTime names belongs to the window.
    return start_ms * _NS_PER_MS, (end_ms + 1) * _NS_PER_MS


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
    ("GET", "/api/v3/allOrders"): _route(
        _all_orders, 20, _READ, known="orderId startTime endTime limit", due="symbol"
    ),
    ("GET", "/api/v3/account/commission"): _route(_commission, 20, _READ, known="", due="symbol"),
    ("GET", "/api/v3/myTrades"): _route(_my_trades, 20, _READ, known=_TRADES, due="symbol"),
}
