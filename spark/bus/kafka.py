"""
Kafka through aiokafka; besides the floor of the benches only the kafka_*.py import it.

What the client does that shapes this file (facts: kafka.md §1): one produce
request in flight for each broker, so a writer's call is one batch for each
partition; idempotent batches never expire, so a write has its own deadline; a
reader with an unread partition delays the others, so everything is drained at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)

from spark import topics as table
from spark.bus import kafka_connect, kafka_records
from spark.bus.kafka_metadata import describe_topics
from spark.bus.port import Headers, Outgoing, Pace, Partition, Record, TopicState
from spark.errors import AuthorisationError, BusUnavailable, PositionError, WriteError

_T = TypeVar("_T")
_Client: TypeAlias = AIOKafkaConsumer | AIOKafkaProducer
kafka_records.install()
kafka_connect.install()

_WRITE_DEADLINE_S: Final = 20.0
#: For a question; the client by itself would ask a broker that hangs for twice as long.
_ANSWER_DEADLINE_S: Final = 20.0
_BATCH_OVERHEAD_BYTES: Final = 1024
_REQUEST_BYTES_MAX: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Fetch:
    wait_ms: int
    bytes_min: int
    partition_bytes_max: int


_FETCH: Final = {
    # Long, because a hot reader has one partition: nothing that it holds can make
    # new data wait out another partition's poll (facts: kafka.md §1.4).
    Pace.HOT: _Fetch(wait_ms=1_000, bytes_min=1, partition_bytes_max=1 << 20),
    Pace.SHARED: _Fetch(wait_ms=50, bytes_min=1, partition_bytes_max=1 << 20),
    Pace.SIDE: _Fetch(wait_ms=100, bytes_min=1 << 16, partition_bytes_max=1 << 20),
    Pace.BULK: _Fetch(wait_ms=200, bytes_min=1 << 18, partition_bytes_max=4 << 20),
}


@dataclass(frozen=True, slots=True)
class KafkaLogin:
    """Where the cluster is and as whom; the password never shows."""

    bootstrap: str
    username: str
    password: str

    def __repr__(self) -> str:
        return f"KafkaLogin({self.bootstrap}, {self.username})"

    def options(self) -> dict[str, object]:
        """Give aiokafka's connection options."""
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
            "client_id": self.username,
            "retry_backoff_ms": 50,
            "metadata_max_age_ms": 60_000,
        }


