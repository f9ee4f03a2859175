"""
A running stack against the tables, by asking only: nothing is tried that could harm it.

The broker's rows and users as the provisioner sees them; each principal's own authorised
operations with its own login, because an unprivileged principal is told of no row at all
and no error (S17); the database's catalogue. An empty answer matches nothing.
"""

from collections.abc import Mapping
from typing import Final

from spark.bus.kafka import KafkaBus, KafkaLogin
from spark.db.attempts import rows_of
from spark.db.rights import VERBS
from spark.embedded.broker_check import differences, strangers
from spark.embedded.roles import OWNER, ROLES
from spark.ops.access import Cell, Found, Mismatch, Walked, compared
from spark.ops.access_database import THINGS_SQL, parts_of, things_table
from spark.topics import PRINCIPALS, PROVISIONER, TOPICS, readable_by, writable_by

_TOPIC: Final = "topic"
_OPERATIONS: Final = (
    "read", "write", "describe", "create", "delete", "alter", "describe_configs", "alter_configs",
)  # fmt: skip
#: Of a topic that is there; the right to create others is the cluster's.
_PROVISIONERS: Final = frozenset(
    {"describe", "describe_configs", "alter_configs", "create", "alter"}
)
_FLAGS_SQL: Final = """
SELECT rolname,
       concat_ws(' ', CASE WHEN rolsuper THEN 'SUPERUSER' END,
                 CASE WHEN rolcreatedb THEN 'CREATEDB' END,
                 CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
                 CASE WHEN rolreplication THEN 'REPLICATION' END,
                 CASE WHEN rolbypassrls THEN 'BYPASSRLS' END,
                 (SELECT 'MEMBER OF ' || string_agg(roleid::regrole::text, ', ')
                  FROM pg_auth_members WHERE member = r.oid))
FROM pg_roles AS r WHERE rolname LIKE 'spark\\_%'
"""


async def compare_kafka(logins: Mapping[str, KafkaLogin], *, is_exclusive: bool) -> Walked:
    """
    Compare a broker's rows, users and authorised operations with the table.

    Args:
        logins: of every principal, and the provisioner's.
        is_exclusive: Spark has the broker for itself, and so a stranger's user is a difference.

    Raises:
        AuthorisationError: a password is not taken.
        BusUnavailable: no answer.

    """
    names = [topic.name for topic in TOPICS]
    table: dict[Cell, bool] = {}
    found: dict[Cell, str] = {}
    for who in sorted(PRINCIPALS):
        readable, writable = readable_by(who), writable_by(who)
        bus = KafkaBus(logins[who])
        try:
            states = await bus.topics(names)
        finally:
            await bus.close()
        for name in names:
            granted = states[name].operations if name in states else frozenset()
            for operation in _OPERATIONS:
                cell = Cell(who, _TOPIC, name, operation)
                is_mine = name in (writable if operation == "write" else readable)
                table[cell] = is_mine and operation in {"read", "write", "describe"}
                found[cell] = Found.ALLOWED if operation in granted else Found.REFUSED
    walked = compared(table, found)
    lines = await differences(logins[PROVISIONER])
    lines += await strangers(logins[PROVISIONER]) if is_exclusive else []
    rows = tuple(
        Mismatch(Cell(PROVISIONER, "broker", line, "as declared"), "no difference", "difference")
        for line in lines
    )
    return Walked(
        cells=walked.cells,
        allowed=walked.allowed,
        forbidden=walked.forbidden,
        mismatches=walked.mismatches + rows,
    )


async def compare_database(url: str) -> Walked:
    """
    Compare the database's catalogue with the table.

    Args:
        url: of `migrate`, who may look at everything.

    Raises:
        DatabaseUnavailable: no answer.

    """
    things = await rows_of(url, THINGS_SQL)
    asked = ", ".join(
        f"('{role}', '{kind}', '{name}', '{operation}', {has})"
        for role in ROLES.values()
        for kind, name, _ in things
        for operation, has in _questions(role, kind, name)
    )
    rows = await rows_of(url, f"SELECT * FROM (VALUES {asked}) AS found")  # noqa: S608  (catalogue)
    found = {
        Cell(role, kind, name, operation): Found.ALLOWED if has == "True" else Found.REFUSED
        for role, kind, name, operation, has in rows
    }
    table = things_table(parts_of(name for _, name, _ in things))
    # The owner's own rights are not grants: nothing in the catalogue refuses them.
    table = {cell: True if cell.who == ROLES["migrate"] else may for cell, may in table.items()}
    flags = {Cell(name, "role", "flags", flag or "none"): True for name, flag in _wanted_flags()}
    for name, flag in await rows_of(url, _FLAGS_SQL):
        found[Cell(name, "role", "flags", flag or "none")] = Found.ALLOWED
    return compared(table | flags, dict(found))


def _questions(role: str, kind: str, name: str) -> list[tuple[str, str]]:
    # `migrate` works as the owner.
    asked = OWNER if role == ROLES["migrate"] else role
    match kind:
        case "function":
            schema, _, bare = name.partition(".")
            every = (
                f"(SELECT bool_and(has_function_privilege('{asked}', p.oid, 'EXECUTE')"  # noqa: S608
                f" AND has_schema_privilege('{asked}', '{schema}', 'USAGE')) FROM pg_proc AS p"
                f" WHERE p.proname = '{bare}' AND p.pronamespace = '{schema}'::regnamespace)"
            )
            return [("EXECUTE", every)]
        case "view":
            return [("SELECT", f"has_table_privilege('{asked}', '{name}', 'SELECT')")]
        case _:
            return [(verb, f"has_table_privilege('{asked}', '{name}', '{verb}')") for verb in VERBS]


def _wanted_flags() -> list[tuple[str, str]]:
    bare = [(role, "") for role in (OWNER, *ROLES.values()) if role != ROLES["migrate"]]
    return [*bare, (ROLES["migrate"], f"MEMBER OF {OWNER}")]
