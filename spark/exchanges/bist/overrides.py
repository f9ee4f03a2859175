"""
What the exchange announced beyond its calendar, as a person wrote it down.

One line of TOML a day:

    2026-12-31 = { opens = "09:30", closes = "12:50", reason = "half day, announced on 1 December" }
    2027-02-08 = { closed = true, reason = "trading suspended" }
"""

import re
from typing import Any, Final

from spark.errors import SettingError
from spark.exchanges.bist.days import FIRST_DAY, day_number, minute_of
from spark.exchanges.bist.sessions import Override
from spark.quoting import shown
from spark.toml import read_toml

FILE_BYTES_MAX: Final = 256 * 1024
_REASON_CHARS_MAX: Final = 200
_FIELDS: Final = frozenset({"opens", "closes", "closed", "reason"})


def read_overrides(data: bytes, name: str) -> tuple[Override, ...]:
    """
    Read the file, all of it or nothing.

    Args:
        data: its bytes.
        name: what errors call it.

    Raises:
        SettingError: it is not what it must be; the text names the line.

    """
    if len(data) > FILE_BYTES_MAX:
        raise SettingError(f"{name}: {len(data)} bytes, at most {FILE_BYTES_MAX}")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SettingError(f"{name}, line {line}: not UTF-8") from None
    found = []
    for day, entry in read_toml(text, name).items():
        try:
            found.append(_override(day, entry))
        except ValueError as error:
            raise SettingError(f"{name}, {_place(text, day)}: {error}") from None
    return tuple(sorted(found, key=lambda one: one.day))


def _override(day: str, entry: Any) -> Override:  # noqa: ANN401  (whatever stands in the file)
    day_number(day)
    if day < FIRST_DAY:
        raise ValueError(f"{day} is before {FIRST_DAY}, where the calendar begins")
    if not isinstance(entry, dict):
        # One kind of error, whatever is wrong with the file: it gets its line above.
        raise ValueError('say { closed = true, reason = "…" } or { opens, closes, reason }')  # noqa: TRY004
    if unknown := sorted(entry.keys() - _FIELDS):
        raise ValueError(f"{shown(unknown[0])} is none of {', '.join(sorted(_FIELDS))}")
    return Override(day=day, hours=_hours(entry), reason=_reason(entry))


def _reason(entry: dict[str, Any]) -> str:
    reason = entry.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        raise ValueError("a reason is missing")
    if len(reason) > _REASON_CHARS_MAX or not reason.isprintable():
        raise ValueError(f"the reason must be one line of at most {_REASON_CHARS_MAX} characters")
    return reason.strip()


def _hours(entry: dict[str, Any]) -> tuple[int, int] | None:
    if "closed" in entry:
        if entry["closed"] is not True or entry.keys() & {"opens", "closes"}:
            raise ValueError("closed = true stands without opens and closes; there is no other")
        return None
    opens, closes = _minute(entry, "opens"), _minute(entry, "closes")
    if opens >= closes:
        raise ValueError(f"opens {entry['opens']} is not before closes {entry['closes']}")
    return opens, closes


def _minute(entry: dict[str, Any], field: str) -> int:
    value = entry.get(field)
    if value is None:
        raise ValueError(f"{field} is missing; say opens and closes, or closed = true")
    if not isinstance(value, str):
        raise ValueError(f'{field} must be text, as in {field} = "09:30"')  # noqa: TRY004
    return minute_of(value)


def _place(text: str, key: str) -> str:
    """Find the line on which an entry begins; TOML's parser does not tell."""
    begins = re.compile(rf"\s*\[?\s*[\"']?{re.escape(key)}\b")
    for number, line in enumerate(text.splitlines(), 1):
        if begins.match(line):
            return f"line {number}"
    return f"entry {shown(key)}"
