"""
The requests with which an operation is tried at a broker, and how each answer is read.

Where a request can be checked only, without being carried out, it is; what is carried
out all the same (a record, a deleted topic) belongs on a stack that is thrown away.
Source: Kafka protocol guide; the version is in the class's name.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.protocol.admin import (
    AlterConfigsRequest_v0,
    CreatePartitionsRequest_v0,
    CreateTopicsRequest_v2,
    DeleteAclsRequest_v1,
    DeleteGroupsRequest_v0,
    DeleteRecordsRequest_v0,
    DeleteTopicsRequest_v1,
    DescribeAclsRequest_v1,
    DescribeClientQuotasRequest_v0,
    DescribeConfigsRequest_v1,
    DescribeGroupsRequest_v0,
)
from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.commit import OffsetCommitRequest_v2
from aiokafka.protocol.coordination import FindCoordinatorRequest_v1
from aiokafka.protocol.fetch import FetchRequest_v4
from aiokafka.protocol.group import JoinGroupRequest_v2
from aiokafka.protocol.metadata import MetadataRequest_v4
from aiokafka.protocol.produce import ProduceRequest_v3
from aiokafka.protocol.transaction import InitProducerIdRequest_v0
from aiokafka.protocol.types import (
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from spark.bus.kafka_quotas import PRODUCED, alteration

TOPIC: Final = "topic"
GROUP: Final = "group"
TRANSACTION: Final = "transactional id"
CLUSTER: Final = "cluster"

_OK: Final = frozenset({0})
_UNKNOWN_TOPIC: Final = 3
_SEEN: Final = _OK | {_UNKNOWN_TOPIC}
#: Its coordinator is being made or loaded, which it is only for who may ask.
_COORDINATED: Final = _OK | {14, 15, 16}
_OFFSET_OUT_OF_RANGE: Final = 1
_INVALID_SESSION_TIMEOUT: Final = 26
_TOPIC_EXISTS: Final = 36
_INVALID_PARTITIONS: Final = 37
_GROUP_NOT_FOUND: Final = 69
_USER_NOT_FOUND: Final = 91
_TIMEOUT_MS: Final = 15_000
_TOPIC_TYPE: Final = 2
_BROKER_TYPE: Final = 4
_BYTES_MAX: Final = 1 << 16
_BATCH_BYTES: Final = 1_024
#: More than any topic of the table has.
_MANY_PARTITIONS: Final = 64
_ANY: Final = 1
_LITERAL: Final = 3
_FOR_GROUPS: Final = 0
_FOR_TRANSACTIONS: Final = 1
_SCRAM_SHA_512: Final = 2
#: Nobody and nothing has this name.
_NOBODY: Final = "spark.access.nobody"
#: Every principal of the table may read it, so that a refused commit is about the group.
_COMMON_TOPIC: Final = "control.pulse"
#: A setting that every topic has, and a broker, too.
_SETTINGS: Final = {_TOPIC_TYPE: "retention.ms", _BROKER_TYPE: "log.retention.ms"}

Codes = Iterable[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Try:
    """One operation: how it is asked and how the answer is read."""

    build: Callable[[Sequence[str]], RequestStruct]
    #: The error code by name.
    read: Callable[[Any, Sequence[str]], Codes]
    #: Codes that come after the authoriser only.
    passed: frozenset[int]
    #: The request has room for one name.
    is_single: bool = False


class _AlterUsersResponse(Response):  # type: ignore[misc]  # aiokafka carries no types
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterUsersRequest(RequestStruct):  # type: ignore[misc]  # as above
    FLEXIBLE_VERSION = True
    API_KEY = 51
    API_VERSION = 0
    RESPONSE_TYPE = _AlterUsersResponse
    SCHEMA = Schema(
        (
            "deletions",
            CompactArray(
                ("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields)
            ),
        ),
        (
            "upsertions",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


def _fetch(names: Sequence[str]) -> RequestStruct:
    topics = [(name, [(0, 0, _BYTES_MAX)]) for name in names]
    return FetchRequest_v4(-1, 0, 0, _BYTES_MAX, 0, topics)


def _produce(names: Sequence[str], transaction: str | None = None) -> RequestStruct:
    batch = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=transaction is not None,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=_BATCH_BYTES,
    )
    batch.append(0, None, None, _NOBODY.encode(), [])
    body = bytes(batch.build())
    topics = [(name, [(0, body)]) for name in names]
    return ProduceRequest_v3(transaction, -1, _TIMEOUT_MS, topics)


def _create_topics(names: Sequence[str]) -> RequestStruct:
    topics: list[tuple[str, int, int, list[int], list[str]]] = [
        (name, 1, 1, [], []) for name in names
    ]
    return CreateTopicsRequest_v2(topics, _TIMEOUT_MS, True)  # noqa: FBT003  (only checked)


def _create_partitions(names: Sequence[str]) -> RequestStruct:
    topics = [(name, (_MANY_PARTITIONS, None)) for name in names]
    return CreatePartitionsRequest_v0(topics, _TIMEOUT_MS, True)  # noqa: FBT003  (only checked)


def _delete_records(names: Sequence[str]) -> RequestStruct:
    return DeleteRecordsRequest_v0([(name, [(0, 0)]) for name in names], _TIMEOUT_MS)


def _describe_settings(kind: int, names: Sequence[str]) -> RequestStruct:
    return DescribeConfigsRequest_v1([(kind, name, [_SETTINGS[kind]]) for name in names], False)  # noqa: FBT003


def _alter_settings(kind: int, names: Sequence[str]) -> RequestStruct:
    entries = [(_SETTINGS[kind], "-1")]
    return AlterConfigsRequest_v0([(kind, name, entries) for name in names], True)  # noqa: FBT003


def _commit(names: Sequence[str]) -> RequestStruct:
    return OffsetCommitRequest_v2(names[0], -1, "", -1, [(_COMMON_TOPIC, [(0, 0, "")])])


def _join(names: Sequence[str]) -> RequestStruct:
    # No member may be so short of time: whoever may join is told so, and joins nothing.
    return JoinGroupRequest_v2(names[0], 1, 1, "", "consumer", [("range", b"")])


def _delete_rows(_: Sequence[str]) -> RequestStruct:
    return DeleteAclsRequest_v1([(_TOPIC_TYPE, _NOBODY, _LITERAL, None, None, _ANY, _ANY)])


def _alter_users(_: Sequence[str]) -> RequestStruct:
    return _AlterUsersRequest([(_NOBODY, _SCRAM_SHA_512, {})], [], {})


def _rows(answer: Any, names: Sequence[str]) -> Codes:  # noqa: ANN401  (aiokafka carries no types)
    """Read `[(name, code, …)]` of the response's last field."""
    del names
    return [(row[0], row[1]) for row in _last(answer)]


