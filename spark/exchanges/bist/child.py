"""
Asks the calendar in a short child process, so that no process that stays grows by it.
"""

import asyncio
import sys
from contextlib import suppress
from typing import Any, Final

import orjson

from spark.errors import CalendarUnavailable
from spark.exchanges.bist.sessions import CalendarDay, DayKind

_PROGRAM: Final = "spark.exchanges.bist.calendar"
_ANSWER_S_MAX: Final = 60.0
#: The child computes dates alone: nothing of ours is its business, and one thread will do.
_ENVIRONMENT: Final = {"OPENBLAS_NUM_THREADS": "1", "PYTHONUTF8": "1"}
_WHY_CHARS_MAX: Final = 200


async def ask_calendar(first_day: str, count: int) -> tuple[CalendarDay, ...]:
    """
    Ask for so many days from a day on.

    Raises:
        CalendarUnavailable: no child could be started, or it did not answer.

    """
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-m", _PROGRAM, first_day, str(count)),
            env=_ENVIRONMENT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise CalendarUnavailable(f"the calendar of BIST could not be started: {error}") from error
    try:
        async with asyncio.timeout(_ANSWER_S_MAX):
            answer, complaint = await child.communicate()
    except TimeoutError:
        raise CalendarUnavailable(
            f"the calendar of BIST did not answer within {_ANSWER_S_MAX:.0f} s"
        ) from None
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    if child.returncode:
        raise CalendarUnavailable(f"the calendar of BIST failed: {_last_line(complaint)}")
    return _read(answer)


def _read(answer: bytes) -> tuple[CalendarDay, ...]:
    try:
        found: Any = orjson.loads(answer)
        return tuple(
            CalendarDay(str(one["day"]), DayKind(one["kind"]), str(one["name"]))
            for one in found["days"]
        )
    except (ValueError, KeyError, TypeError):
        raise CalendarUnavailable("the calendar of BIST answered nonsense") from None


def _last_line(complaint: bytes) -> str:
    lines = complaint.decode(errors="replace").strip().splitlines()
    return lines[-1][:_WHY_CHARS_MAX] if lines else "without a word"
