"""
The account and its trades: requests and replies. Pure.

Source: binance-spot-api-docs rest-api.md "Account endpoints".
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from spark.errors import WireError
from spark.exchanges.binance.auth import Params
from spark.exchanges.binance.wire import amount, as_list, as_object, flag, text, whole
from spark.exchanges.binance.wire_orders import Execution, Stamp, execution, timing

ACCOUNT_PATH: Final = "/api/v3/account"
TRADES_PATH: Final = "/api/v3/myTrades"


def account_params(stamp: Stamp) -> Params:
    """Return the parameters of `GET /api/v3/account`."""
    return (("omitZeroBalances", "true"), *timing(stamp))


def trades_params(symbol: str, order_id: int, stamp: Stamp) -> Params:
    """Return the parameters of `GET /api/v3/myTrades` for one order."""
    return (("symbol", symbol), ("orderId", str(order_id)), *timing(stamp))


@dataclass(frozen=True, slots=True)
class AccountTrade:
    """One row of `myTrades`."""

    symbol: str
    order_id: int
    execution: Execution
    at_ms: int
    is_buyer: bool
    is_maker: bool


def trade_list(value: object) -> tuple[AccountTrade, ...]:
    """Read `myTrades`; raises `WireError`."""
    rows = [as_object(row, "a trade") for row in as_list(value, "trades")]
    return tuple(
        AccountTrade(
            symbol=text(row, "symbol"),
            order_id=whole(row, "orderId"),
            execution=execution(row, "id"),
            at_ms=whole(row, "time"),
            is_buyer=flag(row, "isBuyer"),
            is_maker=flag(row, "isMaker"),
        )
        for row in rows
    )


@dataclass(frozen=True, slots=True)
class AssetBalance:
    """One asset of the account."""

    free: Decimal
    locked: Decimal


@dataclass(frozen=True, slots=True)
class AccountReply:
    """The account."""

    can_trade: bool
    balances: dict[str, AssetBalance]


def account_reply(value: object) -> AccountReply:
    """Read `account`; raises `WireError`."""
    fields = as_object(value, "the account")
    balances: dict[str, AssetBalance] = {}
    for row in as_list(fields.get("balances"), "balances"):
        one = as_object(row, "a balance")
        asset = text(one, "asset")
        if asset in balances:
            raise WireError(f"the balance of {asset[:20]!r} stands there twice")
        balances[asset] = AssetBalance(amount(one, "free"), amount(one, "locked"))
    return AccountReply(flag(fields, "canTrade"), balances)
