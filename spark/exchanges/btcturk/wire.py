"""
How BTCTurk writes JSON: strict readers for single fields. Pure.

Over REST the case of a field's name is not dependable (its documents and its server
differ), so names are folded to lower case and asked for in it; on the stream `A` and `a`
would differ, and are asked for as they stand. An amount may be a string or a number:
numbers are read digit for digit, through no binary form. Fields that the documents do
not name are let through.

Source: facts: exchanges.md §1.2.
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NoReturn

import orjson

from spark.errors import WireError

Object = Mapping[str, object]
#: [price, quantity] as text, best first.
Levels = tuple[tuple[str, str], ...]

#: An amount as the venue accepts it.
AMOUNT: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,16})?")
#: An amount as it may arrive: averages have more digits, small numbers an exponent.
_NUMBER: Final = re.compile(r"-?[0-9]{1,24}(?:\.[0-9]{1,32})?(?:[eE][+-]?[0-9]{1,2})?")
#: The venue's rule for ids that clients choose is their length; ours hold no other letters.
CLIENT_ORDER_ID: Final = re.compile(r"[a-zA-Z0-9\-_]{1,50}")
EXCHANGE_ORDER_ID: Final = re.compile(r"[0-9]{1,19}")
#: Characters of an offending value that an error shows.
SHOWN_MAX: Final = 60
_MILLISECONDS: Final = re.compile(r"[0-9]{1,13}")
#: What a record holds.
_WHOLE_MAX: Final = 2**63 - 1
_ZERO: Final = Decimal(0)


def decode(body: bytes | str) -> object:
    """
    Decode JSON; its fractions come as Decimal.

    Raises:
        WireError: not JSON.

    """
    try:
        return json.loads(body, parse_float=_exact, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON: {type(error).__name__}") from None


def decode_fast(frame: bytes | str) -> object:
    """
    Decode a frame whose amounts are strings; a fraction in it is no amount to the readers.

    Raises:
        WireError: not JSON.

    """
    try:
        return orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise WireError(f"not JSON: {error}") from None


def encode(value: object) -> str:
    """Write JSON."""
    return orjson.dumps(value).decode()


def folded(value: object, what: str) -> Object:
    """Return `value` as an object with its names in lower case, or raise `WireError`."""
    fields = as_object(value, what)
    found = {name.lower(): one for name, one in fields.items()}
    if len(found) != len(fields):
        raise WireError(f"{what} has a field twice")
    return found


def as_object(value: object, what: str) -> Object:
    """Return `value` as an object, or raise `WireError` naming `what`."""
    if not isinstance(value, dict):
        raise WireError(f"{what} is not an object")
    return value


def as_list(value: object, what: str) -> list[object]:
    """Return `value` as a list, or raise `WireError` naming `what`."""
    if not isinstance(value, list):
        raise WireError(f"{what} is not a list")
    return value


def text(fields: Object, name: str) -> str:
    """Read a string."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise wrong(fields, name, "a string")
    return value


def text_or_empty(fields: Object, name: str) -> str:
    """Read a string that may be null or missing."""
    return "" if fields.get(name) is None else text(fields, name)


def whole(fields: Object, name: str) -> int:
    """Read an integer of at least zero."""
    value = fields.get(name)
    # A bool is an int to Python, not to the venue.
    if type(value) is not int or not 0 <= value <= _WHOLE_MAX:
        raise wrong(fields, name, "a whole number")
    return value


def milliseconds(fields: Object, name: str) -> int:
    """Read a time; some are written with a fraction, which is zero, or as text."""
    value = fields.get(name)
    written = f"{value:f}".partition(".")[0] if isinstance(value, Decimal) else str(value)
    # A bool's text is no number, and more digits than these are no time.
    if not _MILLISECONDS.fullmatch(written):
        raise wrong(fields, name, "a time in milliseconds")
    return int(written)


def flag(fields: Object, name: str) -> bool:
    """Read a boolean."""
    value = fields.get(name)
    if not isinstance(value, bool):
        raise wrong(fields, name, "true or false")
    return value


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
    if isinstance(value, Decimal):
        return value
    written = str(value) if type(value) is int else value
    if not isinstance(written, str) or not _NUMBER.fullmatch(written):
        raise wrong(fields, name, "an amount")
    return Decimal(written)


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
        raise ValueError(f"{written[:SHOWN_MAX]} is no amount to BTCTurk")
    return written


def wrong(fields: Object, name: str, wanted: str) -> WireError:
    """Make the error that says what stands where something else is due."""
    if name not in fields:
        return WireError(f"{name} is missing, {wanted} is due")
    return WireError(f"{name} is {str(fields[name])[:SHOWN_MAX]!r}, {wanted} is due")


def _exact(written: str) -> Decimal:
    if not _NUMBER.fullmatch(written):
        raise WireError(f"{written[:SHOWN_MAX]!r} is no number that means anything")
    return Decimal(written)


def _no_number(written: str) -> NoReturn:
    raise WireError(f"{written} is not a number")
