"""
Connections to a broker: coming back to one that is away, and letting go of all of them.

aiokafka tries again at once, from each client and for each task of it: twenty times a second
from every process. On one machine that takes the very time in which the broker would start.
So an attempt that failed at a place where there was a broker before is followed by a pause,
longer the longer it is away; the first attempt of a process fails at once, as people expect.

It ends a client step by step, and a step that fails, is cancelled or is late keeps the rest from
being done: tasks that connect again and send again, connections that nobody closes. So a client
here knows what it opened; what ends it closes all of that in any case, and then opens nothing.
"""

import asyncio
import contextlib
import random
import time
from contextvars import ContextVar
from typing import Any, Final
from weakref import WeakSet

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, client
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.consumer import consumer as consumers
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.producer import producer as producers

_PAUSE_S_MIN: Final = 0.05
_PAUSE_S_MAX: Final = 1.0
#: Of the time that it is away.
_PAUSE_PART: Final = 0.1
#: For a client to end in order; what a writer has not got acknowledged is unsure anyway.
_END_DEADLINE_S: Final = 1.0
#: By host and port: since when it has been away; 0 while it is there.
_away_since: dict[tuple[str, int], float] = {}


class _Client(AIOKafkaClient):  # type: ignore[misc]  # aiokafka carries no types
    """A client that knows what it opened, and opens nothing after its end."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  (aiokafka's own)
        super().__init__(**options)
        self._opened: WeakSet[AIOKafkaConnection] = WeakSet()
        self._is_over = False

    async def bootstrap(self) -> None:
        token = _opener.set(self)
        try:
            await super().bootstrap()
        finally:
            _opener.reset(token)

    async def _get_conn(self, node_id: object, **options: Any) -> AIOKafkaConnection | None:  # noqa: ANN401
        if self._is_over:
            return None
        token = _opener.set(self)
        try:
            return await super()._get_conn(node_id, **options)
        finally:
            _opener.reset(token)

    def keep(self, connection: AIOKafkaConnection) -> None:
        """Take note of a connection; raises KafkaConnectionError where it comes too late."""
        if self._is_over:
            connection.close()
            raise KafkaConnectionError("the client has ended")
        self._opened.add(connection)

    def let_go(self) -> None:
        """Close everything at once; idempotent."""
        self._is_over = True
        for connection in list(self._opened):
            connection.close()


#: Whose connection is being opened; aiokafka's call does not say.
_opener: ContextVar[_Client] = ContextVar("opener")


async def _patient(host: str, port: int, **options: Any) -> AIOKafkaConnection:  # noqa: ANN401
    place = (host, port)
    try:
        connection = await create_conn(host, port, **options)
    except (OSError, KafkaError, TimeoutError):
        if place in _away_since:
            await asyncio.sleep(_pause_s(place) * random.uniform(0.5, 1.0))  # noqa: S311  (jitter)
        raise
    _away_since[place] = 0.0
    _opener.get().keep(connection)
    return connection


def _pause_s(place: tuple[str, int]) -> float:
    since = _away_since[place] = _away_since[place] or time.monotonic()
    away_s = time.monotonic() - since
    return min(_PAUSE_S_MAX, max(_PAUSE_S_MIN, _PAUSE_PART * away_s))


async def end(ended: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """
    End a consumer or a producer: nothing of it works or stays open, whatever comes in between.

    aiokafka cancels tasks of its own and awaits them. It may let that out as if its caller had
    been cancelled, and may take its caller's cancellation for theirs: only the task itself knows.
    """
    task = asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"
    cancels = task.cancelling()
    try:
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(_END_DEADLINE_S):
                await ended.stop()
    finally:
        let_go(ended)
    if task.cancelling() > cancels:
        raise asyncio.CancelledError


def let_go(ended: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Cancel a client's tasks and close its connections at once; idempotent."""
    if isinstance(ended, AIOKafkaProducer):
        inner, parts = ended.client, (ended._sender, ended._message_accumulator)  # noqa: SLF001  (no public way)
    else:
        inner, parts = ended._client, (ended._fetcher, ended._coordinator)  # noqa: SLF001
    workers = {id(part) for part in (inner, *parts) if part is not None}
    for task in asyncio.all_tasks():
        if id(_works_for(task)) in workers:
            task.cancel()
    inner.let_go()
    ended._closed = True  # noqa: SLF001  (no public way, as above)


def _works_for(task: asyncio.Task[Any]) -> object:
    """Name whose method a task runs; None where it is nobody's."""
    frame = getattr(task.get_coro(), "cr_frame", None)
    return None if frame is None else frame.f_locals.get("self")


def install() -> None:
    """Let every client of this process connect so; idempotent."""
    client.create_conn = _patient
    consumers.AIOKafkaClient = producers.AIOKafkaClient = _Client
