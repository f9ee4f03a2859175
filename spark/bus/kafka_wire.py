"""
One connection for requests that the client libraries have no call for.

A request is built in the one version that it is written in; the answer is read by its code.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.api import RequestStruct

from spark.bus.kafka import KafkaLogin
from spark.errors import AuthorisationError, BusUnavailable

#: Topic, group, cluster and transactional id: the authoriser's four refusals.
REFUSALS: Final = frozenset({29, 30, 31, 53})
_TIMEOUT_MS: Final = 15_000


class Wire:
    """One principal's connection to one broker."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401  (aiokafka carries no types)
        self._connection = connection

    async def ask(self, request: RequestStruct) -> Any:  # noqa: ANN401  (as above)
        """
        Send a request.

        Raises:
            BusUnavailable: no answer.

        """
        name = type(request).__name__.strip("_").partition("Request")[0]
        try:
            return await self._connection.send(_Prepared(request))
        except (KafkaError, OSError, TimeoutError) as error:
            raise BusUnavailable(
                f"Kafka gave no answer to {name}: {type(error).__name__}"
            ) from error


@asynccontextmanager
async def wire(login: KafkaLogin) -> AsyncIterator[Wire]:
    """
    Log in once, for many requests, at the first of the addresses.

    Raises:
        AuthorisationError: the broker does not take the password.
        BusUnavailable: nobody answers.

    """
    host, _, port = login.bootstrap.partition(",")[0].strip().rpartition(":")
    try:
        connection = await create_conn(
            host,
            int(port),
            client_id=login.username,
            request_timeout_ms=_TIMEOUT_MS,
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_plain_username=login.username,
            sasl_plain_password=login.password,
        )
    except KafkaError as error:
        raise AuthorisationError(
            f"Kafka does not let {login.username} in: {type(error).__name__}"
        ) from error
    except (OSError, TimeoutError) as error:
        raise BusUnavailable(f"no Kafka at {login.bootstrap}: {error}") from error
    try:
        yield Wire(connection)
    finally:
        await connection.close()


class _Prepared:
    def __init__(self, struct: RequestStruct) -> None:
        self._struct = struct

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> RequestStruct:
        del versions  # the broker answers 35, and nothing matches, where it does not speak it
        return self._struct
