"""How found rights are compared with declared ones, and what a report says."""

import orjson
import pytest

from spark.db.rights import FUNCTIONS, TABLES, VIEWS, verbs_of
from spark.embedded.acls import wanted_acls
from spark.embedded.roles import ROLES
from spark.ops.access import Cell, Found, compared, skipped
from spark.ops.access_database import database_table, parts_of
from spark.ops.access_kafka import kafka_table
from spark.topics import PRINCIPALS, PROVISIONER, TOPICS

MAY = Cell("signer", "topic", "orders.signed", "write")
MAY_NOT = Cell("strategy-demo", "topic", "orders.signed", "write")
TABLE = {MAY: True, MAY_NOT: False}


def test_all_as_declared_is_no_mismatch() -> None:
    """H3: allowed and forbidden cells both count, and both must be found so."""
    walked = compared(TABLE, {MAY: Found.ALLOWED, MAY_NOT: Found.REFUSED})
    assert (walked.cells, walked.allowed, walked.forbidden) == (2, 1, 1)
    assert walked.is_as_declared


@pytest.mark.parametrize(
    ("found", "answers"),
    [
        ({MAY: "refused", MAY_NOT: "refused"}, {MAY: "refused"}),
        ({MAY: "allowed", MAY_NOT: "allowed"}, {MAY_NOT: "allowed"}),
        ({MAY: "allowed", MAY_NOT: "error 35"}, {MAY_NOT: "error 35"}),
        ({MAY: "allowed"}, {MAY_NOT: "not tried"}),
        ({}, {MAY: "not tried", MAY_NOT: "not tried"}),
    ],
    ids=["lost", "widened", "neither yes nor no", "one was not tried", "an empty answer"],
)
def test_whatever_is_not_as_declared_is_named(
    found: dict[Cell, str], answers: dict[Cell, str]
) -> None:
    """S17: an error, a cell that was not tried and an empty answer match nothing."""
    walked = compared(TABLE, found)
    assert {one.cell: one.found for one in walked.mismatches} == answers
    assert not walked.is_as_declared


def test_what_no_table_has_is_a_mismatch() -> None:
    """S13: a thing that nobody declared is not passed over."""
    stray = Cell("spark_reader", "table", "public.notes", "SELECT")
    walked = compared({}, {stray: "refused"})
    assert [(one.cell, one.expected) for one in walked.mismatches] == [(stray, "not in the table")]


def test_a_report_is_one_plain_object() -> None:
    """`--json` counts each kind and names each difference; what was not walked says why."""
    shown = orjson.loads(orjson.dumps(compared(TABLE, {MAY: Found.REFUSED}).shown()))
    assert shown["mismatches"][0] == {
        "who": "signer",
        "kind": "topic",
        "name": "orders.signed",
        "operation": "write",
        "expected": "allowed",
        "found": "refused",
    }
    assert skipped("no root").shown()["skipped"] == "no root"
    assert skipped("no root").is_as_declared


def test_the_expected_broker_agrees_with_the_rows_made_of_the_same_table() -> None:
    """S17: two ways from one table: what may be read or written is what a row grants."""
    table = kafka_table()
    rows = wanted_acls(TOPICS, PRINCIPALS)
    granted = {
        (row.principal, row.name, str(row.operation))
        for row in rows
        if str(row.resource) == "topic" and row.principal != PROVISIONER
    }
    expected = {
        (cell.who, cell.name, cell.operation)
        for cell, may in table.items()
        if may
        and cell.kind == "topic"
        and cell.who != PROVISIONER
        and cell.operation in {"read", "write"}
    }
    assert granted == expected
    assert not any(may for cell, may in table.items() if cell.kind == "transactional id")
    assert not any(
        may for cell, may in table.items() if cell.operation in {"delete", "delete records"}
    )


def test_the_databases_table_knows_each_role() -> None:
    """S13: nobody but the owner deletes or truncates, and of the audit not even the owner."""
    parts = parts_of(["market.quotes_20240809", "market.notes_20240809", "market.quotes"])
    assert parts == ["market.quotes_20240809"]
    table = database_table(parts)
    assert {cell.who for cell in table} >= set(ROLES.values())
    for name in (*TABLES, *VIEWS):
        for principal in set(ROLES) - {"migrate"}:
            assert not verbs_of(principal, name) & {"DELETE", "TRUNCATE"}
    assert verbs_of("migrate", "public.audit_log") == {"SELECT", "INSERT"}
    assert all("migrate" not in callers for callers in FUNCTIONS.values())
