"""
Hurts a running stack under load: kills, a zombie, an exchange that swallows its replies.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
import orjson
import psutil

from spark import topics
from spark.bus.kafka import KafkaBus
from spark.bus.port import Pace, Partition, Record
from spark.embedded.child import ChildState, ChildStatus
from spark.embedded.home import Home
from spark.embedded.throwaway import Throwaway
from spark.errors import BusUnavailable
from spark.events import OrderAcked
from spark.names import Role
from spark.worker.latch_copy import make_empty_copy
from tests.crash.aftermath import NUMBER, Zombie, event_of

_STRATEGY: Final = "strategy-demo"
_POLL_S: Final = 0.02
#: How long anything that is waited for may take.
_WAIT_S_MAX: Final = 90.0
_ACKS: Final = 20
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
    async def loaded(self, rate: float) -> AsyncIterator[None]:
        """Send places and cancels while the body runs."""
        load = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "spark.bench.order_load"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        config = {
            "strategy": _STRATEGY,
            "uid": self.stack.state.uids.get(_STRATEGY),
            "bootstrap": self.stack.state.kafka_bootstrap,
            "secrets_dir": str(self.stack.home.secrets_of(_STRATEGY)),
            "public_dir": str(self.stack.home.public),
            "rate": rate,
            "seconds": 3600,
        }
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

    async def kill(self, *names: str, also_at_start: bool = False) -> None:
        """
        End children as by kill -9, and wait until they work again.

        Args:
            also_at_start: end each once more, before it serves.

        """
        before = {name: self.child(name).restarts for name in names}
        for name in names:
            self._end(name)
        if also_at_start:
            for name in names:
                await until(partial(self.is_started, name, before[name]), f"{name} starts")
                self._end(name)
        for name, restarts in before.items():
            await self.served_again(name, restarts + also_at_start)
            if name in _OUTPUT:
                await self.written(*_OUTPUT[Role(name)])
        await self.acked()

    def is_started(self, name: str, restarts: int) -> bool:
        """Say whether a child was started more often, ready or not."""
        child = self.child(name)
        return child.restarts > restarts and child.pid is not None

    def _end(self, name: str) -> None:
        pid = self.child(name).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    async def served_again(self, name: str, restarts: int) -> None:
        """Wait until a child was started more often, and serves."""

        def is_back() -> bool:
            child = self.child(name)
            assert child.state is not ChildState.HALTED, f"{name}: {child.detail}"
            return child.restarts > restarts and child.state is ChildState.READY

        await until(is_back, f"{name} serves again")

    async def pause(self, name: str, seconds: float) -> None:
        """Stop a process for a while; it wakes up with what it had in hand."""
        pid = self.child(name).pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        await self.acked()

    async def hold_replies(self, ms: int) -> None:
        """Let requests be in flight at whatever comes next."""
        for method in ("POST", "DELETE"):
            fault = {"kind": "delay_after", "ms": ms, "route": f"{method} /api/v3/order"}
            await self.judge("POST", "/faults", fault | {"count": 4})
        await self.faults_used()

    async def swallow(self, kind: str, *, places: int, cancels: int) -> None:
        """Let the exchange do what it is asked, and not say so."""
        for method, count in (("POST", places), ("DELETE", cancels)):
            fault = {"kind": kind, "count": count, "route": f"{method} /api/v3/order"}
            await self.judge("POST", "/faults", fault)
        await self.faults_used()
        await self.acked()

    async def faults_used(self) -> None:
        """Wait until requests met every fault."""
        async with asyncio.timeout(_WAIT_S_MAX):
            while orjson.loads(await self.judge("GET", "/faults"))["armed"]:  # noqa: ASYNC110  (another process knows)
                await asyncio.sleep(_POLL_S)

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
        left = _ACKS

        def see(record: Record) -> bool:
            nonlocal left
            left -= isinstance(event_of(record), OrderAcked)
            return left <= 0

        await self._watch(Partition(topics.EVENTS, NUMBER), see)

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
            reader = await self.bus.reader(await self._ends([partition]), Pace.HOT)
            try:
                while not any(see(record) for record in await reader.read(_READ_MS)):
                    pass
            finally:
                await reader.close()

    async def _ends(self, partitions: list[Partition]) -> dict[Partition, int]:
        while True:
            try:
                return await self.bus.ends(partitions)
            except BusUnavailable:  # it was killed a moment ago
                await asyncio.sleep(_POLL_S)

    async def raise_zombie(self) -> Zombie:
        """Stop the gateway, let a second one work in its place, and let the first go on."""
        before = self.child(Role.GATEWAY)
        assert before.pid is not None
        log = self.stack.home.log_of(Role.GATEWAY)
        os.kill(before.pid, signal.SIGSTOP)
        try:
            async with _second_gateway(self.stack, before.pid) as second:
                await until(second.is_ready, "the second gateway is ready")
                await self.acked()
                said_before = log.stat().st_size
                os.kill(before.pid, signal.SIGCONT)
                await self.served_again(Role.GATEWAY, before.restarts)
                async with asyncio.timeout(_WAIT_S_MAX):
                    code = await second.process.wait()
                await self.acked()
                return Zombie(
                    first_said=log.read_bytes()[said_before:].decode(),
                    second_exit_code=code,
                    second_said=second.log.read_text(),
                )
        finally:
            with suppress(ProcessLookupError):
                os.kill(before.pid, signal.SIGCONT)


@asynccontextmanager
async def _second_gateway(stack: Throwaway, first: int) -> AsyncIterator["_Second"]:
    """Start a gateway by hand, with the first one's keys and another directory for locks."""
    theirs = stack.home
    home = theirs.root / "second"
    uid = stack.state.uids.get(Role.GATEWAY)
    for name in ("run/gateway", "state/gateway"):
        (home / name).mkdir(parents=True)
        if uid is not None:
            os.chown(home / name, uid, uid)
    latch = Home(home).latch_of(Role.GATEWAY)
    latch.mkdir(parents=True)
    make_empty_copy(latch)
    if uid is not None:
        for path in (latch, *latch.iterdir()):
            os.chown(path, uid, uid)
    (home / "public").symlink_to(theirs.public)
    (home / "run" / "signer").symlink_to(theirs.run_of(Role.SIGNER))
    for directory in (home, home / "run", home / "state", latch.parent):
        directory.chmod(0o755)
    log = home / "second.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "spark", "run", "gateway"),
            env={**psutil.Process(first).environ(), "SPARK_HOME": str(home)},
            cwd=home,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            user=uid,
        )
    try:
        yield _Second(process, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@dataclass(frozen=True, slots=True)
class _Second:
    process: asyncio.subprocess.Process
    log: Path

    def is_ready(self) -> bool:
        """Say whether it took the account."""
        text = self.log.read_text()
        assert self.process.returncode is None, text
        return '"event": "ready"' in text


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for what other processes do."""
    try:
        async with asyncio.timeout(_WAIT_S_MAX):
            while not condition():  # noqa: ASYNC110  (another process)
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise AssertionError(f"not within {_WAIT_S_MAX} s: {what}") from None
