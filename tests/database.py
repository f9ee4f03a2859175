"""Opening the test database as one of its roles."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from spark.db.migrate import migrate
from spark.db.pool import Database
from spark.metrics import Metrics
from spark.settings import DatabaseSettings
from tests.servers import RunningPostgres


@asynccontextmanager
async def connected(url: str, metrics: Metrics | None = None) -> AsyncIterator[Database]:
    """Open Spark's pool."""
    database = Database(
        url, name="test", settings=DatabaseSettings(), metrics=metrics or Metrics("test")
    )
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Run one query and take its rows."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        return await (await connection.execute(sql)).fetchall()


async def tell(url: str, sql: str) -> None:
    """Run statements that answer nothing."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for statement in sql.split(";"):
            await connection.execute(statement)


async def make_tables(server: RunningPostgres) -> None:
    """Begin with empty tables."""
    server.recreate_database()
    async with connected(server.url("migrate")) as database:
        await migrate(database)
