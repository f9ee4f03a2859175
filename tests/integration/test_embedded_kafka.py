"""The embedded broker: who may do what, what it keeps, what it does not tell."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
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

from spark.bus.kafka import KafkaBus, KafkaLogin
from spark.bus.port import Outgoing, Pace, Partition, Record
from spark.embedded.kafka import BROKER, CONTROLLER, KafkaServer
from spark.embedded.kafka_admin import wait_ready
from spark.embedded.provision import provision
from spark.errors import (
    AuthorisationError,
    BusUnavailable,
    PartitionError,
    SettingError,
    SparkError,
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
from tests.servers import RunningKafka

FIRST = 0


@pytest.fixture
def passwords(kafka_server: RunningKafka) -> dict[str, str]:
    return {principal: kafka_server.password(principal) for principal in PRINCIPALS}


@asynccontextmanager
async def connected(login: KafkaLogin) -> AsyncIterator[KafkaBus]:
    bus = KafkaBus(login)
    try:
        yield bus
    finally:
        await bus.close()


async def write(login: KafkaLogin, topic: str, *values: bytes) -> list[int]:
    async with connected(login) as bus:
        writer = await bus.writer([SIGNED])
        try:
            partition = Partition(topic, FIRST)
            return await writer.write([Outgoing(partition, None, value) for value in values])
        finally:
            await writer.close()


async def read(login: KafkaLogin, topic: str, count: int) -> list[Record]:
    async with connected(login) as bus:
        reader = await bus.reader({Partition(topic, FIRST): 0}, Pace.HOT)
        found: list[Record] = []
        try:
            while len(found) < count:
                found += await reader.read(1000)
        finally:
            await reader.close()
        return found


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


async def test_a_principal_without_a_row_is_refused(kafka_server: RunningKafka) -> None:
    """H3, S17: nobody is allowed by default; only the signer can write signed requests."""
    assert await write(kafka_server.login("signer"), SIGNED, b"sealed")
    for principal in ("strategy-demo", "guardrail", "gateway", PROVISIONER, CONTROLLER):
        with pytest.raises((AuthorisationError, BusUnavailable)):
            await write(kafka_server.login(principal), SIGNED, b"forged")
    for principal in ("strategy-demo", "guardrail"):
        refused = await asyncio.to_thread(first_answer, kafka_server, principal, SIGNED)
        assert refused == KafkaError.TOPIC_AUTHORIZATION_FAILED


def first_answer(kafka_server: RunningKafka, principal: str, topic: str) -> int | None:
    """Read as a principal, by a client that does not hide what the broker says."""
    consumer = Consumer({**kafka_server.client_options(principal), "group.id": principal})
    try:
        consumer.subscribe([topic])
        message = consumer.poll(15)
        assert message is not None, "neither a record nor a refusal"
        error = message.error()
        return None if error is None else error.code()
    finally:
        consumer.close()


async def test_a_topic_that_the_table_lacks_does_not_come_into_being(
    kafka_server: RunningKafka,
) -> None:
    """Nothing is auto-created, not even for a super user's producer."""
    login = kafka_server.login(BROKER)
    producer = Producer({**kafka_server.client_options(BROKER), "message.timeout.ms": 2000})
    failed: list[KafkaError | None] = []
    producer.produce("orders.typo", b"x", on_delivery=lambda error, _: failed.append(error))
    await asyncio.to_thread(producer.flush, 10)
    assert [error is None for error in failed] == [False]
    async with connected(login) as bus:
        assert await bus.topics(["orders.typo"]) == {}


async def test_the_broker_stamps_orders_and_control_whatever_the_writer_says(
    kafka_server: RunningKafka,
) -> None:
    """S1: LogAppendTime on orders.* and control*, so no strategy chooses its own time."""
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
    """S6, R9: no tombstone erases; a kill stands on disk before it is acknowledged."""
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
    """S17: a grant added by hand, transactions included, does not survive the next start."""
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
    for created in admin.alter_user_scram_credentials([stranger]).values():
        created.result()
    while "stranger" not in users(admin):
        time.sleep(0.01)
    done = await provision(kafka_server.login(PROVISIONER), passwords)
    assert (done.acls_removed, done.acls_added, done.topics_altered) == (len(rows), 0, 1)
    assert done.users_removed == 1
    with pytest.raises(AuthorisationError):
        await write(kafka_server.login("strategy-demo"), SIGNED, b"forged")


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


@pytest.mark.parametrize("principal", ["signer", "nobody"], ids=["wrong password", "no such user"])
async def test_a_wrong_password_is_one_line(kafka_server: RunningKafka, principal: str) -> None:
    """Bad input: a wrong Kafka password is one line that names the user."""
    login = KafkaLogin(kafka_server.bootstrap, principal, "wrong")
    with pytest.raises(AuthorisationError) as raised:
        await wait_ready(login, timeout_s=20)
    text = str(raised.value)
    assert principal in text
    assert "\n" not in text
    assert "wrong" not in text


async def test_who_may_not_administrate_is_told_so(
    kafka_server: RunningKafka, passwords: dict[str, str]
) -> None:
    """S17: Cluster grants only for the provisioner; a role cannot create topics or grants."""
    new = [dataclasses.replace(TOPICS[0], name="orders.invented")]
    with pytest.raises(AuthorisationError):
        await provision(kafka_server.login("gateway"), passwords, topics=new)


