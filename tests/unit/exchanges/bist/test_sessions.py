"""Calendar, overrides and hours merged: at the limit, just under, just over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import SettingError
from spark.events import Session
from spark.exchanges.bist.days import day_named, day_number, instant_ns
from spark.exchanges.bist.sessions import (
    CalendarDay,
    DayKind,
    Hours,
    Override,
    next_open,
    next_session,
    plan,
    read_hours,
    session_at,
    sessions_of,
)

HOURS = read_hours("09:30", "18:00", "12:50")
FULL, HALF, SHUT, DARK = (
    CalendarDay("2026-10-27", DayKind.FULL, ""),
    CalendarDay("2026-10-28", DayKind.HALF, "Republic Day half day"),
    CalendarDay("2026-10-29", DayKind.CLOSED, "Republic Day"),
    CalendarDay("2026-10-30", DayKind.UNKNOWN, "not covered"),
)
WEEK = (FULL, HALF, SHUT, DARK)
MINUTE_NS = 60_000_000_000
FIRST = day_number("2026-01-01")

overrides = st.builds(
    lambda number, pair, closed: Override(
        day=day_named(number),
        hours=None if closed else (min(pair), max(pair) + 1),
        reason="announced",
    ),
    st.integers(FIRST, FIRST + 20),
    st.tuples(st.integers(0, 1438), st.integers(0, 1438)),
    st.booleans(),
)
calendars = st.lists(st.sampled_from(list(DayKind)), max_size=20).map(
    lambda kinds: tuple(
        CalendarDay(day_named(FIRST + number), kind, "") for number, kind in enumerate(kinds)
    )
)


def at(day: str, minute: int) -> int:
    return instant_ns(day, minute)


@pytest.mark.parametrize(
    ("now_ns", "is_open"),
    [
        (at("2026-10-27", 570) - 1, False),
        (at("2026-10-27", 570), True),
        (at("2026-10-27", 570) + 1, True),
        (at("2026-10-27", 770), True),
        (at("2026-10-27", 1080) - 1, True),
        (at("2026-10-27", 1080), False),
        (at("2026-10-28", 570) - 1, False),
        (at("2026-10-28", 570), True),
        (at("2026-10-28", 770) - 1, True),
        (at("2026-10-28", 770), False),
        (at("2026-10-28", 771), False),
        (at("2026-10-29", 720), False),
        (at("2026-10-30", 720), False),
        (at("2026-10-26", 720), False),
    ],
)
def test_a_session_holds_from_its_opening_to_its_close(now_ns: int, *, is_open: bool) -> None:
    """B7: 09:30 to 18:00, half days until 12:50; the opening belongs to it, the close does not."""
    sessions = sessions_of(plan(WEEK, (), HOURS))
    assert (session_at(sessions, now_ns) is not None) is is_open


def test_the_hours_are_a_setting() -> None:
    """The exchange's own hours are a matter of three settings."""
    sessions = sessions_of(plan(WEEK, (), read_hours("10:00", "18:00", "12:30")))
    assert session_at(sessions, at("2026-10-27", 600) - 1) is None
    assert session_at(sessions, at("2026-10-27", 600)) is not None
    assert session_at(sessions, at("2026-10-28", 750) - 1) is not None
    assert session_at(sessions, at("2026-10-28", 750)) is None


@pytest.mark.parametrize(
    ("opens", "closes", "half"),
    [
        ("18:00", "09:30", "12:50"),
        ("09:30", "09:30", "09:30"),
        ("09:30", "18:00", "09:30"),
        ("09:30", "12:00", "12:50"),
        ("9:30", "18:00", "12:50"),
        ("09:30", "24:00", "12:50"),
        ("", "18:00", "12:50"),
    ],
)
def test_hours_that_make_no_sense_are_refused(opens: str, closes: str, half: str) -> None:
    """Doubtful hours are no hours: an error that shows them, never a guess."""
    with pytest.raises(SettingError, match="hours of BIST"):
        read_hours(opens, closes, half)


def test_hours_at_their_limits() -> None:
    """One minute after the opening is enough; a half day may be as long as a whole one."""
    assert read_hours("09:30", "09:31", "09:31") == Hours(
        opens=570, closes=571, half_day_closes=571
    )


@pytest.mark.parametrize("day", WEEK, ids=lambda day: day.kind)
@pytest.mark.parametrize("hours", [None, (600, 660), (0, 1439)])
def test_an_override_wins(day: CalendarDay, hours: tuple[int, int] | None) -> None:
    """What was announced replaces the calendar's day whole, whatever that was."""
    override = Override(day=day.day, hours=hours, reason="announced")
    (planned,) = plan([day], [override], HOURS)
    assert (planned.source, planned.why) == ("override", "announced")
    if hours is None:
        assert planned.session is None
        assert planned.kind is DayKind.CLOSED
    else:
        assert planned.session == Session(
            day=day.day, opens_ns=at(day.day, hours[0]), closes_ns=at(day.day, hours[1])
        )


def test_an_override_of_another_day_changes_nothing() -> None:
    """A day is changed by its own line alone."""
    override = Override(day="2026-10-26", hours=(0, 1439), reason="announced")
    assert plan(WEEK, [override], HOURS) == plan(WEEK, (), HOURS)


@pytest.mark.parametrize(
    ("now_ns", "opens"),
    [
        (at("2026-10-26", 0), "2026-10-27"),
        (at("2026-10-27", 570) - 1, "2026-10-27"),
        (at("2026-10-27", 570), "2026-10-28"),
        (at("2026-10-28", 570) - 1, "2026-10-28"),
        (at("2026-10-28", 570), None),
        (at("2026-10-30", 600), None),
    ],
)
def test_the_next_opening(now_ns: int, opens: str | None) -> None:
    """It is later than now, and nothing where no session is known."""
    sessions = sessions_of(plan(WEEK, (), HOURS))
    assert next_open(sessions, now_ns) == (None if opens is None else at(opens, 570))


@given(calendars, st.lists(overrides, max_size=5), st.integers(-2, 25 * 24 * 60), st.data())
def test_outside_of_every_session_it_is_closed(
    calendar: tuple[CalendarDay, ...],
    announced: list[Override],
    minute: int,
    data: st.DataObject,
) -> None:
    """Open means inside a session of a full or half day, or of an override; nothing else."""
    now_ns = at("2026-01-01", 0) + minute * MINUTE_NS + data.draw(st.sampled_from([-1, 0, 1]))
    planned = plan(calendar, announced, HOURS)
    held = session_at(sessions_of(planned), now_ns)
    inside = [
        one.session
        for one in planned
        if one.session is not None and one.session.opens_ns <= now_ns < one.session.closes_ns
    ]
    assert ([] if held is None else [held]) == inside
    words = {one.day: one for one in announced}
    for one in planned:
        if one.day in words:
            assert (one.session is None) is (words[one.day].hours is None)
        else:
            assert (one.session is None) is (one.kind in {DayKind.CLOSED, DayKind.UNKNOWN})
    later = next_session(sessions_of(planned), now_ns)
    assert later is None or later.opens_ns > now_ns
