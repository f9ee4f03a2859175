"""
A venue's habits that nobody has confirmed, or that a test wants otherwise: reading switches.
"""

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

from spark.errors import SettingError
from spark.quoting import shown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_H = TypeVar("_H", bound="DataclassInstance")

_MS_MAX: Final = 60_000


def read_habits(kind: type[_H], given: tuple[tuple[str, str], ...]) -> _H:
    """
    Read switches: `is_…` is on or off, anything else a number of milliseconds.

    Raises:
        SettingError: a name is none of them, or a value does not fit.
    """
    known = [one.name for one in fields(kind)]
    values: dict[str, Any] = {}
    for name, text in given:
        if name not in known:
            raise SettingError(f"habit {shown(name)}: none of {', '.join(known)}")
        values[name] = _value(name, text)
    return kind(**values)


def _value(name: str, text: str) -> bool | int:
    if name.startswith("is_"):
        if text not in ("on", "off"):
            raise SettingError(f"habit {name}: on or off")
        return text == "on"
    is_short = len(text) <= len(str(_MS_MAX))
    if not (is_short and text.isascii() and text.isdigit()) or int(text) > _MS_MAX:
        raise SettingError(f"habit {name}: milliseconds up to {_MS_MAX}")
    return int(text)
