"""
PostgreSQL through psycopg; the only importer of it.

Connections are in autocommit mode, so nothing runs outside a transaction that
is written down as one. What the client raises ends here: an answer that did not
come is `DatabaseUnavailable`, a refusal `AuthorisationError`, and what only a
bug or another's change can cause `HaltError`.
"""

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import psycopg
from psycopg import errors as pg
from psycopg import generators
from psycopg.abc import PQGen
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from spark.crash_points import Point, reach
from spark.db.queries import QUERIES
from spark.errors import (
    AuthorisationError,
    DatabaseUnavailable,
    FencedError,
    HaltError,
    MalformedError,
    SettingError,
    SparkError,
)
from spark.metrics import Metrics, at_scrape
from spark.settings import DatabaseSettings

_CONNECT_S_MAX: Final = 5
_TAKE_S_MAX: Final = 3.0
_HEALTH_S_MAX: Final = 1.0
#: COPY data go out in pieces, so that libpq's buffer stays small.
_PIECE_BYTES: Final = 128 * 1024
#: A writer that was stopped in the middle must not hold its offset rows for ever.
_OPTIONS: Final = (
    "-c idle_in_transaction_session_timeout=5000 -c lock_timeout=10000 -c timezone=UTC"
)
#: How libpq begins what it says about a login; such errors carry no SQLSTATE.
_LOGIN_REFUSALS: Final = ("password authentication failed", "no pg_hba.conf entry", 'role "')
#: What the server's own answers are to us, and what to do about them; the first match counts.
_ANSWERS: Final[tuple[tuple[tuple[type[psycopg.Error], ...], type[SparkError], str], ...]] = (
    ((pg.InsufficientPrivilege, pg.InvalidAuthorizationSpecification), AuthorisationError, ""),
    ((pg.RaiseException,), SettingError, ""),
    ((pg.SerializationFailure,), FencedError, ""),
    (
        (pg.UndefinedTable, pg.UndefinedColumn, pg.UndefinedFunction, pg.InvalidSchemaName),
        SettingError,
        ": run `spark db migrate`",
    ),
    # A value too large for an index counts as operational there, but comes back every time.
    ((psycopg.DataError, pg.ProgramLimitExceeded), MalformedError, ""),
    ((pg.IdleInTransactionSessionTimeout, psycopg.OperationalError), DatabaseUnavailable, ""),
)

Row = tuple[Any, ...]
Parameters = Mapping[str, object]


class Transaction:
    """What one transaction may do; each query is named in queries.sql."""

    def __init__(self, connection: "psycopg.AsyncConnection[Row]", metrics: Metrics) -> None:
        self._connection = connection
        self._metrics = metrics

    async def execute(self, name: str, parameters: Parameters | None = None) -> int:
        """
        Run a statement.

        Returns: how many rows it touched.
        """
        return (await self._run(name, parameters)).rowcount

    async def fetch(self, name: str, parameters: Parameters | None = None) -> list[Row]:
        """Run a query and take all its rows."""
        return await (await self._run(name, parameters)).fetchall()

    async def script(self, text: str) -> None:
        """Run a file of statements without parameters."""
        await self._connection.execute(text)

    @asynccontextmanager
    async def part(self) -> AsyncIterator[None]:
        """
        Run the body as a part: where it fails, it alone is undone.

        Raises: as `Database.transaction`; after MalformedError the rest may go on.

        """
        with _translated():
            async with self._connection.transaction():
                yield

    async def _run(self, name: str, parameters: Parameters | None) -> "psycopg.AsyncCursor[Row]":
        began = time.perf_counter()
        cursor = await self._connection.execute(QUERIES[name].sql, parameters)
        self._metrics.db_query.labels(name).observe(time.perf_counter() - began)
        return cursor


