"""
The calendar library behind a pipe: `python -m spark.exchanges.bist.calendar DAY COUNT`.

Prints one JSON object and ends. Nothing imports it: the library brings pandas, whose
weight no process that stays should carry (runbook/decisions/0012-bist-calendar.md).
"""

import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from exchange_calendars import exchange_calendar_xist as xist

from spark.exchanges.bist.days import FIRST_DAY, day_named, day_number, is_weekend
from spark.exchanges.bist.sessions import DayKind

DAYS_MAX: Final = 3_700
#: The library wants a span that holds sessions; the longest pause is far shorter.
_MARGIN_DAYS: Final = 30
_ORDINARY: Final = ""
_UNNAMED: Final = "closed by the exchange"
_FITR: Final = "Eid al-Fitr (Ramazan)"
_ADHA: Final = "Eid al-Adha (Kurban)"


def known_until() -> str:
    """
    Name the last day that the library knows.

    It answers for any later year too, but as if that had no religious holidays: its
    tables of them end, and whichever ends first is the end of what it knows.
    """
    ends = (xist.EidAlFitr3.max(), xist.EidAlAdha4.max())
    return str(min(ends).date())


def calendar_days(first_day: str, count: int) -> Iterator[dict[str, str]]:
    """Describe days one by one: what each is, and the name of what makes it so."""
    first = day_number(first_day)
    last_known = known_until()
    # Beyond what it knows the library would answer all the same, or find no session at all.
    asked = min(max(first, day_number(FIRST_DAY)), day_number(last_known))
    calendar = xist.XISTExchangeCalendar(
        start=day_named(asked - _MARGIN_DAYS), end=day_named(asked + count + _MARGIN_DAYS)
    )
    sessions = {str(one.date()) for one in calendar.sessions}
    halves = {str(one.date()) for one in calendar.early_closes}
    names = _names(calendar)
    for number in range(first, first + count):
        day = day_named(number)
        if not FIRST_DAY <= day <= last_known:
            why = f"the calendar covers {FIRST_DAY} to {last_known}"
            kind = DayKind.UNKNOWN
        elif day in sessions:
            kind = DayKind.HALF if day in halves else DayKind.FULL
            why = names.get(day, _ORDINARY) if day in halves else _ORDINARY
        else:
            kind = DayKind.CLOSED
            why = names.get(day, "weekend" if is_weekend(day) else _UNNAMED)
        yield {"day": day, "kind": kind.value, "name": why}


def _names(calendar: Any) -> dict[str, str]:  # noqa: ANN401  (the library carries no types)
    names: dict[str, str] = {}
    first, last = calendar.first_session, calendar.last_session
    for holidays in (calendar.regular_holidays, *(days for _, days in calendar.special_closes)):
        found = holidays.holidays(start=first, end=last, return_name=True)
        names.update({str(day.date()): str(name) for day, name in found.items()})
    for feast, eve, days in (
        (_FITR, xist.DayBeforeEidAlFitr, (xist.EidAlFitr1, xist.EidAlFitr2, xist.EidAlFitr3)),
        (
            _ADHA,
            xist.DayBeforeEidAlAdha,
            (xist.EidAlAdha1, xist.EidAlAdha2, xist.EidAlAdha3, xist.EidAlAdha4),
        ),
    ):
        # A national holiday on the eve of a feast keeps its own name: it closes the whole day.
        for day in eve:
            names.setdefault(str(day.date()), f"eve of {feast}")
        for number, table in enumerate(days, 1):
            names.update({str(day.date()): f"{feast}, day {number}" for day in table})
    return names


def main(arguments: list[str]) -> None:
    """Answer one question."""
    first_day, count = arguments[0], int(arguments[1])
    if not 0 < count <= DAYS_MAX:
        raise SystemExit(f"{count} days; at least 1, at most {DAYS_MAX}")
    answer = {"known_until": known_until(), "days": list(calendar_days(first_day, count))}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
