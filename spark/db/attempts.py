"""
Tries statements as a role, each in a transaction that is rolled back.

Beside pool.py the only importer of psycopg: what the server answers is the result here,
not an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from spark.errors import DatabaseUnavailable

ALLOWED: Final = "allowed"
REFUSED: Final = "refused"
_CONNECT_S_MAX: Final = 5
_DENIED: Final = "42501"
#: Syntax, and a function with such arguments: nothing was called.
_NOT_CALLED: Final = frozenset({"42601", "42883"})
#: PostgreSQL's words where a function is not run at all; one that runs may be refused inside.
_NOT_RUN: Final = ("permission denied for function", "permission denied for schema")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One statement."""

    sql: str
    #: A function's call: whatever it answers, it was run.
    is_call: bool = False
    #: The server takes it outside a transaction only; there is nothing to roll back.
    is_alone: bool = False


async def attempt_all(url: str, attempts: Mapping[str, Attempt]) -> dict[str, str]:
    """
    Try each statement with one login.

    Returns: by name ALLOWED, REFUSED, or the server's own error.

    Raises:
        DatabaseUnavailable: no login, or the connection was lost.

    """
    found = {}
    try:
        async with await psycopg.AsyncConnection.connect(
            url, connect_timeout=_CONNECT_S_MAX
        ) as connection:
            for name, attempt in attempts.items():
                await connection.set_autocommit(attempt.is_alone)
                found[name] = await _tried(connection, attempt)
                await connection.rollback()
    except psycopg.OperationalError as error:
        said = str(error).strip().partition("\n")[0]
        raise DatabaseUnavailable(f"PostgreSQL: {said}") from None
    return found


async def may_log_in(url: str, *, user: str = "", database: str = "") -> str:
    """
    Try a login alone.

    Args:
        user: in place of the address's.
        database: likewise.

    """
    instead: dict[str, Any] = {"user": user} if user else {}
    instead |= {"dbname": database} if database else {}
    try:
        connection = await psycopg.AsyncConnection.connect(
            url, connect_timeout=_CONNECT_S_MAX, **instead
        )
    except psycopg.OperationalError:
        return REFUSED
    await connection.close()
    return ALLOWED


async def rows_of(url: str, sql: str) -> list[tuple[str, ...]]:
    """
    Ask for rows of text.

    Raises:
        DatabaseUnavailable: no answer.

    """
    try:
        async with await psycopg.AsyncConnection.connect(
            url, connect_timeout=_CONNECT_S_MAX
        ) as connection:
            cursor = await connection.execute(sql.encode())
            return [tuple(str(value) for value in row) for row in await cursor.fetchall()]
    except psycopg.Error as error:
        raise DatabaseUnavailable(
            f"PostgreSQL: {str(error).strip().partition(chr(10))[0]}"
        ) from None


async def _tried(connection: psycopg.AsyncConnection[object], attempt: Attempt) -> str:
    try:
        await connection.execute(attempt.sql.encode())
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        if error.sqlstate == _DENIED:
            said = error.diag.message_primary or ""
            is_inside = attempt.is_call and not said.startswith(_NOT_RUN)
            return ALLOWED if is_inside else REFUSED
        if attempt.is_call and error.sqlstate not in _NOT_CALLED:
            return ALLOWED
        return f"{error.sqlstate} {error.diag.message_primary}"
    return ALLOWED
