"""The embedded broker: who may do what, what it keeps, what it does not tell."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from spark.bus.kafka import KafkaLogin
from spark.embedded.kafka import BROKER, CONTROLLER, KafkaServer
from spark.embedded.kafka_admin import wait_ready
from spark.errors import (
    AuthorisationError,
    BusUnavailable,
    SettingError,
    SparkError,
)
from spark.topics import (
    PRINCIPALS,
    PROVISIONER,
    SIGNED,
)
from tests.records import connected, read, write
from tests.servers import RunningKafka


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
