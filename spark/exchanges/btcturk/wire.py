"""
How BTCTurk writes names, amounts, ids and times in JSON. Pure.

Over REST the case of a field's name is not dependable (its documents and its server
differ), so names are folded to lower case and asked for in it; on the stream `A` and `a`
would differ, and are asked for as they stand. An amount may be a string or a number:
numbers are read digit for digit, through no binary form. Fields that the documents do
not name are let through.

Source: facts: exchanges.md §1.2.
"""

import json
import re
from decimal import Decimal
from typing import Final, NoReturn

from spark.errors import WireError
from spark.exchanges.fields import MOMENT_MS_MAX, Object, as_object, text, wrong
from spark.quoting import shown

#: What errors call it.
NAME: Final = "BTCTurk"
#: [price, quantity] as text, best first.
Levels = tuple[tuple[str, str], ...]

#: An amount as the venue accepts it.
AMOUNT: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,16})?")
#: An amount as it may arrive: averages have more digits, small numbers an exponent.
_NUMBER: Final = re.compile(r"-?[0-9]{1,24}(?:\.[0-9]{1,32})?(?:[eE][+-]?[0-9]{1,2})?")
#: The venue's rule for ids that clients choose is their length; ours hold no other letters.
CLIENT_ORDER_ID: Final = re.compile(r"[a-zA-Z0-9\-_]{1,50}")
EXCHANGE_ORDER_ID: Final = re.compile(r"[0-9]{1,19}")
#: Beyond it no market's number goes, and no record's.
_EXPONENT_MAX: Final = 28
_MILLISECONDS: Final = re.compile(r"[0-9]{1,13}")
_ZERO: Final = Decimal(0)


def decode_exact(body: bytes | str) -> object:
    """
    Decode JSON; its fractions come as Decimal.

    Raises:
        WireError: not JSON.

    """
    try:
        return json.loads(body, parse_float=_exact, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON: {type(error).__name__}") from None


def folded(value: object, what: str) -> Object:
    """Return `value` as an object with its names in lower case, or raise `WireError`."""
    fields = as_object(value, what)
    found = {name.lower(): one for name, one in fields.items()}
    if len(found) != len(fields):
        raise WireError(f"{what} has a field twice")
    return found


def text_or_empty(fields: Object, name: str) -> str:
    """Read a string that may be null or missing."""
    return "" if fields.get(name) is None else text(fields, name)


def milliseconds(fields: Object, name: str) -> int:
    """Read a time; some are written with a fraction, which is zero, or as text."""
    value = fields.get(name)
    written = ""
    if isinstance(value, Decimal):
        written = f"{value:f}".partition(".")[0]
    elif isinstance(value, str | int):
        # A bool's text is no number, and more digits than these are no time.
        written = str(value)
    if not _MILLISECONDS.fullmatch(written) or int(written) > MOMENT_MS_MAX:
        raise wrong(fields, name, "a time in milliseconds")
    return int(written)


def identifier(fields: Object, name: str) -> str:
    """Read an id that is a number, as text."""
    value = fields.get(name)
    written = str(value) if type(value) is int else value
    if not isinstance(written, str) or not EXCHANGE_ORDER_ID.fullmatch(written):
        raise wrong(fields, name, "an id")
    return written


def signed_amount(fields: Object, name: str) -> Decimal:
    """Read an amount that may be below zero."""
    value = fields.get(name)
    if not isinstance(value, Decimal):
        written = str(value) if type(value) is int else value
        if not isinstance(written, str) or not _NUMBER.fullmatch(written):
            raise wrong(fields, name, "an amount")
        value = Decimal(written)
    if value and abs(value.adjusted()) > _EXPONENT_MAX:
        raise wrong(fields, name, "an amount")
    return value


def amount(fields: Object, name: str) -> Decimal:
    """Read an amount."""
    value = signed_amount(fields, name)
    if value < _ZERO:
        raise wrong(fields, name, "an amount")
    return value


def amount_or_zero(fields: Object, name: str) -> Decimal:
    """Read an amount that may be null or missing, which is zero."""
    return _ZERO if fields.get(name) is None else amount(fields, name)


def amount_text(fields: Object, name: str) -> str:
    """Read an amount as the string that it is on the wire."""
    value = fields.get(name)
    if not isinstance(value, str) or not AMOUNT.fullmatch(value):
        raise wrong(fields, name, "an amount")
    return value


def plain(value: Decimal) -> str:
    """
    Write an amount for a request, as it is: no exponent, no zeros that say nothing.

    Those would count as decimals against the symbol's scale.

    Raises:
        ValueError: the venue has no such amount; it is never rounded into one.

    """
    written = f"{value:f}"
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    if not AMOUNT.fullmatch(written):
        raise ValueError(f"{shown(written)} is no amount to BTCTurk")
    return written


def _exact(written: str) -> Decimal:
    if not _NUMBER.fullmatch(written):
        raise WireError(f"{shown(written)} is no number that means anything")
    return Decimal(written)


def _no_number(written: str) -> NoReturn:
    raise WireError(f"{written} is not a number")
