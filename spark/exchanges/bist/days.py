"""
Days and minutes of Istanbul, as numbers: pure arithmetic, no time zone data.

Turkey has been at UTC+3 all year since 2016-09-07, without summer time; the days that
are covered begin after that (`FIRST_DAY`), so one constant is the whole zone.
"""

import re
from typing import Final

from spark.quoting import shown

#: The first whole year at UTC+3.
FIRST_DAY: Final = "2017-01-01"
_DAY: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_MINUTE: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_NS_PER_S: Final = 1_000_000_000
_NS_PER_MINUTE: Final = 60 * _NS_PER_S
_NS_PER_DAY: Final = 24 * 60 * _NS_PER_MINUTE
_AHEAD_NS: Final = 3 * 60 * _NS_PER_MINUTE
#: Of the calendar's cycle of 400 years, and from its start in the year 0 to 1970.
_DAYS_PER_ERA: Final = 146_097
_DAYS_TO_1970: Final = 719_468
_YEARS_PER_ERA: Final = 400
_MARCH: Final = 3
_WEEK: Final = 7
_FIRST_WEEKDAY: Final = 3
_SATURDAY: Final = 5


def day_number(day: str) -> int:
    """
    Count days since 1970-01-01.

    The year is taken to begin in March, so that the leap day is its last.

    Raises:
        ValueError: it is no day of the calendar, written `2026-10-28`.

    """
    match = _DAY.fullmatch(day)
    if match is None:
        raise ValueError(f"{shown(day)} is no day; write 2026-10-28")
    year, month, date = map(int, match.groups())
    shifted = year - (month < _MARCH)
    era, of_era = divmod(shifted, _YEARS_PER_ERA)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + date - 1
    number = era * _DAYS_PER_ERA + of_era * 365 + of_era // 4 - of_era // 100 + of_year
    number -= _DAYS_TO_1970
    if not year or day_named(number) != day:
        raise ValueError(f"{day!r} is no day of the calendar")
    return number


def day_named(number: int) -> str:
    """Name the day that many days after 1970-01-01."""
    era, of_era = divmod(number + _DAYS_TO_1970, _DAYS_PER_ERA)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    date = of_year - (153 * shifted + 2) // 5 + 1
    month = (shifted + 2) % 12 + 1
    return f"{era * _YEARS_PER_ERA + year + (month < _MARCH):04}-{month:02}-{date:02}"


def is_weekend(day: str) -> bool:
    """Tell Saturday and Sunday."""
    return (day_number(day) + _FIRST_WEEKDAY) % _WEEK >= _SATURDAY


def minute_of(text: str) -> int:
    """
    Read `09:30` as minutes after midnight.

    Raises:
        ValueError: it is no time of day in that form.

    """
    match = _MINUTE.fullmatch(text)
    if match is None:
        raise ValueError(f"{shown(text)} is no time of day; write 09:30")
    return int(match[1]) * 60 + int(match[2])


def instant_ns(day: str, minute: int) -> int:
    """Give the instant of a local time."""
    return day_number(day) * _NS_PER_DAY + minute * _NS_PER_MINUTE - _AHEAD_NS


def day_of(at_ns: int) -> str:
    """Name the day that it is in Istanbul."""
    return day_named((at_ns + _AHEAD_NS) // _NS_PER_DAY)


def local_text(at_ns: int) -> str:
    """Write an instant as Istanbul's clocks show it: `2026-10-28T12:45:00+03:00`."""
    return f"{_clock_text(at_ns + _AHEAD_NS)}+03:00"


def utc_text(at_ns: int) -> str:
    """Write an instant as `2026-10-28T09:45:00Z`."""
    return f"{_clock_text(at_ns)}Z"


def _clock_text(shifted_ns: int) -> str:
    number, rest_ns = divmod(shifted_ns, _NS_PER_DAY)
    minutes, seconds = divmod(rest_ns // _NS_PER_S, 60)
    return f"{day_named(number)}T{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
