"""
Makes a broker's topics, users and ACLs equal to the table in spark/topics.py.

The only importer of confluent-kafka. Everything here may be repeated: what is
right stays, what differs is set, ACL rows that the table does not have go.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    TopicMetadata,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from spark.bus.kafka import KafkaLogin
from spark.embedded.acls import PROVISIONER_ACLS, Acl, Operation, Resource, wanted_acls
from spark.errors import AuthorisationError, BusUnavailable, PartitionError, SparkError
from spark.topics import PROVISIONER, TOPICS, Topic

_REQUEST_TIMEOUT_S: Final = 15.0
_POLL_S: Final = 0.1
_SCRAM_ITERATIONS: Final = 4096
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """What a run changed; all zero when the broker already was as the table says."""

    topics_created: int
    topics_altered: int
    acls_added: int
    acls_removed: int
    users_removed: int


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
    client = _connect(login, refused)
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
        await asyncio.sleep(_POLL_S)


async def grant_provisioner(login: KafkaLogin) -> None:
    """
    Give the provisioner its rows; needs a super user's login, on a new broker.
    """
    await asyncio.to_thread(_grant_provisioner, login)


async def provision(
    login: KafkaLogin,
    passwords: Mapping[str, str],
    *,
    topics: Collection[Topic] = TOPICS,
    replicas: int = 1,
    is_exclusive: bool = True,
) -> Provisioned:
    """
    Make topics, users and ACLs equal to the table.

    Args:
        login: the provisioner's.
        passwords: of every principal of the table.
        is_exclusive: Spark has this broker for itself, so users and rows of strangers
            go as well; otherwise only rows on Spark's topics or of its principals.

    Raises:
        PartitionError: a topic exists with another number of partitions (R16).
        AuthorisationError: the login may not do this.
        BusUnavailable: no answer in time; repeat.
    """
    run = _Provisioning(_connect(login, []), tuple(topics), passwords)
    return await asyncio.to_thread(run.apply, replicas=replicas, is_exclusive=is_exclusive)


class _Provisioning:
    def __init__(
        self, client: AdminClient, topics: tuple[Topic, ...], passwords: Mapping[str, str]
    ) -> None:
        self.client = client
        self.topics = topics
        self.passwords = passwords

    def apply(self, *, replicas: int, is_exclusive: bool) -> Provisioned:
        created = self._create_topics(replicas)
        altered = self._alter_topics()
        # Rows before users: nobody new logs in before the rows that bound it are right.
        added, removed = self._set_acls(is_exclusive=is_exclusive)
        users_removed = self._set_users(is_exclusive=is_exclusive)
        return Provisioned(
            topics_created=created,
            topics_altered=altered,
            acls_added=added,
            acls_removed=removed,
            users_removed=users_removed,
        )

    def _create_topics(self, replicas: int) -> int:
        found = _call(lambda: self.client.list_topics(timeout=_REQUEST_TIMEOUT_S)).topics
        for topic in self.topics:
            if topic.name in found and len(found[topic.name].partitions) != topic.partitions:
                raise PartitionError(
                    f"topic {topic.name} has {len(found[topic.name].partitions)} partitions, "
                    f"the table says {topic.partitions}; a change needs a stop of every stage"
                )
        missing = [
            NewTopic(topic.name, topic.partitions, replicas, config=topic_config(topic))
            for topic in self.topics
            if topic.name not in found
        ]
        if missing:
            _results(self.client.create_topics(missing, request_timeout=_REQUEST_TIMEOUT_S))
            self._await_topics()
        return len(missing)

    def _await_topics(self) -> None:
        """
        Wait for the broker: the controller answers before the broker's own view follows.
        """
        deadline = time.monotonic() + _REQUEST_TIMEOUT_S
        while True:
            found = _call(lambda: self.client.list_topics(timeout=_REQUEST_TIMEOUT_S)).topics
            if all(topic.name in found and _is_led(found[topic.name]) for topic in self.topics):
                return
            if time.monotonic() > deadline:
                raise BusUnavailable("Kafka made the topics but does not show them; try again")
            time.sleep(_POLL_S)

    def _alter_topics(self) -> int:
        resources = [ConfigResource(ResourceType.TOPIC, topic.name) for topic in self.topics]
        found = _results(
            self.client.describe_configs(resources, request_timeout=_REQUEST_TIMEOUT_S)
        )
        changes = []
        for resource, entries in found.items():
            topic = next(topic for topic in self.topics if topic.name == resource.name)
            wanted = topic_config(topic)
            different = [
                ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                for name, value in wanted.items()
                if entries[name].value != value
            ]
            stray = [
                ConfigEntry(name, None, incremental_operation=AlterConfigOpType.DELETE)
                for name, entry in entries.items()
                if name not in wanted and entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
            ]
            if different or stray:
                changes.append(
                    ConfigResource(
                        ResourceType.TOPIC, topic.name, incremental_configs=different + stray
                    )
                )
        if changes:
            _results(
                self.client.incremental_alter_configs(changes, request_timeout=_REQUEST_TIMEOUT_S)
            )
        return len(changes)

    def _set_acls(self, *, is_exclusive: bool) -> tuple[int, int]:
        wanted = {_binding(acl) for acl in wanted_acls(self.topics, self.passwords.keys())}
        rows = self.client.describe_acls(_any_row(), request_timeout=_REQUEST_TIMEOUT_S)
        found = set(_result(rows))
        stray = {row for row in found - wanted if is_exclusive or self._is_ours(row)}
        if stray:
            filters = [_exactly(row) for row in stray]
            _results(self.client.delete_acls(filters, request_timeout=_REQUEST_TIMEOUT_S))
        missing = list(wanted - found)
        if missing:
            _results(self.client.create_acls(missing, request_timeout=_REQUEST_TIMEOUT_S))
        return len(missing), len(stray)

    def _is_ours(self, row: AclBinding) -> bool:
        return row.principal.removeprefix("User:") in self.passwords or (
            row.restype == ResourceType.TOPIC and row.name in {topic.name for topic in self.topics}
        )

    def _set_users(self, *, is_exclusive: bool) -> int:
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _SCRAM_ITERATIONS)
        changes: list[Any] = [
            UserScramCredentialUpsertion(name, info, password.encode())
            for name, password in self.passwords.items()
        ]
        users = self.client.describe_user_scram_credentials(request_timeout=_REQUEST_TIMEOUT_S)
        assert isinstance(users, Future), "asked without names, it answers once for all"
        found = _result(users)
        strangers = set(found) - set(self.passwords) - {PROVISIONER, "broker"}
        if is_exclusive:
            changes += [
                UserScramCredentialDeletion(name, credential.mechanism)
                for name in strangers
                for credential in found[name].scram_credential_infos
            ]
        _results(
            self.client.alter_user_scram_credentials(changes, request_timeout=_REQUEST_TIMEOUT_S)
        )
        return len(strangers) if is_exclusive else 0


def topic_config(topic: Topic) -> dict[str, str]:
    """
    Say how the broker must keep a topic.
    """
    config = {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime" if topic.append_time else "CreateTime",
        "retention.ms": str(topic.retention_ms),
        "retention.bytes": "-1",
        "max.message.bytes": str(topic.message_bytes_max),
    }
    if topic.flush_each:
        config["flush.messages"] = "1"
    return config


def _grant_provisioner(login: KafkaLogin) -> None:
    rows = [_binding(acl) for acl in PROVISIONER_ACLS]
    client = _connect(login, [])
    _results(client.create_acls(rows, request_timeout=_REQUEST_TIMEOUT_S))


def _connect(login: KafkaLogin, refused: list[str]) -> AdminClient:
    def on_error(error: KafkaError) -> None:
        if error.code() in _REFUSALS:
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


def _is_ready(client: AdminClient) -> bool:
    try:
        metadata = client.list_topics(timeout=_POLL_S * 5)
    except KafkaException:
        # Not up yet, or refused: the callback, which poll() runs, knows which.
        client.poll(0)
        return False
    return bool(metadata.brokers) and all(map(_is_led, metadata.topics.values()))


def _is_led(topic: TopicMetadata) -> bool:
    return bool(topic.partitions) and all(
        partition.leader >= 0 for partition in topic.partitions.values()
    )


def _binding(acl: Acl) -> AclBinding:
    return AclBinding(
        _RESOURCE[acl.resource],
        acl.name,
        ResourcePatternType.LITERAL,
        f"User:{acl.principal}",
        "*",
        _OPERATION[acl.operation],
        AclPermissionType.ALLOW,
    )


def _any_row() -> AclBindingFilter:
    # The stub knows no None, the wire's word for "any".
    anything: Any = None
    return AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        anything,
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def _exactly(row: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        row.restype,
        row.name,
        row.resource_pattern_type,
        row.principal,
        row.host,
        row.operation,
        row.permission_type,
    )


def _results(futures: Mapping[_T, "Future[Any]"]) -> dict[_T, Any]:
    return {key: _result(future) for key, future in futures.items()}


def _result(future: "Future[_T]") -> _T:
    return _call(lambda: future.result(timeout=_REQUEST_TIMEOUT_S + 5))


def _call(ask: Callable[[], _T]) -> _T:
    try:
        return ask()
    except KafkaException as error:
        raise _translate(error.args[0]) from error
    except TimeoutError:
        raise BusUnavailable("Kafka did not answer the provisioner in time") from None


def _translate(error: KafkaError) -> SparkError:
    if error.code() in _REFUSALS:
        return AuthorisationError(f"Kafka refused the provisioner: {error.str()}")
    return BusUnavailable(f"Kafka did not do what the provisioner asked: {error.str()}")


_RESOURCE: Final = {
    Resource.TOPIC: ResourceType.TOPIC,
    Resource.GROUP: ResourceType.GROUP,
    Resource.CLUSTER: ResourceType.BROKER,
}
_OPERATION: Final = {operation: AclOperation[operation.name] for operation in Operation}