def _rows_backwards(answer: Any, names: Sequence[str]) -> Codes:  # noqa: ANN401  (as above)
    """Read `[(code, name, …)]`."""
    del names
    return [(row[1], row[0]) for row in _last(answer)]


def _setting_rows(answer: Any, names: Sequence[str]) -> Codes:  # noqa: ANN401  (as above)
    """Read `[(code, text, type, name, …)]`."""
    del names
    return [(row[3], row[0]) for row in answer.resources]


def _deleted_records(answer: Any, names: Sequence[str]) -> Codes:  # noqa: ANN401  (as above)
    del names
    return [(name, rows[0][2]) for name, rows in answer.topics]


def _partition_rows(answer: Any, names: Sequence[str]) -> Codes:  # noqa: ANN401  (as above)
    """Read `[(name, [(partition, code, …)])]`."""
    del names
    return [(name, rows[0][1]) for name, rows in answer.topics]


def _committed(answer: Any, names: Sequence[str]) -> Codes:  # noqa: ANN401  (as above)
    return [(names[0], rows[0][1]) for _, rows in answer.topics]


def _whole(answer: Any, names: Sequence[str]) -> Codes:  # noqa: ANN401  (as above)
    """Read a response that has one code for everything."""
    return [(name, answer.error_code) for name in names]


def _first_row(answer: Any, names: Sequence[str]) -> Codes:  # noqa: ANN401  (as above)
    """Read the code of the one row that was asked for."""
    return [(name, answer.filter_responses[0][0]) for name in names]


def _altered_quotas(answer: Any, names: Sequence[str]) -> Codes:  # noqa: ANN401  (as above)
    return [(names[0], entry[0]) for entry in answer.entries]


def _altered_users(answer: Any, names: Sequence[str]) -> Codes:  # noqa: ANN401  (as above)
    return [(name, answer.results[0][1]) for name in names]


