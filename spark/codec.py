"""
Bytes to events and back: one canonical spelling, strict both ways.

Canonical JSON: UTF-8, keys sorted, no blanks, decimals as strings in plain
notation without trailing zeros, no floats. A body that decodes but does not
encode to itself is malformed; that one rule refuses duplicate keys, blanks,
other number spellings and unsorted keys (security §3).
"""

from collections.abc import Iterable
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Final, TypeVar, cast

import orjson
from pydantic import Field, TypeAdapter, ValidationError

from spark.errors import MalformedError, UnknownVersionError
from spark.events import EVENT_TYPES, Event

_T = TypeVar("_T")
_ZERO: Final = Decimal(0)

_ADAPTER: Final[TypeAdapter[Event]] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
#: Exponents outside this are refused before they can be written out digit by digit.
_EXPONENT_MAX: Final = 30
#: Of a field's name in an error: an unknown field is named by whoever wrote it.
_NAME_CHARS_MAX: Final = 80


def decimal_text(value: Decimal) -> str:
    """
    Spell a decimal in its one canonical form.

    Raises:
        ValueError: it is not finite, or its exponent is out of any market's range.

    """
    if not value.is_finite() or abs(value.adjusted()) > _EXPONENT_MAX:
        raise ValueError("decimal out of range")
    if value == _ZERO:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _default(value: object) -> str:
    if isinstance(value, Decimal):
        return decimal_text(value)
    raise TypeError(type(value).__name__)


def encode(event: object) -> bytes:
    """Write an event, or any part of one, as canonical bytes."""
    return orjson.dumps(event, default=_default, option=orjson.OPT_SORT_KEYS)


def decode(body: bytes) -> Event:
    """
    Read canonical bytes.

    Raises:
        UnknownVersionError: a known type, but not its version.
        MalformedError: not an event of a known type, or not canonical; the text
            names fields and rules, never the input (S18).

    """
    try:
        found = _ADAPTER.validate_json(body)
    except ValidationError as error:
        raise _explained(error) from None
    try:
        canonical = encode(found)
    except (ValueError, orjson.JSONEncodeError):
        raise MalformedError("a number is out of range") from None
    if canonical != body:
        raise MalformedError("not canonical: keys sorted once, no blanks, one spelling a number")
    return found


def decode_as(kind: type[_T], body: bytes) -> _T:
    """
    Read canonical bytes of exactly one type.

    Raises:
        MalformedError: as `decode`, or the event is of another type.

    """
    found = decode(body)
    if not isinstance(found, kind):
        raise MalformedError(f"expected {kind.__name__}, found {type(found).__name__}")
    return found


def type_name(kind: type[Event]) -> str:
    """Give the wire name of an event type."""
    return cast("str", kind.__dataclass_fields__["type"].default)


def shape_of(kinds: Iterable[type[Event]]) -> str:
    """Name what this version can read as one of these types: another name, other bytes."""
    schemas = [TypeAdapter(kind).json_schema() for kind in kinds]
    return sha256(orjson.dumps(schemas, option=orjson.OPT_SORT_KEYS)).hexdigest()


TYPE_NAMES: Final[frozenset[str]] = frozenset(type_name(kind) for kind in EVENT_TYPES)


def _explained(error: ValidationError) -> MalformedError:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    for fault in faults:
        # Whatever else is wrong with it: another version may have other fields.
        if fault["loc"][1:] == ("v",) and fault["type"] == "literal_error":
            return UnknownVersionError(f"{fault['loc'][0]}.v: unknown version")
    first = faults[0]
    where = ".".join(_shown(part) for part in first["loc"]) or "record"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return MalformedError(f"{where}: {first['type']}{more}")


def _shown(name: str | int) -> str:
    """Cut a field's name to what a terminal and a log may print."""
    return "".join(char if char.isprintable() else "?" for char in str(name)[:_NAME_CHARS_MAX])
