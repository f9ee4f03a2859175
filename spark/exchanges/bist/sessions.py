"""
Sessions: calendar, announced exceptions and hours merged; and which one holds now.

A session holds from its opening on and no longer at its close. Whatever is not known
to be open is closed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from spark.errors import SettingError
from spark.events import Session
from spark.exchanges.bist.days import instant_ns, minute_of

OVERRIDDEN: Final = "override"
FROM_CALENDAR: Final = "calendar"


class DayKind(StrEnum):
    """What a day is to the exchange."""

    FULL = "full"
    HALF = "half"
    CLOSED = "closed"
    #: The calendar does not reach as far.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """One day as the calendar has it."""

    day: str
    kind: DayKind
    #: The holiday, `weekend`, or why it is not known; empty for an ordinary day.
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One day as the exchange announced it; minutes after midnight, None when closed."""

    day: str
    hours: tuple[int, int] | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When sessions begin and end, minutes after midnight in Istanbul."""

    opens: int
    closes: int
    half_day_closes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDay:
    """What is planned for a day, and why."""

    day: str
    kind: DayKind
    why: str
    #: `override` or `calendar`.
    source: str
    session: Session | None


def read_hours(opens: str, closes: str, half_day_closes: str) -> Hours:
    """
    Read three times of day, `09:30`.

    Raises:
        SettingError: one is no time of day, or they are not in their order.

    """
    try:
        hours = Hours(
            opens=minute_of(opens),
            closes=minute_of(closes),
            half_day_closes=minute_of(half_day_closes),
        )
    except ValueError as error:
        raise SettingError(f"hours of BIST: {error}") from None
    if not hours.opens < hours.half_day_closes <= hours.closes:
        raise SettingError(
            f"hours of BIST: SPARK_BIST_OPEN={opens}, SPARK_BIST_HALF_DAY_CLOSE={half_day_closes} "
            f"and SPARK_BIST_CLOSE={closes} must follow one another in this order"
        )
    return hours


def plan(
    calendar: Iterable[CalendarDay], overrides: Iterable[Override], hours: Hours
) -> tuple[PlannedDay, ...]:
    """Merge: what the exchange announced wins over the calendar, for its day whole."""
    announced = {one.day: one for one in overrides}
    return tuple(_planned(day, announced.get(day.day), hours) for day in calendar)


def sessions_of(planned: Iterable[PlannedDay]) -> tuple[Session, ...]:
    """List the sessions of a plan."""
    return tuple(one.session for one in planned if one.session is not None)


def session_at(sessions: Iterable[Session], now_ns: int) -> Session | None:
    """Find the session that holds; None when the exchange is closed."""
    return next((one for one in sessions if one.opens_ns <= now_ns < one.closes_ns), None)


def next_session(sessions: Sequence[Session], now_ns: int) -> Session | None:
    """Find the first session that opens later than now; None where none is known."""
    later = [one for one in sessions if one.opens_ns > now_ns]
    return min(later, key=lambda one: one.opens_ns, default=None)


def next_open(sessions: Sequence[Session], now_ns: int) -> int | None:
    """Give the next opening, later than now; None where none is known."""
    session = next_session(sessions, now_ns)
    return None if session is None else session.opens_ns


def _planned(day: CalendarDay, override: Override | None, hours: Hours) -> PlannedDay:
    if override is None:
        return PlannedDay(
            day=day.day,
            kind=day.kind,
            why=day.name,
            source=FROM_CALENDAR,
            session=_session(day.day, _hours_of(day.kind, hours)),
        )
    return PlannedDay(
        day=day.day,
        kind=_kind(override, hours),
        why=override.reason,
        source=OVERRIDDEN,
        session=_session(day.day, override.hours),
    )


def _hours_of(kind: DayKind, hours: Hours) -> tuple[int, int] | None:
    match kind:
        case DayKind.FULL:
            return hours.opens, hours.closes
        case DayKind.HALF:
            return hours.opens, hours.half_day_closes
        case DayKind.CLOSED | DayKind.UNKNOWN:
            return None


def _kind(override: Override, hours: Hours) -> DayKind:
    if override.hours is None:
        return DayKind.CLOSED
    return DayKind.HALF if override.hours[1] < hours.closes else DayKind.FULL


def _session(day: str, hours: tuple[int, int] | None) -> Session | None:
    if hours is None:
        return None
    opens, closes = hours
    return Session(day=day, opens_ns=instant_ns(day, opens), closes_ns=instant_ns(day, closes))
