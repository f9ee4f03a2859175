"""
What `spark db rebuild` and `spark db compare` do on a running stack.
"""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from spark.bus.port import Bus
from spark.cli.attach import attach
from spark.cli.database import database_url
from spark.cli.progress import Bar
from spark.db.pool import WHOLE_TABLES_S_MAX, Database
from spark.embedded.roles import MIGRATE
from spark.metrics import Metrics
from spark.ops.rebuild import Compared, Rebuilt, TableCompared, compare, rebuild
from spark.settings import read_settings


@asynccontextmanager
async def open_database() -> AsyncIterator[Database]:
    """
    Connect as the role that migrates.

    Raises:
        NotRunningError: no database is set and no stack runs.

    """
    database = Database(
        database_url(MIGRATE),
        name="spark db",
        settings=read_settings().database,
        metrics=Metrics("db"),
        answer_s_max=WHOLE_TABLES_S_MAX,
    )
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def rebuild_tables() -> Rebuilt:
    """
    Make the projected tables anew.

    Raises:
        NotRunningError: no stack runs.

    """
    async with _log() as bus, open_database() as database:
        with Bar("rebuild", "records") as bar:
            return await rebuild(bus, database, bar.move)


async def compare_tables() -> Compared:
    """
    Compare the projected tables with the topics.

    Raises:
        NotRunningError: no stack runs.

    """
    async with _log() as bus, open_database() as database:
        with Bar("compare", "records") as bar:
            return await compare(bus, database, bar.move)


def first_difference(tables: Iterable[TableCompared]) -> str | None:
    """Say of the first row that differs what is in the table and what the topics have."""
    for table in tables:
        if not table.differing:
            continue
        kept, rebuilt = _row(table.kept), _row(table.rebuilt)
        if not kept or not rebuilt:
            lacks = "the table lacks" if rebuilt else "the topics do not have"
            return f"{table.name}: {lacks} {table.rebuilt or table.kept}"
        parts = [
            f"{name} is {kept[name]}, the topics have {rebuilt[name]}"
            for name in kept
            if kept[name] != rebuilt[name]
        ]
        same = [f"{name} {kept[name]}" for name in list(kept)[:2] if kept[name] == rebuilt[name]]
        return f"{table.name} {', '.join(same)}: {'; '.join(parts)}"
    return None


def _row(text: str | None) -> dict[str, object]:
    row: dict[str, object] = json.loads(text, parse_float=str, parse_int=str) if text else {}
    return row


@asynccontextmanager
async def _log() -> AsyncIterator[Bus]:
    bus = attach().bus()
    try:
        yield bus
    finally:
        await bus.close()
