"""
PostgreSQL through psycopg; the only importer of it.

Connections are in autocommit mode, so nothing runs outside a transaction that
is written down as one. What the client raises ends here: an answer that did not
come in time, and a server that takes no writes, is `DatabaseUnavailable`, a refusal
`AuthorisationError`, and what only a bug or another's change can cause `HaltError`.
"""

import asyncio
import os
import re
import socket
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import psycopg
from psycopg import errors as pg
from psycopg import generators
from psycopg.abc import PQGen
from psycopg.pq import ConnStatus, ExecStatus
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
#: For one answer: longer than the wait for a lock (below), so that the server speaks first.
ANSWER_S_MAX: Final = 15.0
#: The same where a person asks for whole tables: migrations, comparisons, rebuilds.
WHOLE_TABLES_S_MAX: Final = 3600.0
#: The kernel's part, for connections that nobody waits on: a host that is gone without a
#: word is found within 25 s, before the connection is needed.
_KEEPALIVE: Final[Mapping[str, int]] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
#: COPY data go out in pieces, so that libpq's buffer stays small.
_PIECE_BYTES: Final = 128 * 1024
#: A writer that was stopped in the middle must not hold its offset rows for ever.
_OPTIONS: Final = (
    "-c idle_in_transaction_session_timeout=5000 -c lock_timeout=10000 -c timezone=UTC"
)
#: What libpq says about a login that is refused; such errors carry no SQLSTATE. A role with
#: too many connections is none: it is let in later.
_LOGIN_REFUSED: Final = re.compile(
    "password authentication failed|no pg_hba.conf entry"
    '|role ".*" (does not exist|is not permitted to log in)'
)
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
    # Read-only is a state of the server (a standby, a fail-over, an operator's hand), and passes.
    (
        (
            pg.ReadOnlySqlTransaction,
            pg.IdleInTransactionSessionTimeout,
            psycopg.OperationalError,
        ),
        DatabaseUnavailable,
        "",
    ),
)

_T = TypeVar("_T")
Row = tuple[Any, ...]
Parameters = Mapping[str, object]


class _Connection(psycopg.AsyncConnection[Row]):
    """
    A connection that waits so long for an answer and no longer.

    A server that is stopped, or behind a network that drops everything, keeps its
    connections open and is silent; only the one who waits can tell.
    """

    #: Set anew by whoever takes the connection.
    answer_s_max: float = ANSWER_S_MAX

    async def wait(self, gen: PQGen[_T], interval: float = 0.1, timeout: float | None = None) -> _T:
        """
        Wait for whatever was sent; everything that is sent is waited for here.

        Raises: OperationalError where nothing came; the connection is of no more use then.

        """
        loop = asyncio.get_running_loop()
        alarm = loop.call_later(self.answer_s_max, self._cut)
        try:
            return await super().wait(gen, interval, timeout)
        except psycopg.OperationalError:
            if loop.time() < alarm.when():
                raise
            raise psycopg.OperationalError(f"nothing within {self.answer_s_max:g} s") from None
        finally:
            alarm.cancel()

    def _cut(self) -> None:
        # libpq then reads an end, as if the server had gone; asking it to cancel would mean
        # to wait for the one that does not answer.
        if self.pgconn.status == ConnStatus.OK:
            with socket.socket(fileno=os.dup(self.pgconn.socket)) as twin:
                twin.shutdown(socket.SHUT_RDWR)


class Transaction:
    """What one transaction may do; each query is named in queries.sql."""

    def __init__(self, connection: _Connection, metrics: Metrics) -> None:
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
    A pool of connections as one role, each to a server that takes writes.

    Args:
        url: `DATABASE_URL`; it may hold a password and is never shown. Of several hosts the
            one that takes writes is used (libpq, "Specifying Multiple Hosts").
        name: what the server shows this process as.
        answer_s_max: seconds for each answer; after that the connection is cut.

    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        settings: DatabaseSettings,
        metrics: Metrics,
        answer_s_max: float = ANSWER_S_MAX,
    ) -> None:
        self._metrics = metrics
        self._url = url
        self._login: dict[str, Any] = {
            "application_name": name,
            "autocommit": True,
            "connect_timeout": _CONNECT_S_MAX,
            "options": _OPTIONS,
            "target_session_attrs": "read-write",
            **_KEEPALIVE,
        }
        self._answer_s_max = answer_s_max
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
            DatabaseUnavailable: nobody answers, or nobody who takes writes; may be repeated.

        """
        # The pool would try for ever and keep the reason to itself: one connection
        # asks first.
        with _translated():
            await (await _Connection.connect(self._url, **self._login)).close()
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
    async def transaction(
        self, *, take_s_max: float = _TAKE_S_MAX, answer_s_max: float | None = None
    ) -> AsyncIterator[Transaction]:
        """
        Run the body as one transaction: all of it is committed, or nothing.

        Args:
            take_s_max: how long to wait for a connection.
            answer_s_max: how long for each answer, in place of the pool's.

        Raises:
            DatabaseUnavailable: no answer, or no room, no lock, no writing now. After
                the body: whether it was committed is unsure, and only reading tells.
            AuthorisationError: the role may not do this.
            MalformedError: the server did not take a value.
            FencedError: another transaction changed what this one was built on.
            HaltError: the schema is not the one that this code was written for.

        """
        with _translated():
            async with (
                self._taken(take_s_max, answer_s_max or self._answer_s_max) as connection,
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
            async with self._taken(_TAKE_S_MAX, self._answer_s_max) as connection:
                cursor = psycopg.AsyncClientCursor(connection)
                last = cursor.mogrify(QUERIES[then].sql, parameters)
                text = ";".join([*(QUERIES[name].sql for name in copies), last])
                began = time.perf_counter()
                async with connection.lock:
                    steps = _copy_steps(connection.pgconn, text.encode(), copies.values())
                    await connection.wait(steps)
                self._metrics.db_query.labels("copy").observe(time.perf_counter() - began)

    async def is_healthy(self) -> bool:
        """
        Ask whether it answers, within a few seconds, and would take a write.

        Whether there is room for one only a write can tell.
        """
        try:
            async with self.transaction(
                take_s_max=_HEALTH_S_MAX, answer_s_max=_HEALTH_S_MAX
            ) as transaction:
                ((takes_writes,),) = await transaction.fetch("ping")
        except DatabaseUnavailable:
            return False
        return bool(takes_writes)

    @asynccontextmanager
    async def _taken(self, take_s_max: float, answer_s_max: float) -> AsyncIterator[_Connection]:
        async with self._pool.connection(take_s_max) as connection:
            connection.answer_s_max = answer_s_max
            yield connection

    def _new_pool(self) -> "AsyncConnectionPool[_Connection]":
        return AsyncConnectionPool(
            self._url,
            connection_class=_Connection,
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
    if _LOGIN_REFUSED.search(said):
        return AuthorisationError(f"PostgreSQL refuses the login: {said}")
    if isinstance(error, psycopg.OperationalError):
        return DatabaseUnavailable(f"PostgreSQL did not answer: {said or 'connection lost'}")
    return HaltError(f"PostgreSQL client: {type(error).__name__}: {said}")
