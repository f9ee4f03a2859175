"""The migrations on a real PostgreSQL."""

import asyncio
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from spark.db import migrate as migrations
from spark.db.migrate import migrate, read_migrations, require_current, seed, status
from spark.db.queries import QUERIES
from spark.db.rights import MIGRATE, TABLES, VERBS, verbs_of
from spark.embedded.postgres_programs import wheel_programs
from spark.embedded.roles import ROLES
from spark.errors import AuthorisationError, DatabaseUnavailable, IntegrityError, SettingError
from tests.database import ask, connected, make_tables, tell
from tests.servers import RunningPostgres

_SCHEMA = Path(migrations.__file__).with_name("schema.sql")
_AUDIT = ("public.audit_log", "public.audit_anchors")


@pytest.fixture
async def migrated(postgres_server: RunningPostgres) -> RunningPostgres:
    await make_tables(postgres_server)
    return postgres_server


@pytest.fixture
def empty(postgres_server: RunningPostgres) -> RunningPostgres:
    postgres_server.recreate_database()
    return postgres_server


def dump(url: str) -> str:
    program = wheel_programs() / "bin" / "pg_dump"
    arguments = ["--schema-only", "--schema=public", "--schema=market", "--schema=reading", url]
    done = subprocess.run([program, *arguments], capture_output=True, check=True, text=True)
    kept = [
        line
        for line in done.stdout.splitlines()
        if not line.startswith(("--", "SET ", "\\", "SELECT pg_catalog.set_config"))
    ]
    return re.sub(r"\n{2,}", "\n\n", "\n".join(kept)).strip() + "\n"


async def test_migrations_make_the_schema_that_is_written_down(
    migrated: RunningPostgres, tmp_path: Path
) -> None:
    """schema.sql, which people read, is what the migrations make: tables, rights and all."""
    found = tmp_path / "schema.sql"
    found.write_text(dump(migrated.superuser_url), encoding="utf-8")

    assert found.read_text() == _SCHEMA.read_text(), f"compare {found} with {_SCHEMA}"


async def test_migrating_again_changes_nothing(empty: RunningPostgres) -> None:
    """Each migration is applied once; `status` says when."""
    async with connected(empty.url("migrate")) as database:
        assert not any(state.applied_at for state in await status(database))
        first = await migrate(database)
        again = await migrate(database)
        states = await status(database)

    assert first == read_migrations()
    assert again == ()
    assert all(state.applied_at is not None for state in states)


async def test_two_at_once_apply_each_migration_once(empty: RunningPostgres) -> None:
    """Fault D4: a lock orders those who migrate at the same time."""
    url = empty.url("migrate")
    async with connected(url) as one, connected(url) as other:
        applied = await asyncio.gather(migrate(one), migrate(other))

    assert sorted(m.version for some in applied for m in some) == [
        m.version for m in read_migrations()
    ]


async def test_a_changed_file_is_found(empty: RunningPostgres) -> None:
    """A migration that was changed after it was applied is an integrity error."""
    known = list(read_migrations())
    async with connected(empty.url("migrate")) as database:
        await migrate(database)
        known[1] = replace(known[1], sql=known[1].sql + "\n-- harmless?\n")
        with pytest.raises(IntegrityError, match="0002_market was changed"):
            await migrate(database, known)


async def test_a_newer_database_is_refused(empty: RunningPostgres) -> None:
    """Fault O6: an old Spark does not work on tables that it does not know."""
    async with connected(empty.url("migrate")) as database:
        await migrate(database)
        with pytest.raises(IntegrityError, match="does not know"):
            await migrate(database, read_migrations()[:-1])


async def test_a_broken_migration_leaves_nothing(empty: RunningPostgres) -> None:
    """A migration and its note are one transaction."""
    known = list(read_migrations())
    known[-1] = replace(known[-1], sql=known[-1].sql + "SELECT no_such_function();")
    async with connected(empty.url("migrate")) as database:
        with pytest.raises(SettingError, match="no_such_function"):
            await migrate(database, known)
        assert len(await migrate(database)) == 1


async def test_a_process_refuses_tables_that_lack_migrations(empty: RunningPostgres) -> None:
    """A process asks at its start, and its error names the remedy."""
    async with connected(empty.url("migrate")) as database:
        await migrate(database, read_migrations()[:-1])
    async with connected(empty.url("feed_writer")) as database:
        with pytest.raises(SettingError, match="run `spark db migrate`"):
            await require_current(database)


async def test_every_query_fits_the_schema(migrated: RunningPostgres) -> None:
    """Each named query can be prepared: its tables, columns and types exist."""
    async with await psycopg.AsyncConnection.connect(migrated.url("migrate")) as connection:
        for query in QUERIES.values():
            if query.sql.startswith("COPY"):
                async with connection.cursor().copy(query.sql):
                    continue
            if query.sql.startswith("SET"):
                await connection.execute(query.sql)
                continue
            names = re.findall(r"%\((\w+)\)s", query.sql)
            sql = query.sql
            for number, name in enumerate(dict.fromkeys(names), 1):
                sql = sql.replace(f"%({name})s", f"${number}")
            await connection.execute(f"PREPARE {query.name} AS {sql}")


async def test_seeding_twice_is_seeding_once(migrated: RunningPostgres) -> None:
    """`spark db seed` may be repeated."""
    async with connected(migrated.url("migrate")) as database:
        assert (await seed(database), await seed(database)) == (2, 0)


