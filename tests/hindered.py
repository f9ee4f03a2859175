"""Ways to let a running PostgreSQL take no rows for a while, without its end."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import psutil
import psycopg

from spark.bench.crash.rooms import fill
from tests.database import ask, tell
from tests.servers import RunningPostgres

#: The superuser's own sessions write whatever the database's default is.
_WRITING: Final = "SET default_transaction_read_only = off"
_END_SESSIONS: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE usename LIKE 'spark%' AND pid <> pg_backend_pid()"
)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a server and all its children: connections stay open, and nobody speaks."""
    above = psutil.Process(pid)
    # The one that starts the others first, so that none is missed.
    above.suspend()
    children = above.children(recursive=True)
    for child in children:
        child.suspend()
    try:
        yield
    finally:
        for process in (*children, above):
            os.kill(process.pid, signal.SIGCONT)


@asynccontextmanager
async def silent(postgres: RunningPostgres) -> AsyncIterator[None]:
    """Open and silent (N2)."""
    with stopped(postgres.process.pid):
        yield


@asynccontextmanager
async def read_only(postgres: RunningPostgres) -> AsyncIterator[None]:
    """Read-only, sessions that are open included, as a server in the middle of a fail-over (D2)."""
    await _set_read_only(postgres.superuser_url, "on")
    try:
        yield
    finally:
        await _set_read_only(postgres.superuser_url, "off")


async def _set_read_only(url: str, value: str) -> None:
    setting = f"ALTER SYSTEM SET default_transaction_read_only = {value}"
    await tell(url, f"{_WRITING}; {setting}; SELECT pg_reload_conf()")
    # The server reads it when it comes to it, tells each session, and only then lets in others.
    while await ask(url, "SHOW default_transaction_read_only") != [(value,)]:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


@asynccontextmanager
async def read_only_to_newcomers(postgres: RunningPostgres) -> AsyncIterator[None]:
    """Read-only to each new session, and every session is ended: a standby to its clients (D2)."""
    url = postgres.superuser_url
    setting = "ALTER DATABASE spark SET default_transaction_read_only ="
    await tell(url, f"{_WRITING}; {setting} on; {_END_SESSIONS}")
    try:
        yield
    finally:
        await tell(url, f"{_WRITING}; {setting} off")


@asynccontextmanager
async def locked(postgres: RunningPostgres) -> AsyncIterator[None]:
    """Somebody holds every offset row (D4)."""
    async with (
        await psycopg.AsyncConnection.connect(postgres.superuser_url) as connection,
        connection.transaction(),
    ):
        await connection.execute("SELECT FROM market.feed_offsets FOR UPDATE")
        yield


@asynccontextmanager
async def crowded(postgres: RunningPostgres) -> AsyncIterator[None]:
    """No further connection for the feed writer, and the ones it has are ended (D4)."""
    url = postgres.superuser_url
    limit = "ALTER ROLE spark_feed_writer CONNECTION LIMIT"
    await tell(url, f"{limit} 0; {_END_SESSIONS}")
    try:
        yield
    finally:
        await tell(url, f"{limit} -1")


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Leave no byte on a disk (D3)."""
    ballast = disk / "ballast"
    fill(ballast)
    try:
        yield
    finally:
        ballast.unlink()
