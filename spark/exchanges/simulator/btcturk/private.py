"""
Signed endpoints: orders, balances, fills.

Source: broker-api-docs README, issues 299, 353, 395, 494, 543, 559, 595; docs.btcturk.com
"submit-order", "cancel-order", "all-orders", "rate-limits".
"""

import uuid
from typing import Final

from spark.exchanges.simulator.accounts import Account, Permission
from spark.exchanges.simulator.btcturk import refusals, render
from spark.exchanges.simulator.btcturk.api import ORDER_BY_ID, Api, Handling, Route, name_order
from spark.exchanges.simulator.btcturk.limits import bursts, per_minute
from spark.exchanges.simulator.btcturk.terms import read_object, read_order
from spark.exchanges.simulator.orders import Fill, Order, Status
from spark.exchanges.simulator.register import open_orders
from spark.names import Side

_NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
ORDERS: Final = 100
ORDERS_MAX: Final = 1_000
TRANSACTIONS_DAYS: Final = 30
_JSON: Final = "application/json"


def _place(api: Api, handling: Handling) -> object:
    call, parts = handling.call, api.parts
    if not call.content_type.startswith(_JSON):
        raise refusals.Refusal(415, "Unsupported Media Type", status=415)
    fields = read_object(call.body)
    name_order(handling, fields)
    new = read_order(fields)
    rules = api.rules_of(new.pair)
    if rules is None:
        raise refusals.parameter()
    terms = new.terms(rules, client_id=str(uuid.uuid4()))
    venue = parts.venue
    rules.check(terms, reference=venue.last_price.get(rules.symbol, rules.start_price))
    parts.funds.check(handling.account, terms, api.now_ns)
    # Its client id may be another order's too: the venue does not mind.
    handling.order = order = venue.place(handling.account, terms)
    return render.success(render.placed(order, rules))


def _cancel(api: Api, handling: Handling) -> object:
    # An id in a JSON body is not looked at.
    order = _own(api, handling.account, handling.whole("id"))
    if order is None:
        raise refusals.no_order_matches()
    handling.order = order
    if order.status in (Status.FILLED, Status.EXPIRED):
        raise refusals.not_cancelable()
    if order.is_alive:
        api.parts.cancels.accept(order)
    # So is one that was cancelled before: success, and it does not say which order.
    return {"success": True, "message": "SUCCESS", "code": 0}


def _one(api: Api, handling: Handling) -> object:
    text = handling.call.path.rpartition("/")[2]
    is_id = text.isascii() and text.isdigit() and len(text) <= 18  # noqa: PLR2004  (int64)
    order = _own(api, handling.account, int(text) if is_id else None)
    if order is None:
        raise refusals.no_such_order()
    handling.order = order
    return render.success(render.listed(order, api.parts.rules[order.terms.symbol]))


def _open(api: Api, handling: Handling) -> object:
    symbol = _symbol(api, handling)
    found = open_orders(handling.account, symbol)
    sides: dict[str, list[object]] = {"asks": [], "bids": []}
    for order in found:
        row = render.listed(order, api.parts.rules[order.terms.symbol], is_open_list=True)
        sides["bids" if order.terms.side is Side.BUY else "asks"].append(row)
    return render.success(sides)


def _all(api: Api, handling: Handling) -> object:
    symbol = _symbol(api, handling)
    start_s, end_s = handling.whole("startTime"), handling.whole("endTime")
    if start_s is not None and start_s > api.now_ns // _NS_PER_S:
        raise refusals.late_start()
    first_id = handling.whole("orderId")
    start_ns = (start_s or 0) * _NS_PER_S
    # Ids grow with time, so the latest come first and the search ends early.
    found: list[Order] = []
    for order in reversed(api.parts.venue.register.orders.values()):
        if order.order_id < (first_id or 0) or order.created_ns < start_ns:
            break
        is_in_time = end_s is None or order.created_ns < (end_s + 1) * _NS_PER_S
        is_meant = symbol is None or order.terms.symbol == symbol
        if order.account is handling.account and is_in_time and is_meant:
            found.append(order)
    limit = min(handling.whole("limit") or ORDERS, ORDERS_MAX)
    page = max(handling.whole("page") or 1, 1)
    if first_id is None and start_s is None:
        # Without a beginning the first page is the latest.
        chosen = found[(page - 1) * limit : page * limit][::-1]
    else:
        chosen = found[::-1][(page - 1) * limit : page * limit]
    return render.success(
        [render.listed(order, api.parts.rules[order.terms.symbol]) for order in chosen]
    )


