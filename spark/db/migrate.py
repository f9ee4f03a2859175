"""
Plain-SQL migrations: each file once, in order, and never changed after it was applied.

Every file runs in one transaction under one lock, together with the note that it
ran, so a migration is there whole or not at all and two at once do no harm.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from spark.db.pool import Database, Transaction
from spark.errors import IntegrityError, SettingError

DIRECTORY: Final = Path(__file__).with_name("migrations")
_NAME: Final = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The digest that is noted when it is applied."""
        return sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class MigrationState:
    """One migration of this version of Spark, and when the database got it."""

    version: int
    name: str
    applied_at: datetime | None


def read_migrations(directory: Path = DIRECTORY) -> tuple[Migration, ...]:
    """
    Read the files in order; their numbers are dense from 1.
    """
    found = []
    for path in sorted(directory.iterdir()):
        match = _NAME.fullmatch(path.name)
        assert match, f"{path.name} is not called NNNN_name.sql"
        found.append(Migration(int(match["version"]), match["name"], path.read_text("utf-8")))
    assert [m.version for m in found] == list(range(1, len(found) + 1)), "a number is missing"
    return tuple(found)


async def migrate(
    database: Database, migrations: Sequence[Migration] | None = None
) -> tuple[Migration, ...]:
    """
    Apply what is missing; harmless to repeat.

    Returns: what was applied now.

    Raises:
        IntegrityError: an applied file was changed, or the database has one that
            this version of Spark does not know.
        SettingError: a role or a right is missing; the text says which.

    """
    known = read_migrations() if migrations is None else tuple(migrations)
    applied: list[Migration] = []
    while True:
        async with database.transaction() as transaction:
            await transaction.execute("migration_lock")
            done = len(_checked(known, await _applied(transaction)))
            if done == len(known):
                return tuple(applied)
            await _apply(transaction, known[done])
            applied.append(known[done])


async def status(database: Database) -> tuple[MigrationState, ...]:
    """
    Say which migrations the database has.

    Raises:
        IntegrityError: as `migrate`.

    """
    known = read_migrations()
    async with database.transaction() as transaction:
        done = _checked(known, await _applied(transaction))
    times: list[datetime | None] = [at for *_, at in done]
    times += [None] * (len(known) - len(done))
    return tuple(MigrationState(m.version, m.name, at) for m, at in zip(known, times, strict=True))


async def require_current(database: Database) -> None:
    """
    Refuse to work on tables of another version; every process asks at its start.

    Raises:
        SettingError: migrations are missing.
        IntegrityError: as `migrate`.

    """
    missing = [state for state in await status(database) if state.applied_at is None]
    if missing:
        raise SettingError(
            f"the database lacks migration {missing[0].version:04d}_{missing[0].name}"
            f" and {len(missing) - 1} more: run `spark db migrate`"
        )


async def seed(database: Database) -> int:
    """
    Put in what a first look needs: the local operator and the demo strategy.

    Returns: how many rows were new.
    """
    async with database.transaction() as transaction:
        await transaction.execute("act_as_owner")
        users = await transaction.execute("seed_user")
        code = "spark.strategies.examples.demo"
        return users + await transaction.execute("seed_strategy", {"code": code})


_Applied = tuple[int, str, str, datetime]


async def _applied(transaction: Transaction) -> list[_Applied]:
    if not (await transaction.fetch("migrations_exist"))[0][0]:
        return []
    rows = await transaction.fetch("migrations_applied")
    return [(version, name, digest, at) for version, name, digest, at in rows]


async def _apply(transaction: Transaction, migration: Migration) -> None:
    await transaction.script(migration.sql)
    await transaction.execute(
        "migration_note",
        {"version": migration.version, "name": migration.name, "sha256": migration.sha256},
    )


def _checked(known: Sequence[Migration], applied: list[_Applied]) -> list[_Applied]:
    for index, (version, name, digest, _) in enumerate(applied):
        if index >= len(known):
            raise IntegrityError(
                f"the database has migration {version:04d}_{name}, which this version of Spark"
                " does not know; use the version that applied it, or a newer one"
            )
        if (version, digest) != (known[index].version, known[index].sha256):
            raise IntegrityError(
                f"migration {version:04d}_{name} was changed after it was applied;"
                " restore the file and put the change into a new one"
            )
    return applied
