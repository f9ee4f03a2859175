"""
The database's cells: role by table by verb, function, and what no role may at all (S13).

Every cell is tried as the role's own login. What stands in the database and not in
spark/db/rights.py is a difference: a table that nobody declared is open to nobody knows whom.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from spark.db.attempts import Attempt, attempt_all, may_log_in, rows_of
from spark.db.rights import (
    FEED_WRITER,
    FUNCTIONS,
    MIGRATE,
    PARTITIONED,
    PRINCIPALS,
    TABLES,
    VERBS,
    VIEWS,
    verbs_of,
)
from spark.embedded.roles import OWNER, ROLES
from spark.ops.access import Cell, Walked, compared

_TABLE: Final = "table"
_VIEW: Final = "view"
_FUNCTION: Final = "function"
_ROLE: Final = "role"
_SERVER: Final = "server"
_LOGIN: Final = "login"
_DAY: Final = "20240809"
_DAY_FORM: Final = re.compile(r"_\d{8}$")
#: Where the day begins, counted from the end.
_DAY_PLACE: Final = -len("_20240809")
_EXECUTE: Final = "EXECUTE"
_SET: Final = "SET ROLE"
#: Roles that there must not be: who decides, signs or sends has no database.
_NONE: Final = ("spark_guardrail", "spark_signer", "spark_gateway", OWNER)
#: What only a superuser may, and so nobody here.
_NOBODYS: Final = {
    "COPY TO PROGRAM": "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY FROM PROGRAM": "CREATE TEMPORARY TABLE t (x text); COPY t FROM PROGRAM 'true'",
    "COPY FROM FILE": "COPY (SELECT 1) TO '/tmp/spark.access'",
    "pg_read_file": "SELECT pg_read_file('postgresql.conf')",
    "verifiers": "SELECT rolpassword FROM pg_authid",
    "CREATE ROLE": "CREATE ROLE spark_invented",
    "CREATE DATABASE": "CREATE DATABASE spark_invented",
    "ALTER SYSTEM": "ALTER SYSTEM SET log_statement = 'all'",
    "SUPERUSER": "ALTER ROLE CURRENT_USER SUPERUSER",
    "triggers off": "SET session_replication_role = 'replica'",
    "SESSION AUTHORIZATION": f"SET SESSION AUTHORIZATION {OWNER}",
}
_ALONE: Final = frozenset({"CREATE DATABASE", "ALTER SYSTEM"})
#: What belongs to a schema's owner.
_OWNERS: Final = {
    "CREATE TABLE public": "CREATE TABLE public.invented (x int)",
    "CREATE TABLE market": "CREATE TABLE market.invented (x int)",
    "CREATE VIEW reading": "CREATE VIEW reading.invented AS SELECT 1 AS x",
    "CREATE FUNCTION": "CREATE FUNCTION public.invented() RETURNS int LANGUAGE sql RETURN 1",
    "CREATE SCHEMA": "CREATE SCHEMA invented",
    "CREATE TEMPORARY TABLE": "CREATE TEMPORARY TABLE invented (x int)",
    "ALTER TABLE": "ALTER TABLE public.orders ADD COLUMN invented int",
    "DROP TABLE": "DROP TABLE public.orders CASCADE",
    "DROP TRIGGER": "DROP TRIGGER audit_log_append_only ON public.audit_log",
    "ALTER OWNER": "ALTER TABLE public.users OWNER TO CURRENT_USER",
}
THINGS_SQL: Final = """
SELECT CASE WHEN c.relkind IN ('v', 'm') THEN 'view' ELSE 'table' END,
       format('%s.%s', n.nspname, c.relname),
       (SELECT a.attname::text FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum LIMIT 1)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname NOT IN ('information_schema') AND n.nspname NOT LIKE 'pg\\_%'
