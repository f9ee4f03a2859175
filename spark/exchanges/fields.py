"""
Strict readers for the fields of an exchange's JSON, as far as exchanges agree. Pure.

Each reader takes a decoded object and a field's name, and raises `WireError` unless the
field is there and of the documented form. Fields that the documents do not name are let
through: exchanges add some without notice. What an amount, an id or a time looks like is
each exchange's own, in its `wire`.
"""

import re
from collections.abc import Mapping
from typing import Final

import orjson

from spark.errors import WireError
from spark.quoting import shown

Object = Mapping[str, object]

#: What a record holds.
_WHOLE_MAX: Final = 2**63 - 1
#: The year 2255: as nanoseconds it fits where a record's numbers go.
MOMENT_MS_MAX: Final = 9_000_000_000_000
#: Far above every name and message of an exchange, far below what a record holds.
_TEXT_CHARS_MAX: Final = 1_000
_HALVES: Final = re.compile("[\ud800-\udfff]")


def decode(body: bytes | str) -> object:
    """
    Decode JSON whose amounts are strings; a fraction in it is no amount to the readers.

    Raises:
        WireError: not JSON.

    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise WireError(f"not JSON: {error}") from None


def encode(value: object) -> str:
    """Write JSON."""
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
    if not isinstance(value, str) or len(value) > _TEXT_CHARS_MAX:
        raise wrong(fields, name, "a string")
    # JSON can escape half a character, which no record can hold.
    if not value.isascii() and _HALVES.search(value):
        raise wrong(fields, name, "a string")
    return value


def whole(fields: Object, name: str, most: int = _WHOLE_MAX) -> int:
    """Read an integer of at least zero."""
    value = fields.get(name)
    # A bool is an int to Python, not to an exchange.
    if type(value) is not int or not 0 <= value <= most:
        raise wrong(fields, name, "a whole number")
    return value


def signed_whole(fields: Object, name: str) -> int:
    """Read an integer that may be below zero, as codes of errors are."""
    value = fields.get(name)
    if type(value) is not int or not -_WHOLE_MAX <= value <= _WHOLE_MAX:
        raise wrong(fields, name, "a whole number")
    return value


def moment_ms(fields: Object, name: str) -> int:
    """Read a time in milliseconds; a record holds it in nanoseconds."""
    value = whole(fields, name)
    if value > MOMENT_MS_MAX:
        raise wrong(fields, name, "a time in milliseconds")
    return value


def flag(fields: Object, name: str) -> bool:
    """Read a boolean."""
    value = fields.get(name)
    if not isinstance(value, bool):
        raise wrong(fields, name, "true or false")
    return value


def wrong(fields: Object, name: str, wanted: str) -> WireError:
    """Make the error that says what stands where something else is due."""
    if name not in fields:
        return WireError(f"{name} is missing, {wanted} is due")
    return WireError(f"{name} is {shown(fields[name])}, {wanted} is due")
