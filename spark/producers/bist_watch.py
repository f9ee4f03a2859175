"""
BIST watch: says when Borsa Istanbul trades; a task of the venue watch.

Reads   the calendar, in a child process once a day; the file of overrides
Writes  venue.state: the sessions of today and the 14 days after it, at start, every day,
        when the overrides change, and again every few minutes
Owns    nothing
Fails   closed: overrides that cannot be read make the sessions unknown, and the guard
        refuses on that, as it does where nothing was said for too long
"""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from spark.bus.port import Outgoing, Partition, Writer
from spark.clock import Clock
from spark.codec import encode
from spark.errors import CalendarUnavailable, SettingError
from spark.events import SessionsPublished
from spark.exchanges.bist.child import ask_calendar
from spark.exchanges.bist.days import day_of
from spark.exchanges.bist.overrides import FILE_BYTES_MAX, read_overrides
from spark.exchanges.bist.sessions import CalendarDay, Hours, Override, plan, sessions_of
from spark.log import logger
from spark.names import Venue
from spark.topics import VENUE_STATE

#: Today and so many days after it.
DAYS_AHEAD: Final = 14
#: Said again after this: what a reader keeps of the topic's end must hold one of them.
_REPEAT_NS: Final = 600_000_000_000
#: From a child that failed to the next one; each takes half a second of CPU.
_RETRY_NS: Final = 60_000_000_000
_LOOK_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BistWatch:
    """What is known of the exchange's sessions, said on the log."""

    clock: Clock
    hours: Hours
    overrides: Path | None
    #: From one look at the day and the overrides to the next.
    look_s: float = _LOOK_S

    async def watch(self, writer: Writer) -> None:
        """
        Watch until cancelled.

        Raises:
            ExitError: a write failed.

        """
        almanac = _Almanac(self.clock)
        said: SessionsPublished | None = None
        fault = ""
        while True:
            calendar = await almanac.from_today()
            try:
                found = self._planned(calendar, announced(self.overrides))
                why = ""
            except SettingError as error:
                found, why = self._unknown(), str(error)
            if why != fault:
                fault = why
                logger().warning("bist_overrides", is_read=not why, why=why)
            if found is not None and _is_news(found, said):
                out = Outgoing(Partition(VENUE_STATE, 0), Venue.BIST.encode(), encode(found))
                await writer.write([out])
                said = found
            await asyncio.sleep(self.look_s)

    def _planned(
        self, calendar: tuple[CalendarDay, ...], overrides: tuple[Override, ...]
    ) -> SessionsPublished | None:
        if not calendar:
            return None
        return SessionsPublished(
            venue=Venue.BIST,
            sessions=sessions_of(plan(calendar, overrides, self.hours)),
            first_day=calendar[0].day,
            last_day=calendar[-1].day,
            published_ns=self.clock.wall_ns(),
        )

    def _unknown(self) -> SessionsPublished:
        """Cover no day: an announcement that cannot be read may be a closing."""
        return SessionsPublished(
            venue=Venue.BIST,
            sessions=(),
            first_day="",
            last_day="",
            published_ns=self.clock.wall_ns(),
        )


def announced(path: Path | None) -> tuple[Override, ...]:
    """
    Read the file of overrides; without one nothing was announced.

    Raises:
        SettingError: it cannot be read, or is not what it must be.

    """
    if path is None:
        return ()
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise SettingError(f"SPARK_BIST_OVERRIDES={path}: {error.strerror}") from None
    return read_overrides(data, str(path))


class _Almanac:
    """The calendar from today on, asked for once a day."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._days: tuple[CalendarDay, ...] = ()
        self._retry_ns = clock.monotonic_ns()

    async def from_today(self) -> tuple[CalendarDay, ...]:
        """Give the days from today on; yesterday's answer where there is no new one."""
        today = day_of(self._clock.wall_ns())
        is_due = self._clock.monotonic_ns() >= self._retry_ns
        if is_due and (not self._days or self._days[0].day != today):
            try:
                self._days = await ask_calendar(today, 1 + DAYS_AHEAD)
            except CalendarUnavailable as error:
                self._retry_ns = self._clock.monotonic_ns() + _RETRY_NS
                logger().warning("bist_calendar_not_asked", why=str(error))
        return self._days


def _is_news(found: SessionsPublished, said: SessionsPublished | None) -> bool:
    if said is None or found.published_ns - said.published_ns >= _REPEAT_NS:
        return True
    return replace(found, published_ns=said.published_ns) != said