UNION ALL
SELECT 'function', format('%s.%s', n.nspname, p.proname),
       (SELECT coalesce(string_agg(format('NULL::%s', t::regtype), ', ' ORDER BY o), '')
        FROM unnest(p.proargtypes) WITH ORDINALITY AS u (t, o))
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname NOT IN ('information_schema') AND n.nspname NOT LIKE 'pg\\_%'
ORDER BY 1, 2
"""


def things_table(parts: Collection[str]) -> dict[Cell, bool]:
    """
    Say what each role may do with tables, views and functions.

    Args:
        parts: tables that hold one day each, which only the owner may name.

    """
    table: dict[Cell, bool] = {}
    for who in PRINCIPALS:
        role, is_owner = ROLES[who], who == MIGRATE
        for verb in VERBS:
            may = {name: verb in verbs_of(who, name) for name in TABLES}
            may |= dict.fromkeys(parts, is_owner)
            table |= {Cell(role, _TABLE, name, verb): one for name, one in may.items()}
        for name in VIEWS:
            table[Cell(role, _VIEW, name, "SELECT")] = "SELECT" in verbs_of(who, name)
        for name, callers in FUNCTIONS.items():
            table[Cell(role, _FUNCTION, name, _EXECUTE)] = is_owner or who in callers
    return table


def parts_of(names: Iterable[str]) -> list[str]:
    """Pick the tables that hold one day of a partitioned one."""
    return [name for name in names if name[:_DAY_PLACE] in PARTITIONED and _DAY_FORM.search(name)]


def database_table(parts: Collection[str]) -> dict[Cell, bool]:
    """Say for each cell whether it is allowed; as `things_table`."""
    table = {Cell(name, _LOGIN, "spark", "LOGIN"): False for name in _NONE}
    for who in PRINCIPALS:
        is_owner = who == MIGRATE
        role = ROLES[who]
        table |= {Cell(role, _LOGIN, "spark", "LOGIN"): True}
        table |= {Cell(role, _LOGIN, "postgres", "LOGIN"): False}
        table |= {
            Cell(role, _ROLE, other, _SET): is_owner and other == OWNER
            for other in (OWNER, "postgres", *ROLES.values())
            if other != role
        }
        table |= {Cell(role, _SERVER, "spark", what): False for what in _NOBODYS}
        table |= {Cell(role, _SERVER, "spark", what): is_owner for what in _OWNERS}
    return table | things_table(parts)


async def walk_database(urls: Mapping[str, str]) -> Walked:
    """
    Try every cell; only for a database that is thrown away.

    Args:
        urls: the address of each principal of ROLES, which is let in with it.

    Raises:
        DatabaseUnavailable: no answer.

    """
    # A part of a day, as there is one wherever a feed was ever written.
    prepared = {"": Attempt(f"SELECT market.prepare_day('{_DAY}'); COMMIT")}
    await attempt_all(urls[FEED_WRITER], prepared)
    things = await rows_of(urls[MIGRATE], THINGS_SQL)
    found: dict[Cell, str] = {}
    for who in PRINCIPALS:
        cells = _attempts(ROLES[who], things)
        names = {str(number): cell for number, cell in enumerate(cells)}
        answers = await attempt_all(urls[who], {n: cells[cell] for n, cell in names.items()})
        found |= {names[number]: answer for number, answer in answers.items()}
        found[Cell(ROLES[who], _LOGIN, "spark", "LOGIN")] = await may_log_in(urls[who])
        elsewhere = await may_log_in(urls[who], database="postgres")
        found[Cell(ROLES[who], _LOGIN, "postgres", "LOGIN")] = elsewhere
    for name in _NONE:
        found[Cell(name, _LOGIN, "spark", "LOGIN")] = await may_log_in(urls[MIGRATE], user=name)
    return compared(database_table(parts_of(name for _, name, _ in things)), found)


def _attempts(role: str, things: list[tuple[str, ...]]) -> dict[Cell, Attempt]:
    tries: dict[Cell, Attempt] = {}
    for kind, name, detail in things:
        if kind == _TABLE:
            tries |= {Cell(role, _TABLE, name, verb): _verb(verb, name, detail) for verb in VERBS}
        elif kind == _VIEW:
            tries[Cell(role, _VIEW, name, "SELECT")] = _verb("SELECT", name, detail)
        else:
            call = Attempt(f"SELECT {name}({detail})", is_call=True)
            tries[Cell(role, _FUNCTION, name, _EXECUTE)] = call
    for other in (OWNER, "postgres", *ROLES.values()):
        if other != role:
            tries[Cell(role, _ROLE, other, _SET)] = Attempt(f"SET ROLE {other}")
    for what, sql in (_NOBODYS | _OWNERS).items():
        alone = what in _ALONE
        tries[Cell(role, _SERVER, "spark", what)] = Attempt(sql, is_alone=alone)
    return tries


def _verb(verb: str, name: str, column: str) -> Attempt:
    # Without a row: what is refused is refused before any is looked at. Names are the catalogue's.
    sql = {
        "SELECT": f"SELECT * FROM {name} WHERE false",  # noqa: S608
        "INSERT": (
            f"INSERT INTO {name} OVERRIDING SYSTEM VALUE SELECT (NULL::{name}).* WHERE false"
        ),
        "UPDATE": f'UPDATE {name} SET "{column}" = DEFAULT WHERE false',  # noqa: S608
        "DELETE": f"DELETE FROM {name} WHERE false",  # noqa: S608
        "TRUNCATE": f"TRUNCATE {name} CASCADE",
    }[verb]
    return Attempt(sql)
