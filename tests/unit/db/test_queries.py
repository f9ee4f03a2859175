"""The file of named queries."""

import re

import pytest

from spark.db.migrate import read_migrations
from spark.db.queries import QUERIES, parse_queries


def test_each_query_has_its_name_and_purpose() -> None:
    """A query is found by its name; the line after it says what it is for."""
    found = parse_queries("-- one: count\nSELECT 1;\n\n-- two: count on\nSELECT 2\n;\n")

    assert [(q.name, q.purpose, q.sql) for q in found.values()] == [
        ("one", "count", "SELECT 1"),
        ("two", "count on", "SELECT 2\n"),
    ]


def test_a_name_given_twice_is_a_bug() -> None:
    """Two statements under one name would hide one of them."""
    with pytest.raises(AssertionError):
        parse_queries("-- one: count\nSELECT 1;\n-- one: again\nSELECT 2;\n")


def test_parameters_are_named() -> None:
    """A parameter has a name, so that no statement depends on an order."""
    for query in QUERIES.values():
        assert "%s" not in query.sql, query.name


def test_migrations_are_numbered_densely() -> None:
    """A missing or doubled number would make the order a matter of luck."""
    assert [m.version for m in read_migrations()] == list(range(1, len(read_migrations()) + 1))


def test_migrations_change_role_to_the_owner() -> None:
    """What a migration makes belongs to a role that nobody can log in as (S13)."""
    for migration in read_migrations():
        assert re.search(r"^SET LOCAL ROLE spark_owner;$", migration.sql, re.MULTILINE)
