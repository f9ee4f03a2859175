"""Topics, users and ACL rows: the broker is made equal to the table, and stays so."""

import asyncio
import dataclasses
import time
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from spark.bus.kafka_quotas import CONSUMED, PRODUCED, REQUESTS, read_quotas, write_quotas
from spark.embedded.kafka import BROKER
from spark.embedded.provision import provision
from spark.embedded.quotas import quota_differences, wanted_quotas
from spark.errors import (
    AuthorisationError,
    PartitionError,
)
from spark.topics import (
    BINANCE_QUOTES,
    CONTROL,
    DECISIONS,
    INTENTS,
    PRINCIPALS,
    PROVISIONER,
    SIGNED,
    TOPICS,
    readable_by,
    writable_by,
)
from tests.records import FIRST, connected, read, write
from tests.servers import RunningKafka


@pytest.fixture
def passwords(kafka_server: RunningKafka) -> dict[str, str]:
    return {principal: kafka_server.password(principal) for principal in PRINCIPALS}


async def test_each_principal_may_do_on_each_topic_what_the_table_says(
    kafka_server: RunningKafka,
) -> None:
    """S17: every principal's authorised operations, asked of the broker, equal the table."""
    names = [topic.name for topic in TOPICS]
    for principal in sorted(PRINCIPALS):
        async with connected(kafka_server.login(principal)) as bus:
            found = await bus.topics(names)
        assert set(found) == readable_by(principal) | writable_by(principal), principal
        for name, state in found.items():
            granted = {"read"} | ({"write"} if name in writable_by(principal) else set())
            assert state.operations == granted | {"describe"}, (principal, name)


async def test_the_broker_stamps_orders_and_control_whatever_the_writer_says(
    kafka_server: RunningKafka,
) -> None:
    """
    S1: LogAppendTime on orders.* and control*, so no strategy chooses its own time.

    Fault K13.
    """
    kafka_server.recreate_topics()
    producer = Producer({**kafka_server.client_options(BROKER), "enable.idempotence": True})
    for topic in (INTENTS, CONTROL, BINANCE_QUOTES):
        producer.produce(topic, b"x", partition=FIRST, timestamp=1_000)
    assert await asyncio.to_thread(producer.flush, 10) == 0
    login = kafka_server.login(BROKER)
    stamps = {
        topic: (await read(login, topic, 1))[0].timestamp_ms
        for topic in (INTENTS, CONTROL, BINANCE_QUOTES)
    }
    assert stamps[BINANCE_QUOTES] == 1_000
    assert min(stamps[INTENTS], stamps[CONTROL]) > 1_700_000_000_000


def test_nothing_is_compacted_and_control_is_synced_record_by_record(
    kafka_server: RunningKafka,
) -> None:
    """S6, R9, fault K3: no tombstone erases; a kill stands on disk before it is acknowledged."""
    admin = kafka_server.admin()
    resources = [ConfigResource(ResourceType.TOPIC, topic.name) for topic in TOPICS]
    for resource, answer in admin.describe_configs(resources).items():
        config = answer.result()
        assert config["cleanup.policy"].value == "delete"
        is_control = resource.name in {"control", "control.halt"}
        assert (config["flush.messages"].value == "1") == is_control, resource.name


async def test_provisioning_again_changes_nothing(
    kafka_server: RunningKafka, passwords: dict[str, str]
) -> None:
    """Every start provisions; a stack that is right is left alone."""
    again = await provision(kafka_server.login(PROVISIONER), passwords)
    assert set(dataclasses.astuple(again)) == {0}


async def test_rows_users_and_settings_that_the_table_lacks_go(
    kafka_server: RunningKafka, passwords: dict[str, str]
) -> None:
    """
    S17: a grant added by hand, transactions included, does not survive the next start.

    Fault K6.
    """
    admin = kafka_server.admin()
    strays = [
        (ResourceType.TOPIC, SIGNED, "User:strategy-demo", AclOperation.WRITE),
        (ResourceType.TOPIC, "*", "User:nobody", AclOperation.ALL),
        (ResourceType.TRANSACTIONAL_ID, "t", "User:signer", AclOperation.WRITE),
        (ResourceType.BROKER, "kafka-cluster", "User:gateway", AclOperation.ALTER),
    ]
    rows = [
        AclBinding(kind, name, ResourcePatternType.LITERAL, who, "*", what, AclPermissionType.ALLOW)
        for kind, name, who, what in strays
    ]
    add_rows(admin, rows)
    compact = ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SET)
    compacted = ConfigResource(ResourceType.TOPIC, CONTROL, incremental_configs=[compact])
    for altered in admin.incremental_alter_configs([compacted]).values():
        altered.result()
    stranger = UserScramCredentialUpsertion(
        "stranger", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), b"password"
    )
    add_user(admin, stranger)
    done = await provision(kafka_server.login(PROVISIONER), passwords)
    assert (done.acls_removed, done.acls_added, done.topics_altered) == (len(rows), 0, 1)
    assert done.users_removed == 1
    with pytest.raises(AuthorisationError):
        await write(kafka_server.login("strategy-demo"), SIGNED, b"forged")


