"""
One stack while it is hurt: who runs, who serves again, and since when.

A process serves again with the first pulse of its next instance, by the log's append time:
it says `ready` there, after its fences, its past and its side inputs. A server does when
its supervisor says so; the broker with the first record that it takes from us.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from spark.bench.crash.stack import CrashStack
from spark.bench.crash.watch import CrashWatch
from spark.bench.judges import Judges
from spark.bus.kafka import KafkaBus
from spark.bus.port import Outgoing, Partition
from spark.clock import SystemClock
from spark.codec import encode
from spark.embedded.child import ChildState, ChildStatus
from spark.embedded.processes import BY_NAME, DEMO, KAFKA
from spark.embedded.throwaway import Throwaway
from spark.errors import GateError, SparkError
from spark.events import ProcessPulsed
from spark.names import Venue
from spark.topics import CONTROL_PULSE

_T = TypeVar("_T")
_LOOK_S: Final = 0.05
#: A start that folds, on a machine whose other starts fold as well.
BACK_S_MAX: Final = 90.0
_PROBE_AGAIN_S: Final = 0.05
_WRITER: Final = "op-local"


@dataclass(frozen=True, slots=True)
class Killed:
    """One process that was ended."""

    name: str
    pid: int
    at_ms: float


class Restart(NamedTuple):
    """How long somebody's successor took until its first useful record."""

    name: str
    took_ms: float


@dataclass(slots=True)
class Scene:
    """A stack, and the ways to see how it fares."""

    crash_stack: CrashStack
    stack: Throwaway
    watch: CrashWatch
    judges: dict[Venue, Judges]

    def child(self, name: str) -> ChildStatus:
        """
        Give what the supervisor says of a child.

        Raises:
            GateError: it was left alone, because a person has to look.

        """
        found = next(child for child in self.stack.state.children if child.name == name)
        if found.state is ChildState.HALTED:
            raise GateError(f"{name} is left alone: {found.detail}")
        return found

    def processes(self) -> list[str]:
        """Name Spark's own processes that run here."""
        return [c.name for c in self.stack.state.children if c.name in BY_NAME and c.name != DEMO]

    async def served(self, name: str) -> int:
        """Wait until a child serves; gives its pid."""

        def pid() -> int | None:
            child = self.child(name)
            return child.pid if child.state is ChildState.READY else None

        return await until(pid, f"{name} serves")

    async def kill(self, *names: str) -> list[Killed]:
        """End children as by kill -9, all at the same moment."""
        pids = [(name, await self.served(name)) for name in names]
        found = []
        for name, pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                found.append(Killed(name, pid, time.time() * 1e3))
        return found

    async def back(self, killed: list[Killed]) -> list[Restart]:
        """
        Wait until everybody's successor serves.

        Returns: how long each took, from its kill to its first useful record.

        Raises:
            GateError: one does not come back.

        """
        return [Restart(one.name, await self._back(one)) for one in killed]

    async def _back(self, one: Killed) -> float:
        if one.name == KAFKA:
            return await self.broker_back(one.at_ms)
        if one.name not in BY_NAME:
            return await self._server_back(one)

        def sign() -> float | None:
            self.child(one.name)
            found = self.watch.successor(one.name, of=one.pid, since_ms=one.at_ms)
            return None if found is None else found.at_ms - one.at_ms

        return await until(sign, f"{one.name} serves again")

    async def _server_back(self, one: Killed) -> float:
        def is_back() -> bool | None:
            child = self.child(one.name)
            return True if child.pid != one.pid and child.state is ChildState.READY else None

        await until(is_back, f"{one.name} serves again")
        return time.time() * 1e3 - one.at_ms

    async def broker_back(self, since_ms: float) -> float:
        """Wait for the first record that the broker takes; says how long that took."""
        deadline = time.monotonic() + BACK_S_MAX
        while not await self._is_written():
            if time.monotonic() > deadline:
                raise GateError(f"the broker takes nothing within {BACK_S_MAX:g} s")
            await asyncio.sleep(_PROBE_AGAIN_S)
        return time.time() * 1e3 - since_ms

    async def _is_written(self) -> bool:
        bus = KafkaBus(self.stack.login(_WRITER))
        try:
            async with asyncio.timeout(2):
                writer = await bus.writer([CONTROL_PULSE])
                try:
                    pulse = _pulse()
                    await writer.write([Outgoing(Partition(CONTROL_PULSE, 0), b"drill", pulse)])
                finally:
                    await writer.close()
        except (SparkError, TimeoutError):
            return False
        finally:
            await bus.close()
        return True

    async def awake(self, name: str, since_ms: float) -> None:
        """Wait until a process, this instance or its successor, pulses after a moment."""

        def is_awake() -> bool | None:
            self.child(name)
            latest = self.watch.latest(name)
            return True if latest is not None and latest.at_ms >= since_ms else None

        await until(is_awake, f"{name} works again")


async def until(found: Callable[[], _T | None], what: str, *, s_max: float = BACK_S_MAX) -> _T:
    """
    Wait for what other processes do.

    Raises:
        GateError: it does not come.

    """
    deadline = time.monotonic() + s_max
    while (one := found()) is None:
        if time.monotonic() > deadline:
            raise GateError(f"not within {s_max:g} s: {what}")
        await asyncio.sleep(_LOOK_S)
    return one


def _pulse() -> bytes:
    return encode(
        ProcessPulsed(
            role=_WRITER,
            instance="drill:0",
            state="ready",
            epochs={},
            positions={},
            halts=(),
            at_ns=SystemClock().wall_ns(),
        )
    )
