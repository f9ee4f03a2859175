"""
A running stack under load, and what its children do when one is killed.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson

from spark import topics
from spark.bus.kafka import KafkaBus
from spark.bus.port import Pace, Partition, Reader, Record
from spark.embedded.child import ChildState, ChildStatus
from spark.embedded.throwaway import Throwaway
from spark.errors import BusUnavailable
from spark.events import IntentRefused, OrderAcked, OrderFilled
from spark.names import Reason, Role, Venue
from tests.aftermath import NUMBER, event_of

_STRATEGY: Final = "strategy-demo"
_POLL_S: Final = 0.02
#: How long anything that is waited for may take.
_WAIT_S_MAX: Final = 90.0
_ACKS: Final = 20
_REFUSALS: Final = 20
_FILLS: Final = 3
_READ_MS: Final = 500
#: What each stage writes, and how many records prove that it works.
_OUTPUT: Final = {
    Role.GUARDRAIL: (Partition(topics.DECISIONS, NUMBER), 20),
    Role.SIGNER: (Partition(topics.SIGNED, NUMBER), 20),
    Role.GATEWAY: (Partition(topics.EVENTS, NUMBER), 40),
    Role.AUDITOR: (Partition(topics.AUDIT, 0), 2),
    Role.VENUE_WATCH: (Partition(topics.VENUE_STATE, 0), 1),
}


@dataclass(frozen=True, slots=True)
class Ordeal:
    """One stack, and the ways to hurt it."""

    stack: Throwaway
    bus: KafkaBus
    session: aiohttp.ClientSession

    def child(self, name: str) -> ChildStatus:
        """Give what the supervisor says of a child."""
        return next(child for child in self.stack.state.children if child.name == name)

    @asynccontextmanager
    async def loaded(self, rate: float, *, trading: Sequence[Venue] = ()) -> AsyncIterator[None]:
        """Send places and cancels while the body runs; at these exchanges some of them trade."""
        load = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "spark.bench.order_load"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        config: dict[str, Any] = {
            "strategy": _STRATEGY,
            "uid": self.stack.state.uids.get(_STRATEGY),
            "bootstrap": self.stack.state.kafka_bootstrap,
            "secrets_dir": str(self.stack.home.secrets_of(_STRATEGY)),
            "public_dir": str(self.stack.home.public),
            "rate": rate,
            "seconds": 3600,
        }
        if trading:
            config |= {"trading": list(trading), "seed": 1}
        assert load.stdin is not None
        load.stdin.write(orjson.dumps(config) + b"\n")
        await load.stdin.drain()
        try:
            await self.acked()
            yield
            assert load.returncode is None, "the load ended by itself"
        finally:
            if load.returncode is None:
                load.terminate()
            await load.wait()

    async def kill(self, name: str) -> None:
        """End a child as by kill -9, and wait until it works again."""
        child = self.child(name)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        await self.served_again(name, child.restarts)
        if name in _OUTPUT:
            await self.written(*_OUTPUT[Role(name)])
        await self.acked()

    async def served_again(self, name: str, restarts: int) -> None:
        """Wait until a child was started more often, and serves."""

        def is_back() -> bool:
            child = self.child(name)
            assert child.state is not ChildState.HALTED, f"{name}: {child.detail}"
            return child.restarts > restarts and child.state is ChildState.READY

        await until(is_back, f"{name} serves again")

    async def judge(self, method: str, path: str, body: object = None) -> bytes:
        """Ask the exchange's judges' port."""
        async with self.session.request(
            method,
            self.stack.state.simulator_admin_url + path,
            headers={"Authorization": f"Bearer {self.stack.admin_token()}"},
            data=None if body is None else orjson.dumps(body),
        ) as response:
            assert response.status == 200, path
            return await response.read()

    async def acked(self) -> None:
        """Wait until the exchange acknowledged some more orders."""
        await self._told(topics.EVENTS, OrderAcked, _ACKS)

    async def filled(self) -> None:
        """Wait until the account feed told of some more trades."""
        await self._told(topics.ACCOUNT_EVENTS, OrderFilled, _FILLS)

    async def _told(self, topic: str, kind: type, count: int) -> None:
        left = count

        def see(record: Record) -> bool:
            nonlocal left
            left -= isinstance(event_of(record), kind)
            return left <= 0

        await self._watch(Partition(topic, NUMBER), see)

    async def refused(self, code: Reason) -> None:
        """Wait until the guardrail refused some more orders for a reason."""
        left = _REFUSALS

        def see(record: Record) -> bool:
            nonlocal left
            event = event_of(record)
            if isinstance(event, IntentRefused):
                left -= any(one.code is code for one in event.reasons)
            return left <= 0

        await self._watch(Partition(topics.DECISIONS, NUMBER), see)

    async def written(self, partition: Partition, count: int) -> None:
        """Wait until a partition holds so many records more than now."""
        left = count

        def see(_: Record) -> bool:
            nonlocal left
            left -= 1
            return left <= 0

        await self._watch(partition, see)

    async def _watch(self, partition: Partition, see: Callable[[Record], bool]) -> None:
        """Hand over what comes from now on, until told that it is enough."""
        async with asyncio.timeout(_WAIT_S_MAX):
            reader = await self._reader(partition)
            try:
                while not any(see(record) for record in await reader.read(_READ_MS)):
                    pass
            finally:
                await reader.close()

    async def _reader(self, partition: Partition) -> Reader:
        """Read from now on, as soon as there is a broker."""
        while True:
            try:
                return await self.bus.reader(await self._ends([partition]), Pace.HOT)
            except BusUnavailable:  # it slept, and is not registered yet
                await asyncio.sleep(_POLL_S)

    async def _ends(self, partitions: list[Partition]) -> dict[Partition, int]:
        while True:
            try:
                return await self.bus.ends(partitions)
            except BusUnavailable:  # it was killed a moment ago
                await asyncio.sleep(_POLL_S)


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for what other processes do."""
    try:
        async with asyncio.timeout(_WAIT_S_MAX):
            while not condition():  # noqa: ASYNC110  (another process)
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise AssertionError(f"not within {_WAIT_S_MAX} s: {what}") from None