class KafkaBus:
    """A way to one Kafka cluster as one principal."""

    def __init__(self, login: KafkaLogin) -> None:
        self._login = login
        #: All that was opened here and has not ended.
        self._live: set[_Client] = set()
        self._scout: AIOKafkaConsumer | None = None
        #: The topics whose leaders the scout keeps itself informed of.
        self._known: set[str] = set()
        #: Two questions at once must not open two scouts: nobody would close the first.
        self._scouts = asyncio.Lock()

    async def reader(self, positions: Mapping[Partition, int], pace: Pace) -> "KafkaReader":
        """Open a reader at the given offsets."""
        fetch = _FETCH[pace]
        consumer = AIOKafkaConsumer(
            **self._login.options(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=fetch.wait_ms,
            fetch_min_bytes=fetch.bytes_min,
            max_partition_fetch_bytes=fetch.partition_bytes_max,
        )
        await self._start(consumer)
        try:
            await self._check_readable(consumer, {partition.topic for partition in positions})
        except BaseException:
            await self._end(consumer)
            raise
        consumer.assign([TopicPartition(*partition) for partition in positions])
        reader = KafkaReader(consumer, partial(self._end, consumer))
        for partition, offset in positions.items():
            reader.seek(partition, offset)
        return reader

    async def writer(self, topics: Sequence[str]) -> "KafkaWriter":
        """Open an idempotent writer whose batches fit the smallest of these topics."""
        smallest = min(table.BY_NAME[name].message_bytes_max for name in topics)
        producer = AIOKafkaProducer(
            **self._login.options(),
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=smallest - _BATCH_OVERHEAD_BYTES,
            max_request_size=_REQUEST_BYTES_MAX,
        )
        await self._start(producer)
        return KafkaWriter(producer, partial(self._end, producer))

    async def ends(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """Ask for the next offset of each."""
        scout = await self._knowing(partitions)
        return _plain(await _asked(scout.end_offsets(_topic_partitions(partitions))))

    async def starts(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """Ask for the first offset held of each."""
        scout = await self._knowing(partitions)
        return _plain(await _asked(scout.beginning_offsets(_topic_partitions(partitions))))

    async def topics(self, names: Sequence[str]) -> dict[str, TopicState]:
        """Describe those that exist and that this principal may see."""
        scout = await self._scouting()
        return await _asked(describe_topics(scout._client, names))  # noqa: SLF001  (no public way)

    async def close(self) -> None:
        """Let go of the connection for questions, and of readers and writers left open."""
        self._scout = None
        self._known = set()
        try:
            while self._live:
                await self._end(next(iter(self._live)))
        finally:
            for left in self._live:
                kafka_connect.let_go(left)
            self._live.clear()

    async def _knowing(self, partitions: Sequence[Partition]) -> AIOKafkaConsumer:
        """Have the scout know where these are: by itself it learns one topic after each pause."""
        scout = await self._scouting()
        names = {partition.topic for partition in partitions}
        if not names <= self._known:
            self._known |= names
            await _asked(scout._client.set_topics(self._known))  # noqa: SLF001  (no public way)
        return scout

    async def _scouting(self) -> AIOKafkaConsumer:
        async with self._scouts:
            if self._scout is None:
                scout = AIOKafkaConsumer(
                    **self._login.options(), group_id=None, enable_auto_commit=False
                )
                await self._start(scout)
                self._scout = scout
            return self._scout

    async def _check_readable(self, consumer: AIOKafkaConsumer, names: set[str]) -> None:
        # aiokafka would ask for a forbidden or missing topic again and again, in silence.
        states = await _asked(describe_topics(consumer._client, sorted(names)))  # noqa: SLF001
        for name in sorted(names):
            if name not in states or "read" not in states[name].operations:
                raise AuthorisationError(
                    f"{self._login.username} may not read {name}, or there is no such topic"
                )

    async def _start(self, client: _Client) -> None:
        self._live.add(client)
        try:
            await client.start()
        except BaseException as error:
            # Also who no longer waits must not leave it half made.
            await self._end(client)
            if isinstance(error, KafkaConnectionError):
                # aiokafka reports a wrong password as unable to bootstrap, too.
                raise BusUnavailable(
                    f"Kafka at {self._login.bootstrap} did not let {self._login.username} in: "
                    "no broker there, or a wrong password"
                ) from None
            if isinstance(error, KafkaError):
                raise _translated(error) from None
            raise
        if client not in self._live:
            await kafka_connect.end(client)
            raise BusUnavailable("the way to Kafka was closed while something was opened on it")

    async def _end(self, client: _Client) -> None:
        self._live.discard(client)
        await kafka_connect.end(client)


class KafkaReader:
    """Reads assigned partitions."""

    def __init__(self, consumer: AIOKafkaConsumer, end: Callable[[], Awaitable[None]]) -> None:
        self._consumer = consumer
        self._end = end

    async def read(self, wait_ms: int) -> list[Record]:
        """Take what has arrived."""
        try:
            batches = await self._consumer.getmany(timeout_ms=wait_ms)
        except OffsetOutOfRangeError as error:
            lost = ", ".join(f"{tp.topic}/{tp.partition}" for tp in error.args[0])
            raise PositionError(
                f"the position is not on the log any more: {lost}; see runbook/kafka-bad-days.md"
            ) from None
        except KafkaError as error:
            raise _translated(error) from None
        taken: list[Record] = []
        for tp, batch in batches.items():
            partition = Partition(tp.topic, tp.partition)
            taken.extend(
                Record(partition, r.offset, r.timestamp, r.key, r.value, _headers(r.headers))
                for r in batch
            )
        return taken

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on from this offset."""
        self._consumer.seek(TopicPartition(*partition), offset)

    async def close(self) -> None:
        """Let go of the connection."""
        await self._end()


class KafkaWriter:
    """Appends with an idempotent producer; any failure ends its life."""

    def __init__(self, producer: AIOKafkaProducer, end: Callable[[], Awaitable[None]]) -> None:
        self._producer = producer
        self._end = end

    async def write(self, records: Sequence[Outgoing]) -> list[int]:
        """Append; see the port for what the errors mean."""
        try:
            async with asyncio.timeout(_WRITE_DEADLINE_S):
                pending = [
                    await self._producer.send(
                        out.partition.topic,
                        out.value,
                        key=out.key,
                        partition=out.partition.number,
                        headers=list(out.headers),
                    )
                    for out in records
                ]
                return [(await future).offset for future in pending]
        except TopicAuthorizationFailedError as error:
            raise _translated(error) from None
        except KafkaError as error:
            raise WriteError(f"a produce failed: {type(error).__name__}") from None
        except TimeoutError:
            raise WriteError(f"no acknowledgement within {_WRITE_DEADLINE_S:.0f} s") from None

    async def close(self) -> None:
        """Let go without waiting for what is not acknowledged: it is unsure anyway."""
        await self._end()


def _headers(found: Sequence[tuple[str, bytes | None]]) -> Headers:
    # Anybody may write a header without a value; nobody reads one as different from empty.
    return tuple((name, b"" if value is None else value) for name, value in found)


def _topic_partitions(partitions: Sequence[Partition]) -> list[TopicPartition]:
    return [TopicPartition(*partition) for partition in partitions]


def _plain(found: Mapping[TopicPartition, int]) -> dict[Partition, int]:
    return {Partition(tp.topic, tp.partition): offset for tp, offset in found.items()}


async def _asked(question: Awaitable[_T]) -> _T:
    try:
        async with asyncio.timeout(_ANSWER_DEADLINE_S):
            return await question
    except KafkaError as error:
        raise _translated(error) from None
    except TimeoutError:
        raise BusUnavailable(f"Kafka gives no answer within {_ANSWER_DEADLINE_S:.0f} s") from None


def _translated(error: KafkaError) -> Exception:
    if isinstance(error, TopicAuthorizationFailedError | GroupAuthorizationFailedError):
        return AuthorisationError(f"the broker refuses: {type(error).__name__} {error.args}")
    return BusUnavailable(f"Kafka did not answer: {type(error).__name__}")