@pytest.mark.parametrize(
    "port", [lambda s: s.ports.client, lambda s: s.ports.controller], ids=["client", "controller"]
)
def test_nobody_speaks_to_either_listener_without_a_password(
    kafka_server: RunningKafka, port: Callable[[KafkaServer], int]
) -> None:
    """S15: the controller is authenticated, too."""
    address = f"127.0.0.1:{port(kafka_server.server)}"
    stranger = Producer({"bootstrap.servers": address, "log_level": 0, "message.timeout.ms": 1000})
    with pytest.raises(KafkaException):
        stranger.list_topics(timeout=2)


def test_it_listens_on_loopback_alone(kafka_server: RunningKafka) -> None:
    """Loopback by default; no JMX and no other port either."""
    listening = {
        (found.laddr.ip, found.laddr.port)
        for found in psutil.Process(kafka_server.process.pid).net_connections("tcp")
        if found.status == psutil.CONN_LISTEN
    }
    ports = kafka_server.server.ports
    assert {port for _, port in listening} == {ports.client, ports.controller}
    assert {address.removeprefix("::ffff:") for address, _ in listening} == {"127.0.0.1"}


def test_no_password_shows_outside_its_file(kafka_server: RunningKafka) -> None:
    """S15: not in the log, the process list, the environment or any generated file."""
    secrets = [kafka_server.password(name) for name in (*PRINCIPALS, BROKER, CONTROLLER)]
    process = psutil.Process(kafka_server.process.pid)
    shown = [kafka_server.process.log.read_text(encoding="utf-8"), *process.cmdline()]
    shown += process.environ().values()
    shown += [
        path.read_text(encoding="utf-8", errors="replace")
        for path in kafka_server.server.home.glob("*")
        if path.is_file()
    ]
    assert not [text for text in shown for secret in secrets if secret in text]
    assert not list((kafka_server.secrets.root / BROKER).glob("format*"))


def test_the_running_broker_cannot_be_attached_to(kafka_server: RunningKafka) -> None:
    """S15: the attach mechanism is off and there is no JMX."""
    arguments = psutil.Process(kafka_server.process.pid).cmdline()
    assert "-XX:+DisableAttachMechanism" in arguments
    assert not [argument for argument in arguments if "jmx" in argument.lower()]


async def test_acknowledged_records_survive_kill_9(kafka_server: RunningKafka) -> None:
    """What was acknowledged is there after kill -9, users and rows included."""
    kafka_server.recreate_topics()
    values = [b"%d" % number for number in range(500)]
    await write(kafka_server.login("signer"), SIGNED, *values)
    kafka_server.kill()
    kafka_server.start()
    found = await read(kafka_server.login("gateway"), SIGNED, len(values))
    assert [record.value for record in found] == values
    assert await write(kafka_server.login("signer"), SIGNED, b"next") == [len(values)]


async def test_a_second_start_keeps_the_data_also_on_other_ports(
    kafka_server: RunningKafka,
) -> None:
    """Twice in a row, with the former ports taken: formatted once, data kept."""
    kafka_server.recreate_topics()
    await write(kafka_server.login("signer"), SIGNED, b"before")
    kafka_server.stop()
    kafka_server.move()
    kafka_server.start()
    assert [r.value for r in await read(kafka_server.login("gateway"), SIGNED, 1)] == [b"before"]


async def test_a_broker_that_dies_is_not_waited_for(kafka_server: RunningKafka) -> None:
    """A start that cannot succeed ends at once with one line."""
    login = KafkaLogin("127.0.0.1:9", BROKER, "unused")
    with pytest.raises(BusUnavailable, match="died"):
        await wait_ready(login, lambda: False)


def test_a_home_whose_name_java_cannot_take_is_refused(
    kafka_server: RunningKafka, tmp_path: Path
) -> None:
    """One line for the few characters that Kafka's properties cannot hold."""
    with pytest.raises(SettingError, match="cannot use a path"):
        kafka_server.another(tmp_path / "a:b")


async def test_a_home_may_have_a_name_in_any_language(
    kafka_server: RunningKafka, tmp_path: Path
) -> None:
    """From any path: blanks and letters beyond ASCII reach Java whole."""
    server = kafka_server.another(tmp_path / "ev dağ 😀")
    await server.prepare()
    await server.prepare()
    text = (server.home / "server.properties").read_text(encoding="ascii")
    assert r"\u011f" in text
    assert (server.home / "data" / "meta.properties").is_file()


async def test_a_format_that_fails_is_one_line_and_leaves_nothing(
    kafka_server: RunningKafka, tmp_path: Path
) -> None:
    """A torn format never counts as data, and its output, full of keys, is shown to nobody."""
    server = kafka_server.another(tmp_path)
    server.jars = server.jars[:1]
    with pytest.raises(SparkError) as raised:
        await server.prepare()
    assert "\n" not in str(raised.value)
    assert not (server.home / "data").exists()
    assert not list((server.secrets.root / BROKER).glob("format*"))
