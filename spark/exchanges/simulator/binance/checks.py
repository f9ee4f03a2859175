"""
A request's parameters, from raw text to checked terms, in the venue's order.

1. syntax: illegal characters, empty, doubled, missing, unread parameters
2. the key's form (-2014), 3. the time window (-1021), 4. the key (-2015),
5. the signature (-1022), 6. the key's permission (-2015), 7. meaning.

Source: binance-spot-api-docs rest-api.md and errors.md; that unread parameters
are refused before missing ones of an order type is seen in clients' reports.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from urllib.parse import unquote_plus

from spark.exchanges.simulator.accounts import Accounts, ApiKey, Permission
from spark.exchanges.simulator.binance import refusals
from spark.exchanges.simulator.binance.symbols import ASSET_PRECISION
from spark.exchanges.simulator.orders import ZERO, Kind, Terms
from spark.names import Side, TimeInForce

RECV_WINDOW_MS: Final = Decimal(5_000)
RECV_WINDOW_MS_MAX: Final = Decimal(60_000)
AHEAD_US_MAX: Final = 1_000_000
#: Larger timestamps are microseconds.
_MILLISECONDS_BELOW: Final = 10**15
_LONG_MAX: Final = 2**63 - 1

_AMOUNT: Final = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_WHOLE: Final = r"^[0-9]{1,20}$"
_CLIENT_ID: Final = r"^[a-zA-Z0-9-_]{1,36}$"
_LEGAL_TEXT: Final = {
    "symbol": r"^[\w\-._&&[^a-z]]{1,50}$",
    "quantity": _AMOUNT,
    "quoteOrderQty": _AMOUNT,
    "price": _AMOUNT,
    "stopPrice": _AMOUNT,
    "icebergQty": _AMOUNT,
    "recvWindow": r"^([0-9]{1,20})(\.[0-9]{1,3})?$",
    "newClientOrderId": _CLIENT_ID,
    "origClientOrderId": _CLIENT_ID,
    "orderId": _WHOLE,
    "timestamp": _WHOLE,
    "limit": _WHOLE,
    "fromId": _WHOLE,
    "startTime": _WHOLE,
    "endTime": _WHOLE,
}
#: The symbol's text above is Java's notation: word characters but for a to z.
_LEGAL: Final = {
    name: re.compile(r"([^\Wa-z]|[-.]){1,50}" if name == "symbol" else text)
    for name, text in _LEGAL_TEXT.items()
}
_WHOLE_NAMES: Final = frozenset(name for name, text in _LEGAL_TEXT.items() if text == _WHOLE)
_KEY_FORM: Final = re.compile(r"[A-Za-z0-9]{64}")
_SIGNATURE: Final = "signature="

_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
_KINDS: Final = {"LIMIT": Kind.LIMIT, "MARKET": Kind.MARKET, "LIMIT_MAKER": Kind.MAKER}
_IN_FORCE: Final = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
_UNSUPPORTED: Final = {
    "STOP_LOSS": "Stop loss orders are not supported for this symbol.",
    "STOP_LOSS_LIMIT": "Stop loss limit orders are not supported for this symbol.",
    "TAKE_PROFIT": "Take profit orders are not supported for this symbol.",
    "TAKE_PROFIT_LIMIT": "Take profit limit orders are not supported for this symbol.",
}


@dataclass(frozen=True, slots=True)
class Demands:
    """What one endpoint asks of a request."""

    known: frozenset[str]
    mandatory: tuple[str, ...]
    permission: Permission | None


def parameters(query: str, body: str) -> dict[str, str]:
    """
    Read parameters from query string and form body; the query wins.

    Raises:
        Refusal: one stands twice in the same part.
    """
    found: dict[str, str] = {}
    for part in (query, body):
        seen: set[str] = set()
        for pair in part.split("&") if part else ():
            name, _, value = pair.partition("=")
            if name in seen:
                raise refusals.duplicate_parameter()
            seen.add(name)
            if "%" in value or "+" in value:
                value = unquote_plus(value)
            found.setdefault(name, value)
    return found


def check_syntax(params: dict[str, str], demands: Demands) -> None:
    """
    Check names and characters, before anything is looked up.

    Raises:
        Refusal: -1100, -1102, -1104, -1105, -1108.
    """
    for name, value in params.items():
        if name not in demands.known:
            continue
        if not value:
            raise (refusals.mandatory(name) if name in demands.mandatory else refusals.empty(name))
        legal = _LEGAL.get(name)
        if legal is not None and not legal.fullmatch(value):
            raise refusals.illegal_characters(name, _LEGAL_TEXT[name])
        if name in _WHOLE_NAMES and int(value) > _LONG_MAX:
            raise refusals.overflow(name)
    for name in demands.mandatory:
        if name not in params:
            raise refusals.mandatory(name)
    read = sum(name in demands.known for name in params)
    if read != len(params):
        raise refusals.unread(read, len(params))


def check_window(params: dict[str, str], now_ns: int) -> None:
    """
    Apply the timing rule.

    Raises:
        Refusal: -1021, or recvWindow is too large.
    """
    window_ms = RECV_WINDOW_MS
    if "recvWindow" in params:
        window_ms = Decimal(params["recvWindow"])
        if window_ms > RECV_WINDOW_MS_MAX:
            raise refusals.window_too_large()
    stamp_us = int(params["timestamp"])
    if stamp_us < _MILLISECONDS_BELOW:
        stamp_us *= 1_000
    now_us = now_ns // 1_000
    if stamp_us >= now_us + AHEAD_US_MAX:
        raise refusals.ahead_of_time()
    if now_us - stamp_us > window_ms * 1_000:
        raise refusals.outside_window()


def find_key(accounts: Accounts, header: str | None) -> ApiKey | None:
    """
    Look an API key up; None when it is well formed and nobody's.

    Raises:
        Refusal: -2014.
    """
    if not header:
        raise refusals.key_format()
    key = accounts.keys.get(header)
    if key is None and not _KEY_FORM.fullmatch(header):
        raise refusals.key_format()
    return key


def signed_payload(query: str, body: str) -> tuple[str, str]:
    """
    Split the signature off: what was signed is query and body without it.

    Returns:
        Payload and signature, which is empty when there is none.
    """
    rest, signature = _without_signature(body)
    if signature:
        return query + rest, signature
    rest, signature = _without_signature(query)
    return rest + body, signature


def _without_signature(part: str) -> tuple[str, str]:
    if _SIGNATURE not in part:
        return part, ""
    head, _, tail = part.rpartition("&" + _SIGNATURE)
    if head and "&" not in tail and _SIGNATURE not in head:
        # Where nearly everyone puts it: last.
        return head, tail if "%" not in tail else unquote_plus(tail)
    pairs = part.split("&")
    kept = [pair for pair in pairs if not pair.startswith(_SIGNATURE)]
    found = [pair for pair in pairs if pair.startswith(_SIGNATURE)]
    return "&".join(kept), unquote_plus(found[0].removeprefix(_SIGNATURE)) if found else ""


def authenticate(key: ApiKey | None, payload: str, *, signature: str, demands: Demands) -> ApiKey:
    """
    Let a signed request through.

    Raises:
        Refusal: -2015 for an unknown key or a missing permission, -1022.
    """
    if key is None:
        raise refusals.key_refused()
    if not payload.isascii() or not key.signs(payload.encode(), signature):
        raise refusals.bad_signature()
    if demands.permission not in key.permissions:
        raise refusals.key_refused()
    return key


def terms(params: dict[str, str], *, client_id: str) -> Terms:
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
