"""
What `spark session` does: calendar, overrides and hours, put together for one moment.
"""

from dataclasses import dataclass
from typing import Final

from spark.clock import SystemClock
from spark.events import Session
from spark.exchanges.bist.child import ask_calendar
from spark.exchanges.bist.days import day_of
from spark.exchanges.bist.sessions import (
    PlannedDay,
    next_session,
    plan,
    read_hours,
    session_at,
    sessions_of,
)
from spark.producers.bist_watch import announced
from spark.settings import read_settings

#: The longest pause of the exchange is 9 days; an announced one may be longer.
_AHEAD_DAYS: Final = 45


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """One moment at the exchange."""

    at_ns: int
    today: PlannedDay
    #: The session that holds; None when closed.
    now: Session | None
    opens_ns: int | None
    closes_ns: int | None
    #: The days that were asked for.
    days: tuple[PlannedDay, ...]


async def look(at_ns: int | None, *, days: int) -> Outlook:
    """
    Look at a moment, now by default, and list so many days from it on.

    Raises:
        SettingError: hours or overrides are wrong.
        CalendarUnavailable: the calendar did not answer.

    """
    settings = read_settings().bist
    hours = read_hours(settings.opens, settings.closes, settings.half_day_closes)
    overrides = announced(settings.overrides)
    moment_ns = SystemClock().wall_ns() if at_ns is None else at_ns
    calendar = await ask_calendar(day_of(moment_ns), max(days, 1) + _AHEAD_DAYS)
    planned = plan(calendar, overrides, hours)
    sessions = sessions_of(planned)
    now = session_at(sessions, moment_ns)
    ahead = next_session(sessions, moment_ns)
    ends = now or ahead
    return Outlook(
        at_ns=moment_ns,
        today=planned[0],
        now=now,
        opens_ns=None if ahead is None else ahead.opens_ns,
        closes_ns=None if ends is None else ends.closes_ns,
        days=planned[:days],
    )
