"""
Topic ids and our own authorised operations, which aiokafka's metadata (v5) lacks.

One Metadata v12 request, written with aiokafka's own wire types. Source: Kafka
protocol guide, Metadata API 12; ACL operation bits as in AclOperation.
"""

import uuid
from collections.abc import Sequence
from io import BytesIO
from typing import Final

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from spark.bus.port import TopicState
from spark.errors import BusUnavailable

_API_KEY: Final = 3
_API_VERSION: Final = 12
_NO_ERROR: Final = 0
_UUID_BYTES: Final = 16
#: Bit positions are the codes of Kafka's AclOperation.
_OPERATIONS: Final = {
    3: "read", 4: "write", 5: "create", 6: "delete", 7: "alter", 8: "describe",
    10: "describe_configs", 11: "alter_configs",
}  # fmt: skip


class _Uuid(AbstractType[uuid.UUID]):  # type: ignore[misc]  # aiokafka carries no types
    @classmethod
    def encode(cls, value: uuid.UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> uuid.UUID:
        return uuid.UUID(bytes=data.read(_UUID_BYTES))


class _MetadataResponse(Response):  # type: ignore[misc]  # as above
    API_KEY = _API_KEY
    API_VERSION = _API_VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorised_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _MetadataRequestStruct(RequestStruct):  # type: ignore[misc]  # as above
    FLEXIBLE_VERSION = True
    API_KEY = _API_KEY
    API_VERSION = _API_VERSION
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic_id", _Uuid),
                ("name", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorised_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequestStruct]):  # type: ignore[misc]  # as above
    API_KEY = _API_KEY

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def build(self, request_struct_class: type[_MetadataRequestStruct]) -> _MetadataRequestStruct:
        asked: list[tuple[uuid.UUID, str, dict[int, bytes]]] = [
            (uuid.UUID(int=0), name, {}) for name in self._names
        ]
        return request_struct_class(asked, False, True, {})  # noqa: FBT003  (wire order)


async def describe_topics(client: AIOKafkaClient, names: Sequence[str]) -> dict[str, TopicState]:
    """
    Ask a broker for topics' ids, partition counts and what we may do with them.

    Raises:
        KafkaError: as the client raises; the caller translates.
        BusUnavailable: no broker is known.

    """
    node = client.get_random_node()
    if node is None:
        raise BusUnavailable("no broker is known")
    response = await client.send(node, _MetadataRequest(names))
    return {
        name: TopicState(str(topic_id), len(partitions), _operations(bits))
        for error, name, topic_id, _, partitions, bits, _ in response.topics
        if error == _NO_ERROR
    }


def _operations(bits: int) -> frozenset[str]:
    return frozenset(name for code, name in _OPERATIONS.items() if bits >> code & 1)
