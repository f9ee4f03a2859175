"""
`spark doctor`: whether this machine and this stack are fit to trade, check by check.

A check looks at one thing and says what it found; what it cannot look at is a
warning, never a pass. Each finding that is not well carries its remedy.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from spark.errors import SparkError


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    #: Worth knowing; does not fail the doctor.
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, in one line, and what to do about it."""

    level: Level
    text: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at."""

    name: str
    look: Callable[[], Awaitable[list[Finding]]]


@dataclass(frozen=True, slots=True)
class Result:
    """One check's findings."""

    name: str
    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        """The worst of them."""
        levels = {finding.level for finding in self.findings}
        return next((one for one in (Level.FAILURE, Level.WARNING) if one in levels), Level.OK)


def ok(text: str) -> Finding:
    """Say that something is well."""
    return Finding(Level.OK, text)


def warning(text: str, fix: str = "") -> Finding:
    """Say that something is worth knowing."""
    return Finding(Level.WARNING, text, fix)


def failure(text: str, fix: str) -> Finding:
    """Say that something is wrong, and what mends it."""
    return Finding(Level.FAILURE, text, fix)


async def examine(checks: Iterable[Check], each: Callable[[Result], None]) -> list[Result]:
    """
    Look at everything, one thing after the other.

    Args:
        each: told of each result as soon as it is there.

    """
    results = []
    for check in checks:
        try:
            findings = await check.look()
        except SparkError as error:
            findings = [failure(str(error), "see the text")]
        result = Result(check.name, tuple(findings))
        each(result)
        results.append(result)
    return results
