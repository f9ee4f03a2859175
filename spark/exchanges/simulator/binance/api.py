"""
The REST endpoints without HTTP: a request in, a reply out, the ledger in between.

Reads   parameters, the venue's state and its clock
Writes  one ledger line for each request
Owns    nothing
Fails   a refusal becomes the venue's own error reply
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson

from spark.exchanges.simulator.accounts import Accounts, ApiKey, Permission
from spark.exchanges.simulator.binance import checks, refusals, render
from spark.exchanges.simulator.binance.limits import Limits
from spark.exchanges.simulator.binance.refusals import Refusal
from spark.exchanges.simulator.binance.render import ResponseType
from spark.exchanges.simulator.binance.symbols import Rules, exchange_info
from spark.exchanges.simulator.faults import FaultKind
from spark.exchanges.simulator.ledger import Ledger, Request
from spark.exchanges.simulator.orders import Kind, Order, Status, Terms
from spark.exchanges.simulator.venue import EngineRefusal, Venue

_NS_PER_MS: Final = 1_000_000
DEPTH_LEVELS: Final = 100
DEPTH_LEVELS_MAX: Final = 5_000
TRADES: Final = 500
TRADES_MAX: Final = 1_000
OPEN_ORDERS_ALL_WEIGHT: Final = 80
TRADES_BY_ORDER_WEIGHT: Final = 5
#: (levels up to, weight)
_DEPTH_WEIGHTS: Final = ((100, 5), (500, 25), (1_000, 50), (DEPTH_LEVELS_MAX, 250))

_ORDER: Final = frozenset(
    (
        *("symbol", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price"),
        *("newClientOrderId", "newOrderRespType", "selfTradePreventionMode"),
        *("strategyId", "strategyType", "stopPrice", "trailingDelta", "icebergQty"),
    )
)


class Call(NamedTuple):
    """One request as it arrived."""

    at_ns: int
    method: str
    path: str
    query: str
    body: str
    api_key: str | None
    address: str


class Reply(NamedTuple):
    """What goes back."""

    status: int
    body: bytes
    headers: dict[str, str]


@dataclass(slots=True)
class Exchange:
    """One call under way: what later steps learn, for the ledger line."""

    call: Call
    params: dict[str, str]
    key: ApiKey | None = None
    order: Order | None = None
    headers: dict[str, str] | None = None
    #: What the reply costs; set again where it depends on the request.
    weight: int = 1

    @property
    def signer(self) -> ApiKey:
        """The key that signed; only signed endpoints ask."""
        assert self.key is not None, "this endpoint is signed"
        return self.key


Handler = Callable[["Api", Exchange], object]


class Route(NamedTuple):
    """One endpoint."""

    handle: Handler
    demands: checks.Demands
    weight: int


class Api:
    """Answers calls, one at a time."""

    def __init__(
        self,
        venue: Venue,
        *,
        accounts: Accounts,
        rules: dict[str, Rules],
        limits: Limits,
        ledger: Ledger,
    ) -> None:
        self.venue = venue
        self.accounts = accounts
        self.rules = rules
        self.limits = limits
        self.ledger = ledger
        #: Recorded REST snapshots that replace the book's own, by symbol.
        self.snapshots: dict[str, bytes] = {}
        self._given_ids = 0

    def answer(self, call: Call, fault: FaultKind | None = None) -> Reply:
        """Execute a call and write its ledger line."""
        route = ROUTES.get((call.method, call.path))
        exchange = Exchange(call, {}, weight=0 if route is None else route.weight)
        refusal: Refusal | None = None
        body: object = None
        if route is None:
            refusal = _no_route(call)
        else:
            try:
                body = self._execute(route, exchange)
            except EngineRefusal as error:
                refusal = refusals.from_engine(error.reason)
            except Refusal as error:
                refusal = error
        if refusal is not None:
            body = {"code": refusal.code, "msg": refusal.message}
        self._note(exchange, refusal, fault)
        return self._reply(exchange, body, refusal)

    def note_unexecuted(self, call: Call, status: int, fault: FaultKind) -> None:
        """Write the ledger line of a request that a fault kept from being executed."""
        exchange = Exchange(call, {})
        try:
            exchange.params = checks.parameters(call.query, call.body)
        except Refusal:
            # Not readable: the line then names no order, as it would have none.
            exchange.params = {}
        exchange.key = self.accounts.keys.get(call.api_key or "")
        self.ledger.request(_line(exchange, "not_executed", status, code=None, fault=fault))

    def _execute(self, route: Route, exchange: Exchange) -> object:
        call = exchange.call
        self.limits.admit(call.address, call.at_ns)
        exchange.params = params = checks.parameters(call.query, call.body)
        demands = route.demands
        if demands.permission is None:
            checks.check_syntax(params, demands)
            return route.handle(self, exchange)
        exchange.key = self.accounts.keys.get(call.api_key or "")
        checks.check_syntax(params, demands)
        key = checks.find_key(self.accounts, call.api_key)
        checks.check_window(params, self.venue.clock.wall_ns())
        payload, signature = checks.signed_payload(call.query, call.body)
        checks.authenticate(key, payload, signature=signature, demands=demands)
        return route.handle(self, exchange)

    def _note(self, exchange: Exchange, refusal: Refusal | None, fault: FaultKind | None) -> None:
        if refusal is None:
            line = _line(exchange, "accepted", 200, code=None, fault=fault)
        else:
            is_limit = refusal.retry_after_s is not None
            outcome = "limited" if is_limit else "refused"
            line = _line(exchange, outcome, refusal.status, code=refusal.code, fault=fault)
        self.ledger.request(line)

    def _reply(self, exchange: Exchange, body: object, refusal: Refusal | None) -> Reply:
        call = exchange.call
        used = str(self.limits.charge(call.address, exchange.weight, call.at_ns))
        headers = {
            "Content-Type": "application/json;charset=UTF-8",
            "X-MBX-USED-WEIGHT": used,
            "X-MBX-USED-WEIGHT-1M": used,
        }
        if exchange.headers is not None:
            headers |= exchange.headers
        if refusal is not None and refusal.retry_after_s is not None:
            headers["Retry-After"] = str(refusal.retry_after_s)
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        return Reply(200 if refusal is None else refusal.status, content, headers)

    def known(self, params: dict[str, str]) -> Rules:
        """
        Return the rules of the symbol asked for.

        Raises:
            Refusal: -1121.
        """
        rules = self.rules.get(params["symbol"])
        if rules is None:
            raise refusals.invalid_symbol()
        return rules

    def given_id(self) -> str:
        """Make a client id for an order or cancel that names none."""
        self._given_ids += 1
        return f"auto{self._given_ids:018d}"


def _line(
    exchange: Exchange, outcome: str, status: int, *, code: int | None, fault: FaultKind | None
) -> Request:
    call, params, key, order = exchange.call, exchange.params, exchange.key, exchange.order
    client_id = params.get("newClientOrderId") if call.method == "POST" else None
    if client_id is None:
        client_id = params.get("origClientOrderId")
    if order is not None:
        client_id = order.terms.client_id
    return Request(
        at_ns=call.at_ns,
        method=call.method,
        path=call.path,
        key_id=None if key is None else key.key_id,
        account=None if key is None else key.account.name,
        symbol=params.get("symbol"),
        client_order_id=client_id,
        outcome=outcome,
        status=status,
        code=code,
        order_id=None if order is None else order.order_id,
        fault=fault,
    )


def _no_route(call: Call) -> Refusal:
    if any(path == call.path for _, path in ROUTES):
        return Refusal(-1020, "This operation is not supported.", status=405)
    return Refusal(-1000, "Not Found.", status=404)


def _ping(_api: Api, _exchange: Exchange) -> object:
    return {}


def _time(api: Api, _exchange: Exchange) -> object:
    return {"serverTime": api.venue.clock.wall_ns() // _NS_PER_MS}


def _exchange_info(api: Api, exchange: Exchange) -> object:
    params = exchange.params
    chosen = list(api.rules.values())
    if "symbol" in params and "symbols" in params:
        raise refusals.bad_combination()
    if "symbol" in params:
        chosen = [api.known(params)]
    elif "symbols" in params:
        chosen = [api.known({"symbol": symbol}) for symbol in _symbols(params["symbols"])]
    now_ms = api.venue.clock.wall_ns() // _NS_PER_MS
    return exchange_info(chosen, api.limits.as_json(), now_ms=now_ms)


def _symbols(text: str) -> list[str]:
    try:
        symbols = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise refusals.illegal_characters("symbols", "^\\[.*\\]$") from None
    if not isinstance(symbols, list) or not all(isinstance(one, str) for one in symbols):
        raise refusals.invalid_data("symbols")
    return symbols


def _depth(api: Api, exchange: Exchange) -> object:
    symbol = api.known(exchange.params).symbol
    limit = min(int(exchange.params.get("limit", DEPTH_LEVELS)), DEPTH_LEVELS_MAX)
    if limit == 0:
        raise refusals.invalid_data("limit")
    exchange.weight = next(weight for levels, weight in _DEPTH_WEIGHTS if limit <= levels)
    snapshot = api.snapshots.get(symbol)
    return render.depth(api.venue.books[symbol], limit) if snapshot is None else snapshot


def _place(api: Api, exchange: Exchange) -> object:
    account = exchange.signer.account
    detail, terms = _new_order(api, exchange)
    now_ns = exchange.call.at_ns
    api.limits.admit_order(account.name, now_ns)
    exchange.order = order = api.venue.place(account, terms)
    ten_s, day = api.limits.order_placed(account.name, now_ns)
    exchange.headers = {"X-MBX-ORDER-COUNT-10S": str(ten_s), "X-MBX-ORDER-COUNT-1D": str(day)}
    # Since 2026-04-02 an accepted order costs no weight, a refused one does.
    exchange.weight = 0
    return render.placed(order, detail)


def _test_order(api: Api, exchange: Exchange) -> object:
    _new_order(api, exchange)
    return {}


def _new_order(api: Api, exchange: Exchange) -> tuple[ResponseType, Terms]:
    params = exchange.params
    rules = api.known(params)
    terms = checks.terms(params, client_id=params.get("newClientOrderId") or api.given_id())
    wanted = params.get("newOrderRespType")
    if wanted is None:
        is_maker = terms.kind is Kind.MAKER
        detail = ResponseType.ACK if is_maker else ResponseType.FULL
    elif wanted in ResponseType.__members__:
        detail = ResponseType(wanted)
    else:
        raise refusals.invalid_data("newOrderRespType")
    account = exchange.signer.account
    reference = api.venue.last_price.get(rules.symbol, rules.start_price)
    rules.check(terms, reference=reference, open_orders=account.open_count(rules.symbol))
    return detail, terms


def _find(api: Api, exchange: Exchange) -> Order | None:
    params = exchange.params
    symbol = api.known(params).symbol
    order_id = int(params["orderId"]) if "orderId" in params else None
    client_id = params.get("origClientOrderId")
    if order_id is None and client_id is None:
        raise refusals.one_of("origClientOrderId", "orderId")
    exchange.order = api.venue.find(
        exchange.signer.account, symbol, order_id=order_id, client_id=client_id
    )
    return exchange.order


def _query(api: Api, exchange: Exchange) -> object:
    order = _find(api, exchange)
    if order is None:
        raise refusals.no_such_order()
    return render.queried(order)


def _cancel(api: Api, exchange: Exchange) -> object:
    order = _find(api, exchange)
    if order is None:
        raise refusals.unknown_order()
    restriction = exchange.params.get("cancelRestrictions")
    if restriction is not None:
        _check_restriction(order, restriction)
    api.venue.cancel(exchange.signer.account, order)
    exchange.weight = 0
    return render.cancelled(order, exchange.params.get("newClientOrderId") or api.given_id())


def _check_restriction(order: Order, restriction: str) -> None:
    wanted = {
        "ONLY_NEW": Status.OPEN,
        "ONLY_PARTIALLY_FILLED": Status.PARTLY_FILLED,
    }.get(restriction)
    if wanted is None:
        raise Refusal(-1145, "Invalid cancelRestrictions")
    if order.is_alive and order.status is not wanted:
        raise Refusal(-2011, "Order was not canceled due to cancel restrictions.")


def _open_orders(api: Api, exchange: Exchange) -> object:
    symbol = api.known(exchange.params).symbol if "symbol" in exchange.params else None
    if symbol is None:
        exchange.weight = OPEN_ORDERS_ALL_WEIGHT
    return [
        render.queried(order) for order in api.venue.open_orders(exchange.signer.account, symbol)
    ]


def _account(api: Api, exchange: Exchange) -> object:
    key = exchange.signer
    omit = exchange.params.get("omitZeroBalances", "false")
    if omit not in ("true", "false"):
        raise refusals.invalid_data("omitZeroBalances")
    now_ms = api.venue.clock.wall_ns() // _NS_PER_MS
    return render.account(key.account, key.permissions, omit_zero=omit == "true", now_ms=now_ms)


def _my_trades(api: Api, exchange: Exchange) -> object:
    params = exchange.params
    symbol = api.known(params).symbol
    limit = min(int(params.get("limit", TRADES)), TRADES_MAX)
    found = api.venue.fills(exchange.signer.account, symbol)
    if "orderId" in params:
        exchange.weight = TRADES_BY_ORDER_WEIGHT
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


def _public(handle: Handler, weight: int, *names: str, mandatory: tuple[str, ...] = ()) -> Route:
    return Route(handle, checks.Demands(frozenset(names), mandatory, None), weight)


def _signed(
    handle: Handler, weight: int, permission: Permission, known: frozenset[str], *mandatory: str
) -> Route:
    names = known | {"recvWindow", "timestamp", "signature"}
    demands = checks.Demands(names, (*mandatory, "timestamp", "signature"), permission)
    return Route(handle, demands, weight)


_BY_ID: Final = frozenset({"symbol", "orderId", "origClientOrderId"})
_CANCEL: Final = _BY_ID | {"newClientOrderId", "cancelRestrictions"}
_TRADES: Final = frozenset({"symbol", "orderId", "startTime", "endTime", "fromId", "limit"})
ROUTES: Final = {
    ("GET", "/api/v3/ping"): _public(_ping, 1),
    ("GET", "/api/v3/time"): _public(_time, 1),
    ("GET", "/api/v3/exchangeInfo"): _public(
        _exchange_info, 20, "symbol", "symbols", "permissions", "showPermissionSets",
        "symbolStatus",
    ),
    ("GET", "/api/v3/depth"): _public(
        _depth, 5, "symbol", "limit", "symbolStatus", mandatory=("symbol",)
    ),
    ("POST", "/api/v3/order"): _signed(
        _place, 1, Permission.TRADE, _ORDER, "symbol", "side", "type"
    ),
    ("POST", "/api/v3/order/test"): _signed(
        _test_order, 1, Permission.TRADE, _ORDER, "symbol", "side", "type"
    ),
    ("GET", "/api/v3/order"): _signed(_query, 4, Permission.READ, _BY_ID, "symbol"),
    ("DELETE", "/api/v3/order"): _signed(_cancel, 1, Permission.TRADE, _CANCEL, "symbol"),
    ("GET", "/api/v3/openOrders"): _signed(
        _open_orders, 6, Permission.READ, frozenset({"symbol"})
    ),
    ("GET", "/api/v3/account"): _signed(
        _account, 20, Permission.READ, frozenset({"omitZeroBalances"})
    ),
    ("GET", "/api/v3/myTrades"): _signed(_my_trades, 20, Permission.READ, _TRADES, "symbol"),
}  # fmt: skip
