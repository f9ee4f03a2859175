"""
Quotas of a broker's users, which no Python client has a call for (S17).

Source: Kafka protocol guide, DescribeClientQuotas 0 and AlterClientQuotas 0.
"""

from collections.abc import Mapping
from typing import Final

from aiokafka.protocol.admin import DescribeClientQuotasRequest_v0
from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Float64, Int16, Int32, Schema, String

from spark.bus.kafka import KafkaLogin
from spark.bus.kafka_wire import REFUSALS, wire
from spark.errors import AuthorisationError, BusUnavailable

#: What may be limited, for each broker: bytes a second, and per cent of one of its threads.
PRODUCED: Final = "producer_byte_rate"
CONSUMED: Final = "consumer_byte_rate"
REQUESTS: Final = "request_percentage"

_USER: Final = "user"
_ANY_NAMED: Final = 2
_KEY: Final = 49
_VERSION: Final = 0
_TEXT: Final = String("utf-8")
_ENTITY: Final = Array(("entity_type", _TEXT), ("entity_name", _TEXT))


class _AlterClientQuotasResponse(Response):  # type: ignore[misc]  # aiokafka carries no types
    API_KEY = _KEY
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("entries", Array(("error_code", Int16), ("error_message", _TEXT), ("entity", _ENTITY))),
    )


class _AlterClientQuotasRequest(RequestStruct):  # type: ignore[misc]  # as above
    API_KEY = _KEY
    API_VERSION = _VERSION
    RESPONSE_TYPE = _AlterClientQuotasResponse
    SCHEMA = Schema(
        (
            "entries",
            Array(
                ("entity", _ENTITY),
                ("ops", Array(("key", _TEXT), ("value", Float64), ("remove", Boolean))),
            ),
        ),
        ("validate_only", Boolean),
    )


async def read_quotas(login: KafkaLogin) -> dict[str, dict[str, float]]:
    """
    Read the quotas that name a user and nothing else.

    Raises:
        AuthorisationError: the login may not ask.
        BusUnavailable: no answer, or another refusal; its text says which.

    """
    async with wire(login) as connection:
        answer = await connection.ask(
            DescribeClientQuotasRequest_v0([(_USER, _ANY_NAMED, None)], True)  # noqa: FBT003  (strict)
        )
    _check(answer.error_code, answer.error_message)
    return {entity[0][1]: dict(values) for entity, values in answer.entries or ()}


async def write_quotas(
    login: KafkaLogin, changes: Mapping[str, Mapping[str, float | None]]
) -> None:
    """Set users' quotas; None takes one away; raises as `read_quotas`."""
    async with wire(login) as connection:
        answer = await connection.ask(alteration(changes))
    for code, message, _ in answer.entries:
        _check(code, message)


def alteration(
    changes: Mapping[str, Mapping[str, float | None]], *, is_checked_only: bool = False
) -> RequestStruct:
    """Write the request of `write_quotas`; with `is_checked_only` the broker changes nothing."""
    entries = [
        ([(_USER, user)], [(key, value or 0.0, value is None) for key, value in wanted.items()])
        for user, wanted in changes.items()
    ]
    return _AlterClientQuotasRequest(entries, is_checked_only)


def _check(code: int, message: str | None) -> None:
    if code in REFUSALS:
        raise AuthorisationError("Kafka refuses to show or set quotas: the right is missing")
    if code:
        raise BusUnavailable(f"Kafka refuses quotas: error {code} {message or ''}".rstrip())
