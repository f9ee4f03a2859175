"""
The account: its orders, trades, balances and commission; requests and replies. Pure.

Source: binance-spot-api-docs rest-api.md "Account endpoints"; faqs/commission_faq.md.
"""

from decimal import Decimal
from typing import Final

from spark.exchanges.binance.auth import Params
from spark.exchanges.binance.wire import amount, word, worth
from spark.exchanges.binance.wire_orders import (
    ROWS_MAX,
    Stamp,
    VenueSide,
    VenueStatus,
    execution,
    timing,
)
from spark.exchanges.fields import (
    Object,
    as_list,
    as_object,
    flag,
    moment_ms,
    text,
    whole,
)
from spark.exchanges.funds import balances_of
from spark.exchanges.port import Asked, BalanceSeen, FillSeen, OrderSeen, Question
from spark.names import Side, Symbol, VenueOrderState

ACCOUNT_PATH: Final = "/api/v3/account"
TRADES_PATH: Final = "/api/v3/myTrades"
COMMISSION_PATH: Final = "/api/v3/account/commission"
#: What a question weighs, of one symbol where it can be asked so.
_WEIGHTS: Final = {
    Question.ORDER: 4,
    Question.OPEN_ORDERS: 6,
    Question.ORDERS: 20,
    Question.FILLS: 20,
    Question.BALANCES: 20,
    Question.FEES: 20,
    Question.LOGIN: 2,
}
_ALL_OPEN_ORDERS_WEIGHT: Final = 80
_MARKET: Final = "MARKET"
_COMMISSIONS: Final = ("standardCommission", "specialCommission", "taxCommission")
_NS_PER_MS: Final = 1_000_000
_ZERO: Final = Decimal(0)
_STATES: Final = {
    VenueStatus.NEW: VenueOrderState.OPEN,
    VenueStatus.PENDING_NEW: VenueOrderState.OPEN,
    VenueStatus.PARTIALLY_FILLED: VenueOrderState.PARTIALLY_FILLED,
    VenueStatus.FILLED: VenueOrderState.FILLED,
    VenueStatus.CANCELED: VenueOrderState.CANCELLED,
    # Documented as unused: nothing is over yet.
    VenueStatus.PENDING_CANCEL: VenueOrderState.OPEN,
    VenueStatus.REJECTED: VenueOrderState.REJECTED,
    VenueStatus.EXPIRED: VenueOrderState.EXPIRED,
    VenueStatus.EXPIRED_IN_MATCH: VenueOrderState.EXPIRED,
}


def weight_of(asked: Asked) -> int:
    """Say what a question takes of the address's weight."""
    if asked.question is Question.OPEN_ORDERS and not asked.symbol:
        return _ALL_OPEN_ORDERS_WEIGHT
    return _WEIGHTS[asked.question]


def account_params(stamp: Stamp) -> Params:
    """Return the parameters of `GET /api/v3/account`; weighs 20."""
    return (("omitZeroBalances", "true"), *timing(stamp))


def trades_params(
    symbol: str,
    stamp: Stamp,
    *,
    order_id: int | None = None,
    from_id: int | None = None,
    since_ms: int | None = None,
) -> Params:
    """Return the parameters of `GET /api/v3/myTrades`; weighs 20, for one order 5."""
    params = [("symbol", symbol)]
    if order_id is not None:
        params.append(("orderId", str(order_id)))
    if from_id is not None:
        params.append(("fromId", str(from_id)))
    elif since_ms is not None and order_id is None:
        # With an order's id the venue takes no time.
        params.append(("startTime", str(since_ms)))
    return (*params, ("limit", str(ROWS_MAX)), *timing(stamp))


def commission_params(symbol: str, stamp: Stamp) -> Params:
    """Return the parameters of `GET /api/v3/account/commission`; weighs 20."""
    return (("symbol", symbol), *timing(stamp))


def side_of(fields: Object, name: str) -> Side:
    """Read a side."""
    return Side.BUY if word(fields, name, VenueSide) is VenueSide.BUY else Side.SELL


def state_of(fields: Object, name: str) -> VenueOrderState:
    """Read where an order stands."""
    return _STATES[word(fields, name, VenueStatus)]


def quote_of(fields: Object, name: str, filled: Decimal) -> Decimal | None:
    """Read what was paid or got; the venue writes -1 for old orders of which it does not know."""
    found = worth(fields, name, filled)
    return None if found < _ZERO else found


def price_of(fields: Object, names: tuple[str, str]) -> Decimal | None:
    """Read a price where the order's type, of the other name, has one."""
    price_name, type_name = names
    return None if text(fields, type_name) == _MARKET else amount(fields, price_name)


def order(value: object) -> OrderSeen:
    """Read one order of a query or a list; raises `WireError`."""
    fields = as_object(value, "an order")
    filled = amount(fields, "executedQty")
    return OrderSeen(
        symbol=Symbol(text(fields, "symbol")),
        exchange_order_id=str(whole(fields, "orderId")),
        client_order_id=text(fields, "clientOrderId"),
        side=side_of(fields, "side"),
        state=state_of(fields, "status"),
        quantity=amount(fields, "origQty"),
        filled=filled,
        quote_filled=quote_of(fields, "cummulativeQuoteQty", filled),
        price=price_of(fields, ("price", "type")),
        exchange_ns=moment_ms(fields, "updateTime") * _NS_PER_MS,
    )


def one_order(value: object) -> tuple[OrderSeen, ...]:
    """Read `GET /api/v3/order`; raises `WireError`."""
    return (order(value),)


def orders(value: object) -> tuple[OrderSeen, ...]:
    """Read `openOrders` or `allOrders`; raises `WireError`."""
    return tuple(order(row) for row in as_list(value, "orders"))


def fills(value: object) -> tuple[FillSeen, ...]:
    """Read `myTrades`, oldest first; raises `WireError`."""
    found = [_fill(as_object(row, "a trade")) for row in as_list(value, "trades")]
    return tuple(sorted(found, key=lambda one: (one.exchange_ns, int(one.trade_id))))


def _fill(fields: Object) -> FillSeen:
    part = execution(fields, "id")
    return FillSeen(
        symbol=Symbol(text(fields, "symbol")),
        trade_id=str(part.trade_id),
        exchange_order_id=str(whole(fields, "orderId")),
        client_order_id="",
        side=Side.BUY if flag(fields, "isBuyer") else Side.SELL,
        quantity=part.quantity,
        price=part.price,
        commission=part.commission,
        commission_asset=part.commission_asset,
        exchange_ns=moment_ms(fields, "time") * _NS_PER_MS,
    )


def balances(value: object) -> tuple[BalanceSeen, ...]:
    """Read `account`; raises `WireError`."""
    fields = as_object(value, "the account")
    rows = [as_object(row, "a balance") for row in as_list(fields.get("balances"), "balances")]
    return balances_of(
        (text(one, "asset"), amount(one, "free"), amount(one, "locked")) for one in rows
    )


def fees(value: object) -> tuple[Decimal, Decimal]:
    """
    Read `account/commission`: what a maker and a taker pay at most.

    A side's own part is added to the maker's or taker's, and the dearer side counts; the
    discount for paying in another asset is left out.

    Raises:
        WireError: not a commission.

    """
    fields = as_object(value, "the commission")
    kinds = [as_object(fields.get(name), name) for name in _COMMISSIONS]
    sides = sum((max(amount(one, "buyer"), amount(one, "seller")) for one in kinds), _ZERO)
    maker = sum((amount(one, "maker") for one in kinds), sides)
    taker = sum((amount(one, "taker") for one in kinds), sides)
    return maker, taker