async def test_quotas_that_differ_are_set_and_others_go(
    kafka_server: RunningKafka, passwords: dict[str, str]
) -> None:
    """S17: what one strategy may take of a broker stands in the table, not in somebody's hand."""
    login = kafka_server.login(PROVISIONER)
    assert await read_quotas(login) == wanted_quotas(PRINCIPALS)
    by_hand: dict[str, dict[str, float | None]] = {
        "strategy-demo": {PRODUCED: None, CONSUMED: 1.0},
        "gateway": {REQUESTS: 99.0},
        "stranger": {PRODUCED: 1.0},
    }
    await write_quotas(login, by_hand)
    async with asyncio.timeout(20):
        while len(found := await quota_differences(login, PRINCIPALS)) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert found == [
        "quota of gateway: request_percentage is 99.0, not in the table",
        "quota of strategy-demo: consumer_byte_rate is 1.0, not 16777216.0",
        "quota of strategy-demo: producer_byte_rate is not set, not 1048576.0",
    ]
    shared = await provision(login, passwords, is_exclusive=False)
    assert shared.quotas_changed == 2
    assert await read_quotas(login) == wanted_quotas(PRINCIPALS) | {"stranger": {PRODUCED: 1.0}}
    assert (await provision(login, passwords)).quotas_changed == 1
    assert await read_quotas(login) == wanted_quotas(PRINCIPALS)


@pytest.mark.parametrize("who", ["gateway", "strategy-demo"])
async def test_nobody_else_sets_quotas(kafka_server: RunningKafka, who: str) -> None:
    """S17: neither what it may take itself, nor what is left for the others."""
    with pytest.raises(AuthorisationError):
        await read_quotas(kafka_server.login(who))
    with pytest.raises(AuthorisationError):
        await write_quotas(kafka_server.login(who), {"strategy-demo": {PRODUCED: None}})


async def test_a_strategy_that_runs_wild_waits(kafka_server: RunningKafka) -> None:
    """S17: the broker slows a flood of intents down; who has no quota writes as much at once."""

    def flood(who: str, batches: int) -> tuple[int, bool]:
        """Write until the broker makes us wait; gives how many batches that took."""
        waits: list[float] = []
        hear: Any = {"throttle_cb": lambda event: waits.append(event.throttle_time)}
        producer = Producer({**kafka_server.client_options(who), **hear})
        for done in range(batches):
            for _ in range(200):
                producer.produce(INTENTS, b"x" * 8_000, partition=2)
            assert producer.flush(60) == 0
            if any(waits):
                return done + 1, True
        return batches, False

    took, has_waited = await asyncio.to_thread(flood, "strategy-demo", 40)
    assert has_waited
    assert await asyncio.to_thread(flood, "op-local", took) == (took, False)
    kafka_server.recreate_topics()


def add_rows(admin: AdminClient, rows: list[AclBinding]) -> None:
    """Add ACL rows, and wait for the broker's own view, which follows the controller's."""
    for created in admin.create_acls(rows).values():
        created.result()
    anything: Any = None
    every = AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        anything,
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    while not set(rows) <= set(admin.describe_acls(every).result()):
        time.sleep(0.01)


def add_user(admin: AdminClient, user: UserScramCredentialUpsertion) -> None:
    """Add a user, and wait as `add_rows` does."""
    for created in admin.alter_user_scram_credentials([user]).values():
        created.result()
    while user.user not in users(admin):
        time.sleep(0.01)


def users(admin: AdminClient) -> set[str]:
    found = admin.describe_user_scram_credentials()
    assert isinstance(found, Future), "asked without names, it answers once for all"
    return set(found.result())


async def test_on_a_shared_broker_strangers_keep_what_does_not_touch_spark(
    kafka_server: RunningKafka, passwords: dict[str, str]
) -> None:
    """A broker of somebody else: only rows on Spark's topics or of its principals go."""
    admin = kafka_server.admin()

    def row(name: str, who: str) -> AclBinding:
        return AclBinding(
            ResourceType.TOPIC,
            name,
            ResourcePatternType.LITERAL,
            f"User:{who}",
            "*",
            AclOperation.READ,
            AclPermissionType.ALLOW,
        )

    rows = [row("payroll", "clerk"), row(DECISIONS, "clerk"), row("payroll", "signer")]
    add_rows(admin, rows)
    login = kafka_server.login(PROVISIONER)
    shared = await provision(login, passwords, is_exclusive=False)
    assert shared.acls_removed == 2
    exclusive = await provision(login, passwords)
    assert exclusive.acls_removed == 1


async def test_another_number_of_partitions_stops_the_start(
    kafka_server: RunningKafka, passwords: dict[str, str]
) -> None:
    """R16: partitions are never added behind the back of a stage."""
    grown = [
        dataclasses.replace(topic, partitions=topic.partitions + 1)
        for topic in TOPICS
        if topic.name == DECISIONS
    ]
    with pytest.raises(PartitionError, match=DECISIONS):
        await provision(kafka_server.login(PROVISIONER), passwords, topics=grown)


async def test_who_may_not_administrate_is_told_so(
    kafka_server: RunningKafka, passwords: dict[str, str]
) -> None:
    """S17: Cluster grants only for the provisioner; a role cannot create topics or grants."""
    new = [dataclasses.replace(TOPICS[0], name="orders.invented")]
    with pytest.raises(AuthorisationError):
        await provision(kafka_server.login("gateway"), passwords, topics=new)