async def test_a_role_may_do_exactly_what_its_process_does(migrated: RunningPostgres) -> None:
    """S13: role by role, table by table, verb by verb; nobody but the owner may do more."""
    tables = [
        row[0]
        for row in await ask(
            migrated.superuser_url,
            "SELECT format('%s.%s', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname IN ('public', 'market') ORDER BY 1",
        )
    ]

    assert set(tables) == set(TABLES)
    for principal in set(ROLES) - {MIGRATE}:
        for table in tables:
            pairs = ", ".join(
                f"has_table_privilege('{ROLES[principal]}', '{table}', '{verb}')" for verb in VERBS
            )
            (row,) = await ask(migrated.superuser_url, f"SELECT {pairs}")
            found = {verb for verb, has in zip(VERBS, row, strict=True) if has}
            assert found == verbs_of(principal, table), f"{principal} on {table}"


@pytest.mark.parametrize(
    "sql", ["UPDATE {} SET {} = {}", "DELETE FROM {0}", "TRUNCATE {0}"], ids=VERBS[2:]
)
@pytest.mark.parametrize(
    ("table", "column"), [("audit_log", "line"), ("audit_anchors", "lines")], ids=_AUDIT
)
async def test_audit_rows_stay_even_from_their_owner(
    migrated: RunningPostgres, table: str, column: str, sql: str
) -> None:
    """S13: a trigger refuses what no role was granted, to the owner and the superuser alike."""
    for url in (migrated.url("migrate"), migrated.superuser_url):
        async with await psycopg.AsyncConnection.connect(url) as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append only"):
                await connection.execute(sql.format(table, column, column))


async def test_the_schema_holds_what_must_be_unique(migrated: RunningPostgres) -> None:
    """D1: one user an e-mail address; one position an account, mode, symbol and exchange."""
    user = "INSERT INTO users (email, name, role) VALUES ('a@b.c', 'A', 'viewer')"
    position = (
        "INSERT INTO positions VALUES ('binance:main', 'live', 'BTCUSDT', 'binance', {}, 1, 0, 1)"
    )
    for first, second in [(user, user), (position.format(1), position.format("0.00000001"))]:
        async with await psycopg.AsyncConnection.connect(migrated.url("migrate")) as connection:
            await connection.execute(first)
            with pytest.raises(psycopg.errors.UniqueViolation):
                await connection.execute(second)


async def test_a_foreign_server_gets_its_roles(empty: RunningPostgres) -> None:
    """A superuser of a server without Spark's roles may migrate: they are made, without login."""
    database_url = empty.superuser_url.replace("/spark", "/elsewhere")
    await tell(empty.superuser_url, "CREATE DATABASE elsewhere")
    await tell(empty.superuser_url, "ALTER ROLE spark_reader RENAME TO hidden_reader")
    try:
        async with connected(database_url) as database:
            await migrate(database)
        found = await ask(
            database_url, "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'spark_reader'"
        )
        assert found == [(False,)]
        await tell(database_url, "DROP OWNED BY spark_reader; DROP ROLE spark_reader")
    finally:
        await tell(empty.superuser_url, "DROP DATABASE elsewhere WITH (FORCE)")
        await tell(empty.superuser_url, "ALTER ROLE hidden_reader RENAME TO spark_reader")


async def test_missing_roles_are_named(empty: RunningPostgres) -> None:
    """Whoever may not create roles is told which the server lacks."""
    await tell(empty.superuser_url, "ALTER ROLE spark_reader RENAME TO hidden_reader")
    try:
        async with connected(empty.url("migrate")) as database:
            with pytest.raises(SettingError, match=r"spark_owner may not create.*spark_reader"):
                await migrate(database)
    finally:
        await tell(empty.superuser_url, "ALTER ROLE hidden_reader RENAME TO spark_reader")


async def test_a_day_gets_its_partitions_once(migrated: RunningPostgres) -> None:
    """The writer, who may not create tables, gets a day's partitions through one function."""
    async with connected(migrated.url("feed_writer")) as database:
        for _ in range(2):
            async with database.transaction() as transaction:
                await transaction.execute("feed_prepare_day", {"day": "2024-08-09"})

    found = await ask(
        migrated.superuser_url,
        "SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class ON oid = inhrelid"
        " WHERE relkind = 'r' ORDER BY 1",
    )
    assert [row[0] for row in found] == [
        "market.book_updates_20240809",
        "market.quotes_20240809",
        "market.trades_20240809",
    ]


@pytest.mark.parametrize("day", ["1970-01-01", "2199-01-01"])
async def test_a_wrong_clock_makes_no_partition(migrated: RunningPostgres, day: str) -> None:
    """Days out of range are refused, so that bad times cannot fill the catalogue."""
    async with await psycopg.AsyncConnection.connect(migrated.url("feed_writer")) as connection:
        with pytest.raises(psycopg.errors.DatetimeFieldOverflow, match="out of range"):
            await connection.execute("SELECT market.prepare_day(%s)", (day,))


async def test_a_wrong_password_is_said(empty: RunningPostgres) -> None:
    """A login that the server refuses is not mistaken for a server that is away."""
    url = empty.url("feed_writer")
    wrong = re.sub(r":[^:@]+@", ":wrong@", url)
    with pytest.raises(AuthorisationError, match="password authentication failed") as caught:
        async with connected(wrong):
            pass
    assert "wrong@" not in str(caught.value)


async def test_nobody_there_is_said(empty: RunningPostgres) -> None:
    """A server that does not answer is an error that may be tried again."""
    url = re.sub(r":\d+/", ":1/", empty.url("feed_writer"))
    with pytest.raises(DatabaseUnavailable):
        async with connected(url):
            pass


async def test_an_unreadable_url_is_a_setting_error() -> None:
    """The text names the setting and repeats nothing of it."""
    with pytest.raises(SettingError, match="DATABASE_URL") as caught:
        async with connected("postgresql://u:secret@h/d?colour=red"):
            pass
    assert "secret" not in str(caught.value)
