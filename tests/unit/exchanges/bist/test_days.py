"""Istanbul's days and minutes against Python's own dates and the time zone's own data."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.exchanges.bist.days import (
    FIRST_DAY,
    day_named,
    day_number,
    day_of,
    instant_ns,
    is_weekend,
    local_text,
    minute_of,
    utc_text,
)

EPOCH = date(1970, 1, 1)
ISTANBUL = ZoneInfo("Europe/Istanbul")
NS = 1_000_000_000
DAYS = st.dates(date(1, 1, 1), date(9999, 12, 31))


@given(DAYS)
def test_a_day_is_numbered_as_everywhere(day: date) -> None:
    """Day and number are each other's inverse, and the number is Python's."""
    number = (day - EPOCH).days
    assert day_number(day.isoformat()) == number
    assert day_named(number) == day.isoformat()
    assert is_weekend(day.isoformat()) == (day.isoweekday() > 5)


@pytest.mark.parametrize(
    "text",
    ["", "2026-2-28", "2026-02-29", "2026-13-01", "2026-00-10", "2026-04-31", "0000-01-01",
     "2026-10-28 ", "20261028", "2026\u0661-10-28"],
)  # fmt: skip
def test_what_is_no_day_is_refused(text: str) -> None:
    """A day that does not exist, or is written otherwise, is no day."""
    with pytest.raises(ValueError, match="is no day"):
        day_number(text)


@given(st.integers(0, 23), st.integers(0, 59))
def test_a_minute_is_read(hour: int, minute: int) -> None:
    """Each minute of the day has one spelling."""
    assert minute_of(f"{hour:02}:{minute:02}") == hour * 60 + minute


@pytest.mark.parametrize("text", ["24:00", "9:30", "09:60", "0930", "09:30:00", "", "-1:00"])
def test_what_is_no_minute_is_refused(text: str) -> None:
    """Another spelling, or a time that no day has, is refused."""
    with pytest.raises(ValueError, match="no time of day"):
        minute_of(text)


def test_istanbul_is_three_hours_ahead_all_year() -> None:
    """B7: no summer time; noon of every covered day is 09:00 UTC, in summer and in winter."""
    first = day_number(FIRST_DAY)
    for number in range(first, day_number("2049-12-31") + 1):
        day = day_named(number)
        noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ISTANBUL)
        assert noon.utcoffset() == timedelta(hours=3)
        assert instant_ns(day, 12 * 60) == int(noon.timestamp()) * NS


@given(st.integers(1_483_218_000, 4_000_000_000), st.integers(0, NS - 1))
def test_an_instant_is_written_as_clocks_show_it(at_s: int, rest_ns: int) -> None:
    """The text in Istanbul and in UTC, and the day, are those of the time zone's data."""
    at_ns = at_s * NS + rest_ns
    there = datetime.fromtimestamp(at_s, ISTANBUL)
    assert local_text(at_ns) == there.isoformat()
    assert day_of(at_ns) == there.date().isoformat()
    assert utc_text(at_ns) == datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
