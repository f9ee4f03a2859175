"""
What the audit commands do on a running stack, or on an exported copy.
"""

import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Final

from spark.audit import Report
from spark.audit_anchor import Outside
from spark.audit_keys import AuditKeys
from spark.bus.port import Bus
from spark.cli.attach import Attached, attach, homes
from spark.cli.audit_venue import against_venues
from spark.cli.db_desk import open_database
from spark.cli.progress import Bar
from spark.embedded.home import Home
from spark.errors import NotRunningError, SettingError
from spark.ops import audit_reader
from spark.ops.audit_explain import Life, explain, intent_of
from spark.ops.audit_reader import NumberedLine
from spark.ops.audit_venue import Held

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """What a trail is compared with beside its own signatures."""

    #: The auditor's public keys; None are the running stack's.
    key: Path | None
    #: Files of anchors and receipts; None is the running stack's own, where it can be read.
    anchors: Path | None
    witness_key: Path | None

    def keys(self, home: Callable[[], Home]) -> AuditKeys:
        """Read what was named, or what is public in a stack's home; raises a SettingError."""
        if self.key is None:
            return audit_reader.keys_in(home().public)
        return audit_reader.read_keys(self.key)

    def outside(self, keys: AuditKeys, own: Path | None = None) -> Outside:
        """
        Read what is known beside the trail.

        Raises:
            IntegrityError: a file contradicts itself.
            SettingError: one that was asked for cannot be read.

        """
        witness = audit_reader.read_witness(self.witness_key)
        if self.anchors is not None:
            return audit_reader.read_anchors(self.anchors, keys.is_signed, witness)
        if own is not None and os.access(own, os.R_OK):
            return audit_reader.read_anchors(own, keys.is_signed, witness)
        return Outside()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a verification of a running stack found."""

    report: Report
    #: Records of the log that were compared with the trail; None where that was not asked.
    compared: int | None = None
    #: Of each account whose exchange was asked.
    held: tuple[Held, ...] = ()


async def verify_running(
    proofs: Proofs, *, has_table: bool, is_deep: bool, is_against_venue: bool
) -> Verified:
    """
    Verify the running stack's trail.

    Raises:
        IntegrityError: it does not hold.
        NotRunningError: no stack runs.
        VenueUnavailable: an exchange that was to be asked gives no answer.

    """
    async with _trail() as (attached, bus):
        keys = proofs.keys(lambda: attached.home)
        own = attached.settings.audit.anchors_file or attached.home.anchors_file()
        # What stands outside is read first: the trail only grows meanwhile.
        outside = proofs.outside(keys, own)
        if has_table:
            await _add_table(outside)
        with Bar("chain", "records") as bar:
            report = await audit_reader.verify_log(bus, keys.is_signed, bar.move, outside=outside)
        if not is_deep and not is_against_venue:
            return Verified(report=report)
        # Before an exchange is heard: what it is held against is the log that was audited.
        with Bar("log", "records") as bar:
            compared = await audit_reader.compare_with_log(bus, bar.move)
        held = await against_venues(attached, bus) if is_against_venue else []
        return Verified(report=report, compared=compared, held=tuple(held))


def verify_exported(file: Path, proofs: Proofs) -> Report:
    """
    Verify a copy; no stack has to run.

    Raises:
        IntegrityError: it does not hold.
        SettingError: the file or the key cannot be read.

    """
    keys = proofs.keys(lambda: homes()[1])
    return audit_reader.verify_file(file, keys.is_signed, proofs.outside(keys))


async def _add_table(outside: Outside) -> None:
    async with open_database() as database, database.transaction() as transaction:
        rows = await transaction.fetch("audit_anchors_all")
    for size, witness, record, body in rows:
        if not witness and int(size) not in outside.checkpoints:
            outside.checkpoints[int(size)] = (int(record), str(body).encode())


async def export_running(file: Path, anchors: Path | None) -> int:
    """
    Export the running stack's trail, and its anchors where a file is named for them.

    Returns: how many records the file holds.

    Raises:
        NotRunningError: no stack runs.
        SettingError: the file exists or cannot be written.

    """
    async with _trail() as (attached, bus):
        if anchors is not None:
            own = attached.settings.audit.anchors_file or attached.home.anchors_file()
            copy_file(own, anchors)
        with Bar("export", "records") as bar:
            return await audit_reader.export_trail(bus, file, bar.move)


async def explain_intent(intent_id: str) -> Life:
    """
    Read the whole life of an intent.

    Raises:
        NotRunningError: no stack runs, or nothing is about this id.

    """
    async with _trail() as (_, bus):
        life = await explain(bus, intent_id)
    if life is None:
        raise NotRunningError(f"nothing on the log is about {intent_id}")
    return life


async def find_intent(name: str) -> str:
    """Find the intent behind a client order id, or take it for one."""
    async with _trail() as (_, bus):
        return await intent_of(bus, name)


def copy_file(source: Path, target: Path) -> None:
    """
    Copy a file of anchors.

    Raises:
        SettingError: it cannot be read, or the copy cannot be written or exists.

    """
    try:
        with source.open("rb") as found, target.open("xb") as copy:
            shutil.copyfileobj(found, copy)
    except OSError as error:
        raise SettingError(f"{error.filename}: {error.strerror}") from None


@asynccontextmanager
async def _trail() -> AsyncIterator[tuple[Attached, Bus]]:
    attached = attach()
    bus = attached.bus()
    try:
        yield attached, bus
    finally:
        await bus.close()
