"""
What a new order means: its parameters as terms, filters aside. Pure.

Source: binance-spot-api-docs rest-api.md "New order", errors.md.
"""

from decimal import Decimal
from typing import Final

from spark.exchanges.simulator.binance import refusals
from spark.exchanges.simulator.binance.symbols import ASSET_PRECISION
from spark.exchanges.simulator.orders import ZERO, Kind, Terms
from spark.names import Side, TimeInForce

_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
_KINDS: Final = {"LIMIT": Kind.LIMIT, "MARKET": Kind.MARKET, "LIMIT_MAKER": Kind.MAKER}
_IN_FORCE: Final = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
_UNSUPPORTED: Final = {
    "STOP_LOSS": "Stop loss orders are not supported for this symbol.",
    "STOP_LOSS_LIMIT": "Stop loss limit orders are not supported for this symbol.",
    "TAKE_PROFIT": "Take profit orders are not supported for this symbol.",
    "TAKE_PROFIT_LIMIT": "Take profit limit orders are not supported for this symbol.",
}


def read_terms(params: dict[str, str], *, client_id: str) -> Terms:
    """
    Read the terms of a new order; filters come later.

    Args:
        params: through `check_syntax`.
        client_id: used when the request names none.

    Raises:
        Refusal: a value or a combination that the venue does not take.
    """
    side = _SIDES.get(params["side"])
    if side is None:
        raise refusals.invalid_side()
    kind = _KINDS.get(params["type"])
    if kind is None:
        if params["type"] in _UNSUPPORTED:
            raise refusals.engine(_UNSUPPORTED[params["type"]])
        raise refusals.invalid_type()
    in_force = _in_force(params, kind)
    _check_combination(params, kind)
    return Terms(
        symbol=params["symbol"],
        side=side,
        kind=kind,
        time_in_force=in_force,
        client_id=params.get("newClientOrderId", client_id),
        quantity=_amount(params, "quantity", "quantity"),
        price=_amount(params, "price", "price"),
        quote_quantity=_amount(params, "quoteOrderQty", "quote order qty"),
    )


def _in_force(params: dict[str, str], kind: Kind) -> TimeInForce:
    word = params.get("timeInForce")
    if kind is not Kind.LIMIT:
        if word is not None:
            raise refusals.not_required("timeInForce")
        return TimeInForce.GTC
    if word is None:
        raise refusals.mandatory("timeInForce")
    found = _IN_FORCE.get(word)
    if found is None:
        raise refusals.invalid_time_in_force()
    return found


def _check_combination(params: dict[str, str], kind: Kind) -> None:
    if kind is Kind.MARKET:
        _check_market(params)
    else:
        for name in ("quantity", "price"):
            if name not in params:
                raise refusals.mandatory(name)
        if "quoteOrderQty" in params:
            raise refusals.not_required("quoteOrderQty")
    for name in ("stopPrice", "trailingDelta"):
        if name in params:
            raise refusals.not_required(name)
    if "icebergQty" in params:
        raise refusals.engine("Iceberg orders are not supported for this symbol.")


def _check_market(params: dict[str, str]) -> None:
    if "price" in params:
        raise refusals.not_required("price")
    if "quantity" in params and "quoteOrderQty" in params:
        raise refusals.bad_combination()
    if "quantity" not in params and "quoteOrderQty" not in params:
        raise refusals.one_of("quantity", "quoteOrderQty")


def _amount(params: dict[str, str], name: str, spoken: str) -> Decimal | None:
    text = params.get(name)
    if text is None:
        return None
    if len(text.partition(".")[2]) > ASSET_PRECISION:
        raise refusals.too_precise(name)
    value = Decimal(text)
    if value == ZERO:
        raise refusals.invalid_amount(spoken)
    return value
