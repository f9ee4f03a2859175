"""Every right tried against real servers, and a right that nobody declared is found."""

import asyncio
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from spark.bus.kafka import KafkaLogin
from spark.cli.access_desk import walk_throwaway
from spark.embedded import broker_check
from spark.embedded.acls import wanted_acls
from spark.embedded.kafka_admin import connect
from spark.embedded.roles import ROLES
from spark.embedded.site import SEPARATED
from spark.ops.access import Cell, Part, Walked
from spark.ops.access_database import walk_database
from spark.ops.access_kafka import kafka_table, walk_kafka
from spark.ops.access_running import compare_database, compare_kafka
from spark.topics import CONTROL_PULSE, INTENTS, PRINCIPALS, PROVISIONER, SIGNED, TOPICS
from tests.database import make_tables, tell
from tests.servers import RunningKafka, RunningPostgres

_ANYTHING: Any = None


@pytest.fixture
def provisioned(kafka_server: RunningKafka) -> Iterator[RunningKafka]:
    """A broker that gets its rights back afterwards."""
    yield kafka_server
    kafka_server.provision()


@pytest.fixture(scope="module", autouse=True)
def emptied(kafka_server: RunningKafka) -> Iterator[None]:
    """Remove afterwards what a walk wrote: records that mean nothing."""
    yield
    kafka_server.recreate_topics()


def logins(server: RunningKafka) -> dict[str, KafkaLogin]:
    return {who: server.login(who) for who in (*PRINCIPALS, PROVISIONER)}


def row(name: str, who: str, operation: AclOperation) -> AclBinding:
    return AclBinding(
        ResourceType.TOPIC,
        name,
        ResourcePatternType.LITERAL,
        f"User:{who}",
        "*",
        operation,
        AclPermissionType.ALLOW,
    )


