"""
How Binance writes JSON: strict readers for single fields. Pure.

Each reader takes a decoded object and a field's name, and raises `WireError`
unless the field is there and of the documented form. Fields that the documents
do not name are let through: Binance adds some without notice.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

import orjson

from spark.errors import WireError

Object = Mapping[str, object]
_Word = TypeVar("_Word", bound=StrEnum)

#: An amount as the venue writes and accepts it.
AMOUNT: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?")
#: The venue's rule for ids that clients choose.
CLIENT_ORDER_ID: Final = re.compile(r"[a-zA-Z0-9\-_]{1,36}")
#: Bytes of an offending value that an error shows.
SHOWN_MAX: Final = 60


def decode(body: bytes | str) -> object:
    """
    Decode JSON.

    Raises:
        WireError: not JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise WireError(f"not JSON: {error}") from None


def encode(value: object) -> str:
    """Write JSON, for a request over a socket."""
    return orjson.dumps(value).decode()


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
        raise _wrong(fields, name, "a string")
    return value


def whole(fields: Object, name: str) -> int:
    """Read an integer of at least zero."""
    value = fields.get(name)
    # A bool is an int to Python, not to the venue.
    if type(value) is not int or value < 0:
        raise _wrong(fields, name, "a whole number")
    return value


def flag(fields: Object, name: str) -> bool:
    """Read a boolean."""
    value = fields.get(name)
    if not isinstance(value, bool):
        raise _wrong(fields, name, "true or false")
    return value


def amount_text(fields: Object, name: str) -> str:
    """Read an amount as the string that it is on the wire."""
    value = fields.get(name)
    if not isinstance(value, str) or not AMOUNT.fullmatch(value):
        raise _wrong(fields, name, "an amount")
    return value


def amount(fields: Object, name: str) -> Decimal:
    """Read an amount as a Decimal."""
    return Decimal(amount_text(fields, name))


def signed_amount(fields: Object, name: str) -> Decimal:
    """Read an amount that may be below zero."""
    value = fields.get(name)
    if not isinstance(value, str) or not AMOUNT.fullmatch(value.removeprefix("-")):
        raise _wrong(fields, name, "an amount")
    return Decimal(value)


def word(fields: Object, name: str, words: type[_Word]) -> _Word:
    """Read one of a closed set of words."""
    value = fields.get(name)
    if not isinstance(value, str) or value not in words.__members__:
        raise _wrong(fields, name, f"one of {', '.join(words)}")
    return words(value)


def plain(value: Decimal) -> str:
    """Write an amount for a request: no exponent, no sign."""
    written = f"{value:f}"
    assert AMOUNT.fullmatch(written), "an amount that no check has seen"
    return written


def _wrong(fields: Object, name: str, wanted: str) -> WireError:
    if name not in fields:
        return WireError(f"{name} is missing, {wanted} is due")
    return WireError(f"{name} is {str(fields[name])[:SHOWN_MAX]!r}, {wanted} is due")
