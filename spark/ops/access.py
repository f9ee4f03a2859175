"""
Who may do what, as cells: what the tables say against what was found by trying.

A cell that was not tried, or whose answer is neither yes nor no, matches nothing. So
does one that was found and that no table has.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

#: A report names so many of what differs; the number of all is beside them.
_SHOWN_MAX: Final = 1_000


class Part(StrEnum):
    """The three tables."""

    KAFKA = "kafka"
    DATABASE = "database"
    MACHINE = "machine"


class Cell(NamedTuple):
    """Somebody, something of a kind, and what would be done with it."""

    who: str
    kind: str
    name: str
    operation: str


class Found(StrEnum):
    """What became of an attempt; whatever else was answered is shown as it is."""

    ALLOWED = "allowed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One cell that is not as it should be."""

    cell: Cell
    expected: str
    found: str

    def shown(self) -> dict[str, str]:
        """Give it for `--json`."""
        return {**self.cell._asdict(), "expected": self.expected, "found": self.found}


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """One table, walked."""

    cells: int
    allowed: int
    forbidden: int
    mismatches: tuple[Mismatch, ...]
    #: Why it was not walked; empty where it was.
    skipped: str = ""

    @property
    def is_as_declared(self) -> bool:
        """Say whether nothing differs; what was not walked does not differ either."""
        return not self.mismatches

    def shown(self) -> dict[str, object]:
        """Give it for `--json`."""
        counts: dict[str, object] = {
            "cells": self.cells,
            "allowed": self.allowed,
            "forbidden": self.forbidden,
            "mismatches": [one.shown() for one in self.mismatches[:_SHOWN_MAX]],
        }
        return counts | ({"skipped": self.skipped} if self.skipped else {})


def skipped(reason: str) -> Walked:
    """Say why a table was not walked."""
    return Walked(cells=0, allowed=0, forbidden=0, mismatches=(), skipped=reason)


def compared(table: Mapping[Cell, bool], found: Mapping[Cell, str]) -> Walked:
    """
    Compare cell by cell.

    Args:
        table: what each may (True) and may not.
        found: what became of each attempt, in the words of Found or others.

    """
    differing = [
        Mismatch(cell, _word(is_allowed), found.get(cell, "not tried"))
        for cell, is_allowed in table.items()
        if found.get(cell) != _word(is_allowed)
    ]
    differing += [
        Mismatch(cell, "not in the table", answer)
        for cell, answer in found.items()
        if cell not in table
    ]
    allowed = sum(table.values())
    return Walked(
        cells=len(table),
        allowed=allowed,
        forbidden=len(table) - allowed,
        mismatches=tuple(sorted(differing, key=lambda one: one.cell)),
    )


def by_row(cells: Iterable[Cell]) -> dict[tuple[str, str, str], list[str]]:
    """Gather names by who, kind and operation: what one request can ask for together."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for cell in cells:
        rows.setdefault((cell.who, cell.kind, cell.operation), []).append(cell.name)
    return rows


def _word(is_allowed: bool) -> str:  # noqa: FBT001  (one cell of a table)
    return Found.ALLOWED if is_allowed else Found.REFUSED
