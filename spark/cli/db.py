"""
`spark db`: migrations, first rows, and the database's address.
"""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from spark.cli.exit_codes import ExitCode
from spark.cli.output import JsonOption, print_json, print_line, say

if TYPE_CHECKING:
    from spark.db.migrate import Migration, MigrationState

app = typer.Typer(
    no_args_is_help=True, help="The database: migrate, status, rebuild, compare, seed, url."
)


@app.command()
def migrate(*, as_json: JsonOption = False) -> None:
    """
    Apply the migrations that are missing.
    """
    applied = asyncio.run(_migrate())
    if as_json:
        print_json({"applied": [f"{one.version:04d}_{one.name}" for one in applied]})
        return
    for one in applied:
        say(f"applied {one.version:04d}_{one.name}")
    say(f"{len(applied)} applied" if applied else "nothing to apply")


@app.command()
def status(*, as_json: JsonOption = False) -> None:
    """
    Say which migrations the database has; exit 4 where one is missing.
    """
    states = asyncio.run(_status())
    missing = sum(state.applied_at is None for state in states)
    if as_json:
        migrations = [
            {
                "name": f"{state.version:04d}_{state.name}",
                "applied_at": None if state.applied_at is None else state.applied_at.isoformat(),
            }
            for state in states
        ]
        print_json({"migrations": migrations, "missing": missing})
    else:
        for state in states:
            at = "missing" if state.applied_at is None else f"{state.applied_at:%Y-%m-%d %H:%M:%S}"
            print_line(f"{state.version:04d}_{state.name:<24} {at}")
    raise typer.Exit(ExitCode.CONFIGURATION if missing else ExitCode.OK)


@app.command()
def seed(*, as_json: JsonOption = False) -> None:
    """
    Put in the local operator and the demo strategy; harmless to repeat.
    """
    added = asyncio.run(_seed())
    if as_json:
        print_json({"rows_added": added})
    else:
        say(f"{added} rows added")


@app.command()
def rebuild(*, as_json: JsonOption = False) -> None:
    """
    Make the tables of orders, trades and positions anew from the topics' first record on.
    """
    from spark.cli.db_desk import rebuild_tables

    began = monotonic()
    made = asyncio.run(rebuild_tables())
    seconds = round(monotonic() - began, 1)
    if as_json:
        print_json({"records": made.records, "rows": made.rows, "seconds": seconds})
        return
    for name, count in made.rows.items():
        print_line(f"{name:<18} {count:>12,} rows")
    say(f"{made.records:,} records in {seconds} s")


@app.command()
def compare(*, as_json: JsonOption = False) -> None:
    """
    Compare the tables of orders, trades and positions with the topics; exit 7 if they differ.
    """
    from spark.cli.db_desk import compare_tables, first_difference

    began = monotonic()
    found = asyncio.run(compare_tables())
    seconds = round(monotonic() - began, 1)
    differing = sum(table.differing for table in found.tables)
    first = first_difference(found.tables)
    if as_json:
        print_json(
            {
                "records": found.records,
                "rows": {table.name: table.rows for table in found.tables},
                "differing": {table.name: table.differing for table in found.tables},
                "first_difference": first,
                "is_equal": not differing,
                "seconds": seconds,
            }
        )
    else:
        for table in found.tables:
            print_line(f"{table.name:<18} {table.rows:>12,} rows {table.differing:>10,} differ")
        if first is not None:
            print_line(f"first: {first}")
        say(f"{found.records:,} records compared in {seconds} s")
    raise typer.Exit(ExitCode.VERIFICATION if differing else ExitCode.OK)


@app.command()
def url(
    *,
    principal: Annotated[str, typer.Option(help="reader, migrate, api, …")] = "reader",
    as_json: JsonOption = False,
) -> None:
    """
    Print an address for psql; the password stays in its file.
    """
    from spark.cli.database import database_url

    address = database_url(principal)
    if as_json:
        print_json({"url": address})
    else:
        print_line(address)


async def _migrate() -> "tuple[Migration, ...]":
    from spark.cli.db_desk import open_database
    from spark.db.migrate import migrate as apply_missing

    async with open_database() as database:
        return await apply_missing(database)


async def _status() -> "tuple[MigrationState, ...]":
    from spark.cli.db_desk import open_database
    from spark.db.migrate import status as read_status

    async with open_database() as database:
        return await read_status(database)


async def _seed() -> int:
    from spark.cli.db_desk import open_database
    from spark.db.migrate import seed as put_first_rows

    async with open_database() as database:
        return await put_first_rows(database)
