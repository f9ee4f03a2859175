"""
What the audit commands do on a running stack, or on an exported copy.
"""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Final

from spark import keys
from spark.audit import Report
from spark.bus.port import Bus
from spark.cli.attach import Attached, anchor, attach
from spark.cli.progress import Bar
from spark.embedded.home import Home
from spark.embedded.state import read_state
from spark.ops import audit_reader
from spark.ops.audit_reader import NumberedLine
from spark.settings import read_settings

_MS_PER_S: Final = 1000
#: Pages to read for each line wanted: most pages hold few lines, and filters drop many.
_PAGES_PER_LINE: Final = 4
_PAGES_MIN: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which lines are wanted."""

    intent: str
    kind: str
    account: str
    since_s: float | None

    def keep(self, lines: list[NumberedLine]) -> list[NumberedLine]:
        """Keep the wanted ones."""
        since_ms = 0 if self.since_s is None else int((time() - self.since_s) * _MS_PER_S)
        return list(
            audit_reader.matching(
                lines,
                intent=self.intent,
                kind=self.kind,
                account=self.account,
                since_ms=since_ms,
            )
        )


async def latest_lines(count: int, filters: Filters) -> list[NumberedLine]:
    """
    Read the latest lines that are wanted, looking back until there are enough.

    Raises:
        NotRunningError: no stack runs.

    """
    async with _trail() as (_, bus):
        pages = max(_PAGES_MIN, count * _PAGES_PER_LINE)
        while True:
            lines = await audit_reader.tail(bus, pages)
            kept = filters.keep(lines)
            if len(kept) >= count or not lines or lines[0].number == 0:
                return kept[-count:]
            pages *= 4


async def follow_trail(filters: Filters, each: Callable[[NumberedLine], None]) -> None:
    """Hand on new lines as they come, until interrupted."""
    async with _trail() as (_, bus):
        async for line in audit_reader.follow(bus):
            for kept in filters.keep([line]):
                each(kept)
            sys.stdout.flush()


async def verify_running(key: Path | None, *, is_deep: bool) -> tuple[Report, int | None]:
    """
    Verify the running stack's trail.

    Returns: the report, and how many records were compared with the log, if asked.

    Raises:
        IntegrityError: it does not hold.
        NotRunningError: no stack runs.

    """
    async with _trail() as (attached, bus):
        public = audit_reader.read_public_key(key or attached.home.public / keys.AUDIT_PUBLIC)
        with Bar("chain", "records") as bar:
            check = audit_reader.signature_check(public)
            report = await audit_reader.verify_log(bus, check, bar.move)
        if not is_deep:
            return report, None
        with Bar("log", "records") as bar:
            return report, await audit_reader.compare_with_log(bus, bar.move)


def verify_exported(file: Path, key: Path | None) -> Report:
    """
    Verify a copy; no stack has to run.

    Raises:
        IntegrityError: it does not hold.
        SettingError: the file or the key cannot be read.

    """
    if key is None:
        place = Home(anchor(read_settings()))
        state = read_state(place)
        home = place if state is None else Home(state.home)
        key = home.public / keys.AUDIT_PUBLIC
    check = audit_reader.signature_check(audit_reader.read_public_key(key))
    return audit_reader.verify_file(file, check)


async def export_running(file: Path) -> int:
    """
    Export the running stack's trail.

    Returns: how many records the file holds.

    Raises:
        NotRunningError: no stack runs.
        SettingError: the file exists or cannot be written.

    """
    async with _trail() as (_, bus):
        with Bar("export", "records") as bar:
            return await audit_reader.export_trail(bus, file, bar.move)


@asynccontextmanager
async def _trail() -> AsyncIterator[tuple[Attached, Bus]]:
    attached = attach()
    bus = attached.bus()
    try:
        yield attached, bus
    finally:
        await bus.close()
