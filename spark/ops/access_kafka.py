"""
The broker's cells: principal by topic, group, transactional id, cluster by operation (S17).

What is expected follows from spark/topics.py directly, and not from the ACL rows that
were made of it: a row too many would otherwise be expected, too.
"""

from collections.abc import Mapping
from typing import Final

from spark.bus.kafka import KafkaLogin
from spark.bus.kafka_attempts import attempts
from spark.bus.kafka_tries import CLUSTER, TOPIC, TRIES
from spark.ops.access import Cell, Walked, by_row, compared
from spark.topics import PRINCIPALS, PROVISIONER, TOPICS

#: A topic that the table lacks, and one that is the broker's own.
INVENTED: Final = "orders.invented"
OFFSETS: Final = "__consumer_offsets"
#: The broker's number (deploy/kafka/server.properties).
_BROKER: Final = "1"
_WALKERS: Final = (*sorted(PRINCIPALS), PROVISIONER)
#: What the provisioner may, beside what everybody may not.
_PROVISIONERS: Final = {
    TOPIC: {"describe", "create", "describe configs", "alter configs"},
    CLUSTER: {
        "describe acls", "delete acls", "alter users", "describe quotas", "alter quotas",
        "describe configs", "alter configs",
    },
}  # fmt: skip
#: Any WRITE on any topic carries it, and no ACL row can take it away.
_ANY_WRITER: Final = "idempotent write"
#: What having the group of one's own name means.
_GROUP_READ: Final = frozenset({"find", "describe", "join", "commit"})


def kafka_table() -> dict[Cell, bool]:
    """Say for each cell whether it is allowed."""
    table: dict[Cell, bool] = {}
    for who in _WALKERS:
        for kind, operation in TRIES:
            for name in _names(who, kind, operation):
                cell = Cell(who, kind, name, operation)
                table[cell] = _is_allowed(cell)
    return table


async def walk_kafka(logins: Mapping[str, KafkaLogin]) -> Walked:
    """
    Try every cell; only for a broker that is thrown away.

    Args:
        logins: of every principal of the table, and of the provisioner.

    Raises:
        AuthorisationError: a password is not taken.
        BusUnavailable: no answer.

    """
    table = kafka_table()
    found: dict[Cell, str] = {}
    rows = by_row(table)
    for who in _WALKERS:
        async with attempts(logins[who]) as connection:
            # In the order of kafka_tries: what would destroy comes last.
            for kind, operation in TRIES:
                names = rows[who, kind, operation]
                answers = await connection.attempt(kind, operation, names)
                found |= {
                    Cell(who, kind, name, operation): answer for name, answer in answers.items()
                }
    return compared(table, found)


def _names(who: str, kind: str, operation: str) -> tuple[str, ...]:
    match kind:
        case "topic":
            # Whether what is not there may be deleted, nobody is told.
            invented = () if operation.startswith("delete") else (INVENTED,)
            return (*(topic.name for topic in TOPICS), OFFSETS, *invented)
        case "group":
            # Everybody's own, and one that only begins like one's own.
            return (*_WALKERS, f"{who}.more", f"g-{who}")
        case "transactional id":
            return (who, f"{who}.more", f"t-{who}")
        case _:
            return (_BROKER,)


def _is_allowed(cell: Cell) -> bool:
    who, kind, name, operation = cell
    if who == PROVISIONER:
        return operation in _PROVISIONERS.get(kind, ())
    match kind:
        case "topic":
            return _is_allowed_topic(who, name, operation)
        case "group":
            return name == who and operation in _GROUP_READ
        case "cluster":
            return operation == _ANY_WRITER
        case _:
            return False


def _is_allowed_topic(who: str, name: str, operation: str) -> bool:
    topic = next((topic for topic in TOPICS if topic.name == name), None)
    if topic is None:
        return False
    match operation:
        case "write":
            return who in topic.writers
        case "read" | "describe":
            # Whoever writes a topic resumes from its own tail.
            return who in topic.writers | topic.readers
        case _:
            return False
