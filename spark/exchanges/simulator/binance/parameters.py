"""
A request's parameters: from raw text to names and values of the right form. Pure.

Illegal characters, empty, doubled, missing and unread ones are refused here,
before anything is looked up. That unread parameters come before those missing
for one order type is seen in clients' reports.

Source: binance-spot-api-docs rest-api.md "General Information on Endpoints", errors.md.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

from spark.exchanges.simulator.accounts import Permission
from spark.exchanges.simulator.binance import refusals

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
    "subscriptionId": _WHOLE,
}
#: The symbol's text above is Java's notation: word characters but for a to z.
_LEGAL: Final = {
    name: re.compile(r"([^\Wa-z]|[-.]){1,50}" if name == "symbol" else text)
    for name, text in _LEGAL_TEXT.items()
}
_WHOLE_NAMES: Final = frozenset(name for name, text in _LEGAL_TEXT.items() if text == _WHOLE)


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
