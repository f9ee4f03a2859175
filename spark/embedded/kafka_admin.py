"""
Administration of a broker through confluent-kafka: connecting, asking, waiting.

With provision.py the only importer of that client: aiokafka has no call for ACLs
and users, and hides why a login failed.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic, TopicMetadata

from spark.bus.kafka import KafkaLogin
from spark.errors import AuthorisationError, BusUnavailable, SparkError

REQUEST_TIMEOUT_S: Final = 15.0
POLL_S: Final = 0.1
_T = TypeVar("_T")
_REFUSALS: Final = frozenset(
    {
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,  # noqa: SLF001  (librdkafka's own codes begin so)
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
    }
)


async def wait_ready(
    login: KafkaLogin, is_alive: Callable[[], bool] = lambda: True, *, timeout_s: float = 60
) -> None:
    """
    Wait until the broker serves: it is registered and each partition has its leader.

    Args:
        is_alive: asked between attempts; a broker that died is not waited for.

    Raises:
        AuthorisationError: the broker refused the user's password.
        BusUnavailable: it did not become ready in time, or died.
    """
    refused: list[str] = []
    client = connect(login, refused)
    deadline = time.monotonic() + timeout_s
    while not await asyncio.to_thread(_is_ready, client):
        if refused:
            raise AuthorisationError(
                f"Kafka at {login.bootstrap} refused the password of user {login.username}"
            )
        if not is_alive():
            raise BusUnavailable(f"Kafka at {login.bootstrap} died while it started; see its log")
        if time.monotonic() > deadline:
            raise BusUnavailable(f"Kafka at {login.bootstrap} is not ready after {timeout_s:g} s")
        await asyncio.sleep(POLL_S)


def connect(login: KafkaLogin, refused: list[str] | None = None) -> AdminClient:
    """
    Open a client; hold it while a request runs, or the request is cancelled.

    Args:
        refused: gets an entry for each time the broker refuses the password.
    """

    def on_error(error: KafkaError) -> None:
        if refused is not None and error.code() in _REFUSALS:
            refused.append(error.name())

    # The stub of the constructor has no word for callbacks.
    callbacks: dict[str, Any] = {"error_cb": on_error}
    return AdminClient(
        {
            "bootstrap.servers": login.bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": login.username,
            "sasl.password": login.password,
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 200,
            # librdkafka writes to fd 2 otherwise; the same news comes through on_error.
            "log_level": 0,
            **callbacks,
        }
    )


def is_let_in(client: AdminClient) -> bool:
    """
    Say whether the broker takes the client's password now.
    """
    try:
        return bool(client.list_topics(timeout=POLL_S * 5).brokers)
    except KafkaException:
        return False


def is_led(topic: TopicMetadata) -> bool:
    """
    Say whether every partition of a topic can be written.
    """
    return bool(topic.partitions) and all(
        partition.leader >= 0 for partition in topic.partitions.values()
    )


def create_topics(client: AdminClient, wanted: Sequence[NewTopic]) -> None:
    """
    Make topics and wait until the broker shows them; several tries where it has to be.

    A machine that stalls for longer than `broker.session.timeout.ms` costs the only broker
    its registration; until its next heartbeat no topic can be placed anywhere.

    Raises:
        AuthorisationError: the login may not do this.
        BusUnavailable: no answer in time, or no broker for them in all that time.

    """
    deadline = time.monotonic() + REQUEST_TIMEOUT_S
    left = list(wanted)
    while left := _not_placed(client, left, is_last=time.monotonic() > deadline):
        time.sleep(POLL_S)
    names = [topic.topic for topic in wanted]
    while not _are_shown(client, names):
        if time.monotonic() > deadline:
            raise BusUnavailable("Kafka made the topics but does not show them; try again")
        time.sleep(POLL_S)


def results(futures: Mapping[_T, "Future[Any]"]) -> dict[_T, Any]:
    """
    Wait for every answer; raises as `ask`.
    """
    return {key: result(future) for key, future in futures.items()}


def result(future: "Future[_T]") -> _T:
    """
    Wait for one answer; raises as `ask`.
    """
    return ask(lambda: future.result(timeout=REQUEST_TIMEOUT_S + 5))


def ask(question: Callable[[], _T]) -> _T:
    """
    Ask the broker something.

    Raises:
        AuthorisationError: the login may not do this.
        BusUnavailable: no answer in time, or another refusal; its text says which.
    """
    try:
        return question()
    except KafkaException as error:
        raise _translate(error.args[0]) from error
    except TimeoutError:
        raise BusUnavailable("Kafka did not answer the provisioner in time") from None


def _not_placed(
    client: AdminClient, wanted: Sequence[NewTopic], *, is_last: bool
) -> list[NewTopic]:
    """Try once; give back what no broker could take at this moment."""
    futures = client.create_topics(list(wanted), request_timeout=REQUEST_TIMEOUT_S)
    left = []
    for topic in wanted:
        try:
            result(futures[topic.topic])
        except BusUnavailable as error:
            if is_last or not _is_placeless(error.__cause__):
                raise
            left.append(topic)
    return left


def _is_placeless(error: BaseException | None) -> bool:
    return (
        isinstance(error, KafkaException)
        and error.args[0].code() == KafkaError.INVALID_REPLICATION_FACTOR
    )


def _are_shown(client: AdminClient, names: Sequence[str]) -> bool:
    # The controller answers before the broker's own view follows.
    found = ask(lambda: client.list_topics(timeout=REQUEST_TIMEOUT_S)).topics
    return all(name in found and is_led(found[name]) for name in names)


def _translate(error: KafkaError) -> SparkError:
    if error.code() in _REFUSALS:
        return AuthorisationError(f"Kafka refused the provisioner: {error.str()}")
    return BusUnavailable(f"Kafka did not do what the provisioner asked: {error.str()}")


def _is_ready(client: AdminClient) -> bool:
    try:
        metadata = client.list_topics(timeout=POLL_S * 5)
    except KafkaException:
        # Not up yet, or refused: the callback, which poll() runs, knows which.
        client.poll(0)
        return False
    return bool(metadata.brokers) and all(map(is_led, metadata.topics.values()))
