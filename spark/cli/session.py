"""
`spark session`: when an exchange that closes is open, and why.
"""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Annotated, Final

import typer

from spark.cli.output import JsonOption, print_json, print_line
from spark.names import Venue

if TYPE_CHECKING:
    from spark.cli.session_desk import Outlook
    from spark.events import Session
    from spark.exchanges.bist.sessions import PlannedDay

app = typer.Typer(no_args_is_help=True, help="When an exchange that closes is open.")

_ISTANBUL: Final = timezone(timedelta(hours=3))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NS_MAX: Final = 2**63 - 1
_NS_PER_US: Final = 1000
_DAYS_MAX: Final = 366


def parse_venue(text: str) -> Venue:
    """
    Read the name of an exchange that has sessions.

    Raises:
        typer.BadParameter: it is another, or none.

    """
    if text.strip().lower() != Venue.BIST:
        raise typer.BadParameter(f"{text!r} has no sessions; BIST alone closes")
    return Venue.BIST


def parse_moment(text: str) -> int:
    """
    Read a moment; without an offset it is Istanbul's time.

    Returns: ns since 1970.

    Raises:
        typer.BadParameter: it is none.

    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no moment; write 2026-10-28T12:45 or 2026-10-28T12:45+03:00"
        ) from None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=_ISTANBUL)) - _EPOCH
    at_ns = since // timedelta(microseconds=1) * _NS_PER_US
    if not 0 <= at_ns <= _NS_MAX:
        raise typer.BadParameter(f"{text!r} is out of reach; a moment lies between 1970 and 2262")
    return at_ns


@app.callback()
def _group() -> None:
    pass


@app.command()
def show(
    venue: Annotated[Venue, typer.Argument(parser=parse_venue, metavar="BIST")],
    *,
    at: Annotated[
        int | None,
        typer.Option(
            parser=parse_moment,
            metavar="MOMENT",
            help="2026-10-28T12:45, Istanbul time unless it has an offset; now by default.",
        ),
    ] = None,
    days: Annotated[int, typer.Option(min=0, max=_DAYS_MAX, help="Days to list from it on.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """
    Say whether the exchange is open at a moment, why, and when that changes.
    """
    from spark.cli.session_desk import look

    outlook = asyncio.run(look(at, days=days))
    if as_json:
        print_json(_object(venue, outlook))
        return
    for line in _lines(venue, outlook):
        print_line(line)


def _lines(venue: Venue, outlook: "Outlook") -> list[str]:
    from spark.exchanges.bist.days import local_text

    state = "open" if outlook.now is not None else "closed"
    return [
        f"{venue.upper()}  {state}  at {local_text(outlook.at_ns)}",
        f"  {_day(outlook.today)}",
        f"  next open   {_moment(outlook.opens_ns)}",
        f"  next close  {_moment(outlook.closes_ns)}",
        *(f"{_day(day)}" for day in outlook.days),
    ]


def _day(day: "PlannedDay") -> str:
    from spark.exchanges.bist.days import local_text

    hours = "closed"
    if day.session is not None:
        opens, closes = local_text(day.session.opens_ns), local_text(day.session.closes_ns)
        hours = f"{opens[11:16]}-{closes[11:16]}"
    why = f"  {day.why}" if day.why else ""
    return f"{day.day}  {hours:<11}  {day.kind:<7}  by {day.source}{why}"


def _moment(at_ns: int | None) -> str:
    from spark.exchanges.bist.days import local_text, utc_text

    return "not known" if at_ns is None else f"{local_text(at_ns)}  {utc_text(at_ns)}"


def _object(venue: Venue, outlook: "Outlook") -> dict[str, object]:
    return {
        "venue": str(venue),
        "at": _both(outlook.at_ns),
        "is_open": outlook.now is not None,
        "today": _day_object(outlook.today),
        "session": _session_object(outlook.now),
        "next_open": _both(outlook.opens_ns),
        "next_close": _both(outlook.closes_ns),
        "days": [_day_object(day) for day in outlook.days],
    }


def _day_object(day: "PlannedDay") -> dict[str, object]:
    return {
        "day": day.day,
        "kind": str(day.kind),
        "why": day.why or None,
        "source": day.source,
        "session": _session_object(day.session),
    }


def _session_object(session: "Session | None") -> dict[str, object] | None:
    if session is None:
        return None
    return {
        "day": session.day,
        "opens": _both(session.opens_ns),
        "closes": _both(session.closes_ns),
    }


def _both(at_ns: int | None) -> dict[str, object] | None:
    from spark.exchanges.bist.days import local_text, utc_text

    if at_ns is None:
        return None
    return {"istanbul": local_text(at_ns), "utc": utc_text(at_ns), "ns": at_ns}