def _in_transaction(answer: Any, names: Sequence[str]) -> Codes:  # noqa: ANN401  (as above)
    return [(names[0], rows[0][1]) for _, rows in answer.topics]


def _last(answer: Any) -> Any:  # noqa: ANN401  (as above)
    return getattr(answer, answer.SCHEMA.names[-1])


TRIES: Final[dict[tuple[str, str], Try]] = {
    (TOPIC, "describe"): Try(
        lambda names: MetadataRequest_v4(list(names), False),  # noqa: FBT003  (makes no topic)
        _rows_backwards,
        # Partitions without a leader: it is being made.
        _SEEN | {5},
    ),
    (TOPIC, "read"): Try(_fetch, _partition_rows, _SEEN | {_OFFSET_OUT_OF_RANGE}),
    (TOPIC, "write"): Try(_produce, _partition_rows, _SEEN),
    (TOPIC, "create"): Try(_create_topics, _rows, _OK | {_TOPIC_EXISTS}),
    (TOPIC, "alter"): Try(_create_partitions, _rows, _SEEN | {_INVALID_PARTITIONS}),
    (TOPIC, "describe configs"): Try(
        lambda names: _describe_settings(_TOPIC_TYPE, names), _setting_rows, _SEEN
    ),
    (TOPIC, "alter configs"): Try(
        lambda names: _alter_settings(_TOPIC_TYPE, names), _setting_rows, _SEEN
    ),
    (TOPIC, "delete records"): Try(_delete_records, _deleted_records, _SEEN),
    (TOPIC, "delete"): Try(
        lambda names: DeleteTopicsRequest_v1(list(names), _TIMEOUT_MS), _rows, _SEEN
    ),
    (GROUP, "find"): Try(
        lambda names: FindCoordinatorRequest_v1(names[0], _FOR_GROUPS),
        _whole,
        _COORDINATED,
        is_single=True,
    ),
    (GROUP, "describe"): Try(
        lambda names: DescribeGroupsRequest_v0(list(names)), _rows_backwards, _COORDINATED
    ),
    (GROUP, "join"): Try(_join, _whole, _COORDINATED | {_INVALID_SESSION_TIMEOUT}, is_single=True),
    (GROUP, "commit"): Try(_commit, _committed, _COORDINATED, is_single=True),
    (GROUP, "delete"): Try(
        lambda names: DeleteGroupsRequest_v0(list(names)), _rows, _COORDINATED | {_GROUP_NOT_FOUND}
    ),
    (TRANSACTION, "find"): Try(
        lambda names: FindCoordinatorRequest_v1(names[0], _FOR_TRANSACTIONS),
        _whole,
        _COORDINATED,
        is_single=True,
    ),
    (TRANSACTION, "begin"): Try(
        lambda names: InitProducerIdRequest_v0(names[0], _TIMEOUT_MS),
        _whole,
        _COORDINATED,
        is_single=True,
    ),
    (TRANSACTION, "write"): Try(
        lambda names: _produce([_COMMON_TOPIC], names[0]), _in_transaction, _OK, is_single=True
    ),
    (CLUSTER, "idempotent write"): Try(
        lambda _: InitProducerIdRequest_v0(None, _TIMEOUT_MS), _whole, _COORDINATED
    ),
    (CLUSTER, "describe acls"): Try(
        lambda _: DescribeAclsRequest_v1(_ANY, None, _ANY, None, None, _ANY, _ANY), _whole, _OK
    ),
    (CLUSTER, "delete acls"): Try(_delete_rows, _first_row, _OK),
    (CLUSTER, "alter users"): Try(_alter_users, _altered_users, _OK | {_USER_NOT_FOUND}),
    (CLUSTER, "describe quotas"): Try(
        lambda _: DescribeClientQuotasRequest_v0([], False),  # noqa: FBT003  (not strict)
        _whole,
        _OK,
    ),
    (CLUSTER, "alter quotas"): Try(
        lambda _: alteration({"nobody": {PRODUCED: 1.0}}, is_checked_only=True),
        _altered_quotas,
        _OK,
    ),
    (CLUSTER, "describe configs"): Try(
        lambda names: _describe_settings(_BROKER_TYPE, names), _setting_rows, _OK
    ),
    (CLUSTER, "alter configs"): Try(
        lambda names: _alter_settings(_BROKER_TYPE, names), _setting_rows, _OK
    ),
}
