"""
Compares a broker with the table in spark/topics.py, changing nothing.

An unprivileged principal is told of no ACL row at all, without an error (S17), so
only the provisioner's answer means anything; it is asked for its own rows first.
"""

import asyncio
from collections.abc import Collection
from concurrent.futures import Future

from confluent_kafka.admin import AclBinding, AdminClient, ConfigResource, ResourceType

from spark.bus.kafka import KafkaLogin
from spark.embedded.acls import wanted_acls
from spark.embedded.kafka import BROKER
from spark.embedded.kafka_admin import REQUEST_TIMEOUT_S, ask, connect, result, results
from spark.embedded.provision import any_row, binding, topic_config
from spark.embedded.quotas import quota_differences
from spark.topics import PRINCIPALS, PROVISIONER, TOPICS, Topic


async def differences(login: KafkaLogin, *, topics: Collection[Topic] = TOPICS) -> list[str]:
    """
    Say in which ways a broker is not what the table says.

    Args:
        login: the provisioner's.

    Returns: a line for each difference; empty where there is none.

    Raises:
        AuthorisationError: the login may not ask.
        BusUnavailable: no answer in time.

    """
    lines = await asyncio.to_thread(_differences, connect(login), tuple(topics))
    return lines + await quota_differences(login, PRINCIPALS)


async def strangers(login: KafkaLogin) -> list[str]:
    """
    Say which users a broker has that no table names; raises as `differences`.

    Args:
        login: the provisioner's.

    """
    return await asyncio.to_thread(_strangers, connect(login))


def _strangers(client: AdminClient) -> list[str]:
    users = client.describe_user_scram_credentials(request_timeout=REQUEST_TIMEOUT_S)
    assert isinstance(users, Future), "asked without names, it answers once for all"
    found = set(result(users))
    unknown = sorted(found - PRINCIPALS - {PROVISIONER, BROKER})
    missing = sorted((PRINCIPALS | {PROVISIONER}) - found)
    return [f"user that the table does not have: {name}" for name in unknown] + [
        f"missing user: {name}" for name in missing
    ]


def _differences(client: AdminClient, topics: tuple[Topic, ...]) -> list[str]:
    return [*_topic_differences(client, topics), *_row_differences(client, topics)]


def _topic_differences(client: AdminClient, topics: tuple[Topic, ...]) -> list[str]:
    found = ask(lambda: client.list_topics(timeout=REQUEST_TIMEOUT_S)).topics
    lines = [f"topic {topic.name} is missing" for topic in topics if topic.name not in found]
    there = [topic for topic in topics if topic.name in found]
    lines += [
        f"topic {topic.name} has {len(found[topic.name].partitions)} partitions, "
        f"not {topic.partitions}"
        for topic in there
        if len(found[topic.name].partitions) != topic.partitions
    ]
    resources = [ConfigResource(ResourceType.TOPIC, topic.name) for topic in there]
    configs = results(client.describe_configs(resources, request_timeout=REQUEST_TIMEOUT_S))
    by_name = {topic.name: topic for topic in there}
    for resource, entries in configs.items():
        for name, wanted in topic_config(by_name[resource.name]).items():
            value = entries[name].value
            if value != wanted:
                lines.append(f"topic {resource.name}: {name} is {value}, not {wanted}")
    return lines


def _row_differences(client: AdminClient, topics: tuple[Topic, ...]) -> list[str]:
    wanted = {binding(acl) for acl in wanted_acls(topics, PRINCIPALS)}
    found = set(result(client.describe_acls(any_row(), request_timeout=REQUEST_TIMEOUT_S)))
    missing = [f"missing right: {_text(row)}" for row in wanted - found]
    stray = [f"right that the table does not give: {_text(row)}" for row in found - wanted]
    return sorted(missing) + sorted(stray)


def _text(row: AclBinding) -> str:
    return f"{row.principal} {_name(row.operation)} {_name(row.restype)} {row.name}"


def _name(member: object) -> str:
    return str(getattr(member, "name", member)).lower()
