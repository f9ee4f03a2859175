"""
Makes a broker's topics, users, ACLs and quotas equal to the table in spark/topics.py.

Everything here may be repeated: what is right stays, what differs is set, ACL
rows that the table does not have go.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Final

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
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from spark.bus.kafka import KafkaLogin
from spark.embedded.acls import PROVISIONER_ACLS, Acl, Operation, Resource, wanted_acls
from spark.embedded.kafka_admin import (
    POLL_S,
    REQUEST_TIMEOUT_S,
    ask,
    connect,
    create_topics,
    is_let_in,
    result,
    results,
)
from spark.embedded.quotas import set_quotas
from spark.errors import AuthorisationError, PartitionError
from spark.topics import PROVISIONER, TOPICS, Topic

_SCRAM_ITERATIONS: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """What a run changed; all zero when the broker already was as the table says."""

    topics_created: int
    topics_altered: int
    acls_added: int
    acls_removed: int
    users_removed: int
    quotas_changed: int


async def grant_provisioner(login: KafkaLogin) -> None:
    """
    Give the provisioner its rows; needs a super user's login, on a new broker.
    """
    await asyncio.to_thread(_grant_provisioner, login)


async def create_scratch_topics(
    login: KafkaLogin, names: Sequence[str], *, partitions: int = 1
) -> None:
    """
    Make topics outside the table, which only a super user may use: for measurements.

    Raises: as `provision`.
    """
    await asyncio.to_thread(_create_scratch_topics, login, names, partitions)


async def provision(
    login: KafkaLogin,
    passwords: Mapping[str, str],
    *,
    topics: Collection[Topic] = TOPICS,
    replicas: int = 1,
    is_exclusive: bool = True,
) -> Provisioned:
    """
    Make topics, users, ACLs and quotas equal to the table.

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
    run = _Provisioning(connect(login), tuple(topics), passwords)
    made = await asyncio.to_thread(
        run.apply, login.bootstrap, replicas=replicas, is_exclusive=is_exclusive
    )
    changed = await set_quotas(login, passwords.keys(), is_exclusive=is_exclusive)
    return replace(made, quotas_changed=changed)


class _Provisioning:
    def __init__(
        self, client: AdminClient, topics: tuple[Topic, ...], passwords: Mapping[str, str]
    ) -> None:
        self.client = client
        self.topics = topics
        self.passwords = passwords

    def apply(self, bootstrap: str, *, replicas: int, is_exclusive: bool) -> Provisioned:
        created = self._create_topics(replicas)
        altered = self._alter_topics()
        # Rows before users: nobody new logs in before the rows that bound it are right.
        added, removed = self._set_acls(is_exclusive=is_exclusive)
        users_removed = self._set_users(is_exclusive=is_exclusive)
        self._await_logins(bootstrap)
        return Provisioned(
            topics_created=created,
            topics_altered=altered,
            acls_added=added,
            acls_removed=removed,
            users_removed=users_removed,
            quotas_changed=0,
        )

    def _create_topics(self, replicas: int) -> int:
        found = ask(lambda: self.client.list_topics(timeout=REQUEST_TIMEOUT_S)).topics
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
            create_topics(self.client, missing)
        return len(missing)

    def _alter_topics(self) -> int:
        resources = [ConfigResource(ResourceType.TOPIC, topic.name) for topic in self.topics]
        found = results(self.client.describe_configs(resources, request_timeout=REQUEST_TIMEOUT_S))
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
            results(
                self.client.incremental_alter_configs(changes, request_timeout=REQUEST_TIMEOUT_S)
            )
        return len(changes)

    def _set_acls(self, *, is_exclusive: bool) -> tuple[int, int]:
        wanted = {binding(acl) for acl in wanted_acls(self.topics, self.passwords.keys())}
        rows = self.client.describe_acls(any_row(), request_timeout=REQUEST_TIMEOUT_S)
        found = set(result(rows))
        stray = {row for row in found - wanted if is_exclusive or self._is_ours(row)}
        if stray:
            filters = [_exactly(row) for row in stray]
            results(self.client.delete_acls(filters, request_timeout=REQUEST_TIMEOUT_S))
        missing = list(wanted - found)
        if missing:
            results(self.client.create_acls(missing, request_timeout=REQUEST_TIMEOUT_S))
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
        users = self.client.describe_user_scram_credentials(request_timeout=REQUEST_TIMEOUT_S)
        assert isinstance(users, Future), "asked without names, it answers once for all"
        found = result(users)
        strangers = set(found) - set(self.passwords) - {PROVISIONER, "broker"}
        if is_exclusive:
            changes += [
                UserScramCredentialDeletion(name, credential.mechanism)
                for name in strangers
                for credential in found[name].scram_credential_infos
            ]
        results(
            self.client.alter_user_scram_credentials(changes, request_timeout=REQUEST_TIMEOUT_S)
        )
        return len(strangers) if is_exclusive else 0

    def _await_logins(self, bootstrap: str) -> None:
        """
        Wait until every password counts: the controller answers before the broker knows it.

        A process that starts in between would be told that its password is wrong.
        """
        deadline = time.monotonic() + REQUEST_TIMEOUT_S
        for principal, password in self.passwords.items():
            client = connect(KafkaLogin(bootstrap, principal, password))
            while not is_let_in(client):
                if time.monotonic() > deadline:
                    raise AuthorisationError(f"Kafka does not take the new password of {principal}")
                time.sleep(POLL_S)


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
        # Else the limit is on what a writer compressed: a few KiB that every reader
        # unpacks to gigabytes (R20).
        "compression.type": "uncompressed",
    }
    if topic.flush_each:
        config["flush.messages"] = "1"
    return config


def _create_scratch_topics(login: KafkaLogin, names: Sequence[str], partitions: int) -> None:
    client = connect(login)
    # As on the order path: what is measured there is the time of the append.
    config = {"message.timestamp.type": "LogAppendTime"}
    create_topics(client, [NewTopic(name, partitions, 1, config=config) for name in names])


def _grant_provisioner(login: KafkaLogin) -> None:
    rows = [binding(acl) for acl in PROVISIONER_ACLS]
    client = connect(login)
    results(client.create_acls(rows, request_timeout=REQUEST_TIMEOUT_S))


def binding(acl: Acl) -> AclBinding:
    """
    Write a row of the table in the client's words.
    """
    return AclBinding(
        _RESOURCE[acl.resource],
        acl.name,
        ResourcePatternType.LITERAL,
        f"User:{acl.principal}",
        "*",
        _OPERATION[acl.operation],
        AclPermissionType.ALLOW,
    )


def any_row() -> AclBindingFilter:
    """
    Ask for every row.
    """
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


_RESOURCE: Final = {
    Resource.TOPIC: ResourceType.TOPIC,
    Resource.GROUP: ResourceType.GROUP,
    Resource.CLUSTER: ResourceType.BROKER,
}
_OPERATION: Final = {operation: AclOperation[operation.name] for operation in Operation}
