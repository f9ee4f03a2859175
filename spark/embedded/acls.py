"""Which ACL rows the broker must hold: one pure function of the table of topics."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from spark.topics import PROVISIONER, Topic

ANY_NAME: Final = "*"
CLUSTER_NAME: Final = "kafka-cluster"


class Resource(StrEnum):
    """What an ACL row is about; Kafka's TransactionalId is missing on purpose (S17)."""

    TOPIC = "topic"
    GROUP = "group"
    CLUSTER = "broker"


class Operation(StrEnum):
    """What may be done; READ and WRITE include DESCRIBE."""

    READ = "read"
    WRITE = "write"
    CREATE = "create"
    ALTER = "alter"
    DESCRIBE = "describe"
    DESCRIBE_CONFIGS = "describe_configs"
    ALTER_CONFIGS = "alter_configs"


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One row that allows, by literal name, from any host."""

    principal: str
    resource: Resource
    name: str
    operation: Operation


#: Everything else that a broker can do is left to its super users.
PROVISIONER_ACLS: Final = frozenset(
    {
        Acl(PROVISIONER, Resource.CLUSTER, CLUSTER_NAME, Operation.ALTER),
        Acl(PROVISIONER, Resource.CLUSTER, CLUSTER_NAME, Operation.CREATE),
        Acl(PROVISIONER, Resource.CLUSTER, CLUSTER_NAME, Operation.DESCRIBE),
        # Quotas.
        Acl(PROVISIONER, Resource.CLUSTER, CLUSTER_NAME, Operation.DESCRIBE_CONFIGS),
        Acl(PROVISIONER, Resource.CLUSTER, CLUSTER_NAME, Operation.ALTER_CONFIGS),
        Acl(PROVISIONER, Resource.TOPIC, ANY_NAME, Operation.DESCRIBE),
        Acl(PROVISIONER, Resource.TOPIC, ANY_NAME, Operation.DESCRIBE_CONFIGS),
        Acl(PROVISIONER, Resource.TOPIC, ANY_NAME, Operation.ALTER_CONFIGS),
    }
)


def wanted_acls(topics: Collection[Topic], principals: Collection[str]) -> frozenset[Acl]:
    """
    List every row that the table implies.

    A writer reads its own topic too, because it resumes from its own tail. Each
    principal has the one group that bears its name, for the offsets that a lag
    display shows. Any WRITE is enough for an idempotent producer.
    """
    reads = {
        Acl(principal, Resource.TOPIC, topic.name, Operation.READ)
        for topic in topics
        for principal in topic.readers | topic.writers
    }
    writes = {
        Acl(principal, Resource.TOPIC, topic.name, Operation.WRITE)
        for topic in topics
        for principal in topic.writers
    }
    groups = {Acl(principal, Resource.GROUP, principal, Operation.READ) for principal in principals}
    return frozenset(reads | writes | groups | PROVISIONER_ACLS)