def _balances(api: Api, handling: Handling) -> object:
    return render.success(render.balances(handling.account, api.now_ns), message=None)


def _transactions(api: Api, handling: Handling) -> object:
    orders, account = api.parts.venue.register.orders, handling.account
    latest_ns = api.now_ns - api.parts.habits.transactions_lag_ms * _NS_PER_MS
    order_id = handling.whole("orderId")
    if order_id is not None:
        order = _own(api, account, order_id)
        found = [] if order is None else list(order.fills)
    else:
        found = _in_window(api, handling)
    found.sort(key=lambda fill: fill.trade_id, reverse=True)
    return render.success(
        [
            render.transaction(fill, orders[fill.order_id], api.parts.rules[fill.symbol])
            for fill in found
            if fill.at_ns <= latest_ns and fill.order_id in orders
        ]
    )


def _in_window(api: Api, handling: Handling) -> list[Fill]:
    start_ms, end_ms = handling.whole("startDate"), handling.whole("endDate")
    if start_ms is None:
        start_ms = api.now_ns // _NS_PER_MS - TRANSACTIONS_DAYS * 86_400_000
    types = {one.lower() for one in handling.params.get("type", ())} or {"buy", "sell"}
    assets = {one.upper() for one in handling.params.get("symbol", ())}
    chosen = _symbol(api, handling)
    found: list[Fill] = []
    for symbol, fills in handling.account.fills.items():
        rules = api.parts.rules[symbol]
        if chosen not in (None, symbol) or (assets and not {rules.base, rules.quote} & assets):
            continue
        for fill in reversed(fills):
            at_ms = fill.at_ns // _NS_PER_MS
            if at_ms < start_ms:
                break
            is_wanted = ("buy" if fill.is_buyer else "sell") in types
            if is_wanted and (end_ms is None or at_ms <= end_ms):
                found.append(fill)
    return found


def _own(api: Api, account: Account, order_id: int | None) -> Order | None:
    order = api.parts.venue.register.orders.get(-1 if order_id is None else order_id)
    return order if order is not None and order.account is account else None


def _symbol(api: Api, handling: Handling) -> str | None:
    name = handling.param("pairSymbol")
    if not name:
        return None
    rules = api.rules_of(name)
    if rules is None:
        raise refusals.no_such_pair(name)
    handling.symbol = rules.symbol
    return rules.symbol


_READ, _TRADE = Permission.READ, Permission.TRADE
_ORDERS: Final = bursts(300, 10)
ROUTES: Final = {
    ("POST", "/api/v1/order"): Route(_place, _TRADE, _ORDERS, is_by_account=True),
    ("DELETE", "/api/v1/order"): Route(_cancel, _TRADE, _ORDERS, is_by_account=True),
    ("GET", ORDER_BY_ID): Route(_one, _READ, bursts(900, 30), is_by_account=True),
    ("GET", "/api/v1/openOrders"): Route(_open, _READ, per_minute(300)),
    ("GET", "/api/v1/allOrders"): Route(_all, _READ, per_minute(300)),
    ("GET", "/api/v1/users/balances"): Route(_balances, _READ, per_minute(120)),
    ("GET", "/api/v1/users/transactions/trade"): Route(_transactions, _READ, per_minute(120)),
}