def rows(admin: AdminClient) -> set[AclBinding]:
    every = AclBindingFilter(
        ResourceType.ANY,
        _ANYTHING,
        ResourcePatternType.ANY,
        _ANYTHING,
        _ANYTHING,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    return set(admin.describe_acls(every).result())


def change_rows(admin: AdminClient, added: AclBinding, removed: AclBinding) -> None:
    """Add one and remove one, and wait for the broker's own view."""
    for created in admin.create_acls([added]).values():
        created.result()
    exactly = AclBindingFilter(
        removed.restype,
        removed.name,
        removed.resource_pattern_type,
        removed.principal,
        removed.host,
        removed.operation,
        removed.permission_type,
    )
    for deleted in admin.delete_acls([exactly]).values():
        deleted.result()
    while added not in (found := rows(admin)) or removed in found:
        time.sleep(0.01)


def differing(walked: Walked) -> dict[Cell, str]:
    return {one.cell: one.found for one in walked.mismatches}


async def test_every_cell_of_the_broker_is_as_the_table_says(provisioned: RunningKafka) -> None:
    """
    S17, H3: principal by topic, group, transactional id and cluster, each tried for real.

    Fault K12.
    """
    walked = await walk_kafka(logins(provisioned))
    assert differing(walked) == {}
    assert walked.cells == walked.allowed + walked.forbidden == len(kafka_table())
    kinds = {cell.kind for cell in kafka_table()}
    assert kinds == {"topic", "group", "transactional id", "cluster"}
    assert walked.allowed > len(PRINCIPALS) * len(("pulse read", "pulse write"))


async def test_a_row_too_many_and_one_too_few_are_found_by_trying(
    provisioned: RunningKafka,
) -> None:
    """S17: a widened right shows as what its holder could do, a lost one as what it could not."""
    admin = provisioned.admin()
    added = row(SIGNED, "strategy-demo", AclOperation.WRITE)
    removed = row(INTENTS, "strategy-demo", AclOperation.WRITE)
    await asyncio.to_thread(change_rows, admin, added, removed)
    found = differing(await walk_kafka(logins(provisioned)))
    assert found == {
        Cell("strategy-demo", "topic", SIGNED, "write"): "allowed",
        # WRITE carries DESCRIBE.
        Cell("strategy-demo", "topic", SIGNED, "describe"): "allowed",
        Cell("strategy-demo", "topic", INTENTS, "write"): "refused",
    }


async def test_a_running_broker_is_compared_without_trying(provisioned: RunningKafka) -> None:
    """S17: rows, users and each role's own authorised operations; nothing is written."""
    walked = await compare_kafka(logins(provisioned), is_exclusive=True)
    assert differing(walked) == {}
    admin = provisioned.admin()
    added = row(SIGNED, "strategy-demo", AclOperation.WRITE)
    removed = row(CONTROL_PULSE, "webhook", AclOperation.WRITE)
    await asyncio.to_thread(change_rows, admin, added, removed)
    found = differing(await compare_kafka(logins(provisioned), is_exclusive=True))
    assert found[Cell("strategy-demo", "topic", SIGNED, "write")] == "allowed"
    assert found[Cell("webhook", "topic", CONTROL_PULSE, "write")] == "refused"
    assert sorted(cell.name for cell in found if cell.who == PROVISIONER) == [
        "missing right: User:webhook write topic control.pulse",
        "right that the table does not give: User:strategy-demo write topic orders.signed",
    ]


def test_an_empty_answer_matches_nothing(kafka_server: RunningKafka) -> None:
    """S17's trap: who may not ask for rows is told of none, without an error: never a match."""
    client = connect(kafka_server.login("projector"))
    lines = broker_check._row_differences(client, TOPICS)
    assert len(lines) == len(wanted_acls(TOPICS, PRINCIPALS))
    assert all(line.startswith("missing right") for line in lines)


async def test_every_cell_of_the_database_is_as_the_table_says(
    postgres_server: RunningPostgres,
) -> None:
    """
    S13: role by table by verb, functions, programs and other roles, each tried as a login.

    Fault D2.
    """
    await make_tables(postgres_server)
    walked = await walk_database({who: postgres_server.url(who) for who in ROLES})
    assert differing(walked) == {}
    assert walked.cells == walked.allowed + walked.forbidden
    asked = await compare_database(postgres_server.url("migrate"))
    assert differing(asked) == {}


async def test_what_nobody_declared_in_the_database_is_found(
    postgres_server: RunningPostgres,
) -> None:
    """S13: a grant too many, one too few, and a table that the table of rights does not know."""
    await make_tables(postgres_server)
    await tell(
        postgres_server.superuser_url,
        "GRANT UPDATE ON public.orders TO spark_api;"
        "REVOKE INSERT ON market.quotes FROM spark_feed_writer;"
        "CREATE TABLE public.notes (x int); GRANT SELECT ON public.notes TO spark_reader;"
        "ALTER ROLE spark_reader CREATEROLE",
    )
    try:
        tried = await walk_database({who: postgres_server.url(who) for who in ROLES})
        asked = await compare_database(postgres_server.url("migrate"))
    finally:
        await tell(postgres_server.superuser_url, "ALTER ROLE spark_reader NOCREATEROLE")
        postgres_server.recreate_database()
    for found in (differing(tried), differing(asked)):
        assert found[Cell("spark_api", "table", "public.orders", "UPDATE")] == "allowed"
        assert found[Cell("spark_feed_writer", "table", "market.quotes", "INSERT")] == "refused"
        assert found[Cell("spark_reader", "table", "public.notes", "SELECT")] == "allowed"
    expected = {one.expected for one in tried.mismatches if one.cell.name == "public.notes"}
    assert expected == {"not in the table"}
    role = Cell("spark_reader", "server", "spark", "CREATE ROLE")
    assert differing(tried)[role] == "allowed"
    assert differing(asked)[Cell("spark_reader", "role", "flags", "CREATEROLE")] == "allowed"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process under each uid")
async def test_every_cell_of_the_machine_is_as_the_table_says() -> None:
    """S7: each role's uid by every other's secrets, memory, environment, socket and directories."""
    found = (await walk_throwaway((Part.MACHINE,), lambda _: None))["machine"]
    if found.skipped:
        pytest.skip(found.skipped)
    assert differing(found) == {}
    assert found.cells > len(SEPARATED) ** 2
