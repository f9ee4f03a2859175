"""
What a new order means: its JSON body as terms, the pair's rules aside. Pure.

Source: docs.btcturk.com "submit-order"; swagger of v1 (lengths and digits).
"""

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from spark.exchanges.simulator.btcturk import refusals
from spark.exchanges.simulator.btcturk.symbols import Rules
from spark.exchanges.simulator.orders import Kind, Terms
from spark.names import Side, TimeInForce

CLIENT_ID_CHARS_MAX: Final = 50
_NUMBER: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,16})?")
_DIGITS_MAX: Final = 16
_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
_KINDS: Final = {"limit": Kind.LIMIT, "market": Kind.MARKET}
_STOPS: Final = frozenset({"stoplimit", "stopmarket"})


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A body, read; nothing is looked up yet."""

    pair: str
    side: Side
    kind: Kind
    quantity: Decimal
    price: Decimal | None
    #: Empty where the venue is to make one.
    client_id: str

    def terms(self, rules: Rules, *, client_id: str) -> Terms:
        """Give the order's terms; a market buy's quantity is what to spend, in the quote."""
        is_spending = self.kind is Kind.MARKET and self.side is Side.BUY
        return Terms(
            symbol=rules.symbol,
            side=self.side,
            kind=self.kind,
            time_in_force=TimeInForce.GTC,
            client_id=self.client_id or client_id,
            quantity=None if is_spending else self.quantity,
            price=self.price,
            quote_quantity=self.quantity if is_spending else None,
        )


def read_object(body: str) -> dict[str, object]:
    """
    Read a JSON object, its numbers exact.

    Raises:
        Refusal: it is none.
    """
    try:
        found = json.loads(body, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise refusals.invalid_request() from None
    if not isinstance(found, dict) or _holds_half_a_character(body, found):
        raise refusals.invalid_request()
    return found


def _holds_half_a_character(body: str, found: dict[str, object]) -> bool:
    """Tell whether a text in it is none: JSON can escape what neither reply nor ledger can hold."""
    if "\\ud" not in body.lower():
        return False
    try:
        json.dumps(found, ensure_ascii=False, default=str).encode()
    except (UnicodeEncodeError, RecursionError):
        return True
    return False


def read_order(fields: dict[str, object]) -> NewOrder:
    """
    Read a new order.

    Raises:
        Refusal: a field is missing, of another form, or asks for what is not simulated.
    """
    method = _word(fields, "orderMethod").lower()
    if method in _STOPS or method not in _KINDS:
        raise refusals.method_unsupported()
    kind = _KINDS[method]
    side = _SIDES.get(_word(fields, "orderType").lower())
    if side is None:
        raise refusals.type_unsupported()
    return NewOrder(
        pair=_word(fields, "pairSymbol"),
        side=side,
        kind=kind,
        quantity=_number(fields, "quantity"),
        # A market order's price is not looked at.
        price=None if kind is Kind.MARKET else _number(fields, "price"),
        client_id=_client_id(fields.get("newOrderClientId")),
    )


def _word(fields: dict[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise refusals.parameter()
    return value


def _number(fields: dict[str, object], name: str) -> Decimal:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise refusals.parameter()
    if isinstance(value, Decimal) and abs(value.adjusted()) > _DIGITS_MAX:
        # Written out, its exponent could fill the memory.
        raise refusals.parameter()
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    if not _NUMBER.fullmatch(text):
        raise refusals.parameter()
    return Decimal(text)


def _client_id(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > CLIENT_ID_CHARS_MAX:
        raise refusals.parameter()
    return value


def _no_number(name: str) -> None:
    raise ValueError(name)