class Database:
    """
    A pool of connections as one role.

    Args:
        url: `DATABASE_URL`; it may hold a password and is never shown.
        name: what the server shows this process as.

    """

    def __init__(
        self, url: str, *, name: str, settings: DatabaseSettings, metrics: Metrics
    ) -> None:
        self._metrics = metrics
        self._url = url
        self._login: dict[str, Any] = {
            "application_name": name,
            "autocommit": True,
            "connect_timeout": _CONNECT_S_MAX,
            "options": _OPTIONS,
        }
        self._name = name
        self._settings = settings
        self._pool = self._new_pool()
        at_scrape(metrics.db_pool_size, lambda: self._stat("pool_size"))
        at_scrape(metrics.db_pool_waiting, lambda: self._stat("requests_waiting"))
        at_scrape(
            metrics.db_pool_in_use,
            lambda: self._stat("pool_size") - self._stat("pool_available"),
        )

    async def open(self) -> None:
        """
        Connect.

        Raises:
            SettingError: the URL cannot be read.
            AuthorisationError: the server does not let this role in.
            DatabaseUnavailable: nobody answers; may be repeated.

        """
        # The pool would try for ever and keep the reason to itself: one connection
        # asks first.
        with _translated():
            await (await psycopg.AsyncConnection.connect(self._url, **self._login)).close()
            await self._pool.open(wait=True, timeout=_TAKE_S_MAX)

    async def reopen(self) -> None:
        """
        Forget every connection and connect anew, at the caller's pace; raises as `open`.

        The pool by itself would come back to a server that was away for 3 s after 7.
        """
        await self._pool.close()
        self._pool = self._new_pool()
        await self.open()

    async def close(self) -> None:
        """Let go of every connection; idempotent."""
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self, *, take_s_max: float = _TAKE_S_MAX) -> AsyncIterator[Transaction]:
        """
        Run the body as one transaction: all of it is committed, or nothing.

        Args:
            take_s_max: how long to wait for a connection.

        Raises:
            DatabaseUnavailable: no answer. After the body: whether it was
                committed is unsure, and only reading tells.
            AuthorisationError: the role may not do this.
            MalformedError: the server did not take a value.
            FencedError: another transaction changed what this one was built on.
            HaltError: the schema is not the one that this code was written for.

        """
        with _translated():
            async with (
                self._pool.connection(take_s_max) as connection,
                connection.transaction(),
            ):
                yield Transaction(connection, self._metrics)

    async def copy(self, copies: Mapping[str, bytes], then: str, parameters: Parameters) -> None:
        """
        Run COPYs and one last statement as one transaction, and as one request.

        Said step by step, a transaction wakes both sides a dozen times, which costs
        more than its rows: measured, three times the CPU here and the half again there.

        Args:
            copies: query names to lines of COPY's text format, which the caller validated.
            then: the statement that may still abort everything.

        Raises: as `transaction`.

        """
        with _translated():
            async with self._pool.connection() as connection:
                cursor = psycopg.AsyncClientCursor(connection)
                last = cursor.mogrify(QUERIES[then].sql, parameters)
                text = ";".join([*(QUERIES[name].sql for name in copies), last])
                began = time.perf_counter()
                async with connection.lock:
                    steps = _copy_steps(connection.pgconn, text.encode(), copies.values())
                    await connection.wait(steps)
                self._metrics.db_query.labels("copy").observe(time.perf_counter() - began)

    async def is_healthy(self) -> bool:
        """Ask for a sign of life."""
        try:
            async with self.transaction(take_s_max=_HEALTH_S_MAX) as transaction:
                await transaction.fetch("ping")
        except DatabaseUnavailable:
            return False
        return True

    def _new_pool(self) -> "AsyncConnectionPool[psycopg.AsyncConnection[Row]]":
        return AsyncConnectionPool(
            self._url,
            kwargs=self._login,
            min_size=1,
            max_size=self._settings.pool_max,
            max_idle=self._settings.idle_s_max,
            timeout=_TAKE_S_MAX,
            open=False,
            name=self._name,
        )

    def _stat(self, name: str) -> float:
        return float(self._pool.get_stats().get(name, 0))


def _copy_steps(pgconn: PGconn, query: bytes, bodies: Iterable[bytes]) -> PQGen[None]:
    """
    Send a query of several COPYs and serve each as the server comes to it.

    Several statements in one simple query are one transaction (PostgreSQL
    documentation, "Multiple Statements in a Simple Query").
    """
    pgconn.send_query(query)
    yield from generators.send(pgconn)
    for body in bodies:
        _refuse_errors((yield from generators.fetch_many(pgconn)))
        for start in range(0, len(body), _PIECE_BYTES):
            pgconn.put_copy_data(body[start : start + _PIECE_BYTES])
            if start + _PIECE_BYTES < len(body):
                yield from generators.send(pgconn)
        reach(Point.IN_COPY)
        pgconn.put_copy_end()
        yield from generators.send(pgconn)
    reach(Point.ROWS_COPIED)
    _refuse_errors((yield from generators.fetch_many(pgconn)))


def _refuse_errors(results: Sequence[PGresult]) -> None:
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise pg.error_from_result(result, encoding="utf-8")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except PoolTimeout:
        raise DatabaseUnavailable("no database connection within the time allowed") from None
    except psycopg.Error as error:
        raise _translate(error) from None


def _translate(error: psycopg.Error) -> SparkError:
    said = str(error).strip().partition("\n")[0]
    if error.sqlstate is None:
        return _translate_unanswered(error, said)
    hint = error.diag.message_hint
    text = f"PostgreSQL: {said}; {hint}" if hint else f"PostgreSQL: {said}"
    for classes, kind, remedy in _ANSWERS:
        if isinstance(error, classes):
            return kind(text + remedy)
    return HaltError(f"{text} ({type(error).__name__} {error.sqlstate})")


def _translate_unanswered(error: psycopg.Error, said: str) -> SparkError:
    if isinstance(error, psycopg.ProgrammingError):
        # libpq's words on an unreadable URL may repeat parts of it.
        return SettingError("DATABASE_URL: not a PostgreSQL URL (postgresql://user@host/name)")
    if any(word in said for word in _LOGIN_REFUSALS):
        return AuthorisationError(f"PostgreSQL refuses the login: {said}")
    if isinstance(error, psycopg.OperationalError):
        return DatabaseUnavailable(f"PostgreSQL did not answer: {said or 'connection lost'}")
    return HaltError(f"PostgreSQL client: {type(error).__name__}: {said}")
