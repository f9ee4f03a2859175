"""The calendar library, asked in its child: what it must know, and where it ends."""

import sys

import pytest

from spark.errors import CalendarUnavailable
from spark.exchanges.bist.child import ask_calendar
from spark.exchanges.bist.days import is_weekend
from spark.exchanges.bist.sessions import DayKind

#: Weekdays on which the exchange does not open.
CLOSED = {
    2023: "02-08 02-09 02-10 02-13 02-14 04-21 05-01 05-19 06-28 06-29 06-30 08-30",
    2024: "01-01 04-10 04-11 04-12 04-23 05-01 06-17 06-18 06-19 07-15 08-30 10-29",
    2025: "01-01 03-31 04-01 04-23 05-01 05-19 06-06 06-09 07-15 10-29",
    2026: "01-01 03-20 04-23 05-01 05-19 05-27 05-28 05-29 07-15 10-29",
    2027: "01-01 03-09 03-10 03-11 04-23 05-17 05-18 05-19 07-15 08-30 10-29",
}
#: Weekdays on which it closes at noon.
HALF = {
    2023: "04-20 06-27",
    2024: "04-09 10-28",
    2025: "06-05 10-28",
    2026: "03-19 05-26 10-28",
    2027: "03-08 10-28",
}


def listed(table: dict[int, str], year: int) -> set[str]:
    return {f"{year}-{day}" for day in table[year].split()}


@pytest.mark.parametrize("year", sorted(HALF))
async def test_the_calendar_knows_the_year(year: int) -> None:
    """B7: national and religious holidays and the half days before them, weekday by weekday."""
    days = await ask_calendar(f"{year}-01-01", 366 if year == 2024 else 365)
    assert days[-1].day == f"{year}-12-31"
    weekdays = [day for day in days if not is_weekend(day.day)]
    assert {day.day for day in weekdays if day.kind is DayKind.CLOSED} == listed(CLOSED, year)
    assert {day.day for day in days if day.kind is DayKind.HALF} == listed(HALF, year)
    weekend = [day for day in days if is_weekend(day.day)]
    assert {day.kind for day in weekend} == {DayKind.CLOSED}
    assert all(day.name for day in days if day.kind is not DayKind.FULL)


async def test_holidays_have_their_names() -> None:
    """Why a day is closed can be read, not guessed."""
    names = {day.day: day.name for day in await ask_calendar("2026-01-01", 365)}
    assert names["2026-03-19"] == "eve of Eid al-Fitr (Ramazan)"
    assert names["2026-03-20"] == "Eid al-Fitr (Ramazan), day 1"
    assert names["2026-05-29"] == "Eid al-Adha (Kurban), day 3"
    assert names["2026-07-15"] == "Democracy and National Unity Day"
    assert names["2026-10-28"] == "Republic Day half day"
    assert names["2026-10-31"] == "weekend"
    assert names["2026-10-30"] == ""


async def test_an_announced_closure_of_the_past_is_known() -> None:
    """The library carries what was announced: the days after the earthquake of 2023."""
    (day,) = await ask_calendar("2023-02-08", 1)
    assert (day.kind, day.name) == (DayKind.CLOSED, "closed by the exchange")


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ("2049-06-29", DayKind.FULL),
        ("2049-06-30", DayKind.HALF),
        ("2049-07-03", DayKind.CLOSED),
        ("2049-07-04", DayKind.UNKNOWN),
        ("2049-07-05", DayKind.UNKNOWN),
        ("2060-01-04", DayKind.UNKNOWN),
        ("2017-01-01", DayKind.CLOSED),
        ("2017-01-02", DayKind.FULL),
        ("2016-12-30", DayKind.UNKNOWN),
        ("1970-01-02", DayKind.UNKNOWN),
    ],
)
async def test_where_the_library_ends_nothing_is_known(day: str, kind: DayKind) -> None:
    """Past the last religious holiday of its tables every day is unknown, with a reason."""
    (found,) = await ask_calendar(day, 1)
    assert found.kind is kind
    if kind is DayKind.UNKNOWN:
        assert found.name == "the calendar covers 2017-01-01 to 2049-07-03"


@pytest.mark.parametrize(("day", "count"), [("2026-13-01", 1), ("2026-01-01", 0), ("", 1)])
async def test_a_child_that_fails_is_one_error(day: str, count: int) -> None:
    """What the child cannot answer comes back as one line, for the caller to try again."""
    with pytest.raises(CalendarUnavailable, match="failed: "):
        await ask_calendar(day, count)


async def test_asking_brings_no_pandas_here() -> None:
    """The library's weight stays in the child, which has ended when the answer is there."""
    await ask_calendar("2026-01-01", 1)
    assert not {"pandas", "numpy", "exchange_calendars"} & sys.modules.keys()
