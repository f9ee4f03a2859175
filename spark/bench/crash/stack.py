"""
A drill's stack: in a process of its own on a leash, so that its supervisor can be killed.

Its ports are chosen once: who starts again on the same home finds everybody where they were.
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from spark.bench.crash.runner import MODULE, OPTIONS
from spark.embedded.command import Command
from spark.embedded.home import Home
from spark.embedded.plan import Ports, StackOptions
from spark.embedded.ports import pick_ports
from spark.embedded.spawn import last_lines, spawn
from spark.embedded.state import StackPhase, StackState, read_state
from spark.embedded.throwaway import Throwaway, ThrowawayOptions, running_stack, stack_options
from spark.errors import GateError

_PASSABLE: Final = 0o711
_START_S_MAX: Final = 180.0
_STOP_S_MAX: Final = 30.0
_LOOK_S: Final = 0.1
_LINES: Final = 25


class CrashStack:
    """One stack, from its first start to its last end; use it from the main thread (spawn.py)."""

    def __init__(self, options: ThrowawayOptions) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="spark-crash-"))
        self.root.chmod(_PASSABLE)
        self._options = with_ports(stack_options(options, self.root))
        self._runner: asyncio.subprocess.Process | None = None
        self._log = self.root.with_name(f"{self.root.name}.log")
        self.stack: Throwaway | None = None

    async def start(self) -> Throwaway:
        """
        Start it, or start it again where it was killed.

        Raises:
            GateError: it does not start.

        """
        plan = self.root.with_name(f"{self.root.name}.plan")
        plan.write_bytes(OPTIONS.dump_json(self._options))
        command = Command(
            argv=(sys.executable, "-I", "-m", MODULE, str(plan)),
            env={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
            cwd=self.root.parent,
            uid=None,
            stop_signal=signal.SIGTERM,
        )
        self._runner = await spawn(command, log=self._log, death_signal=signal.SIGTERM)
        try:
            async with asyncio.timeout(_START_S_MAX):
                while (state := self._running(self._runner.pid)) is None:
                    if self._runner.returncode is not None:
                        raise GateError(f"the stack does not start: {self._said()}")
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise GateError(f"the stack is not up in {_START_S_MAX:g} s: {self._said()}") from None
        self.stack = running_stack(Home(self.root), state)
        return self.stack

    async def kill_supervisor(self) -> None:
        """End the supervisor as by kill -9; the kernel ends its children."""
        assert self._runner is not None, "it runs"
        self._runner.send_signal(signal.SIGKILL)
        await self._runner.wait()

    async def stop(self) -> None:
        """End it in order; its home stays."""
        runner, self._runner = self._runner, None
        if runner is None or runner.returncode is not None:
            return
        runner.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_S_MAX):
                await runner.wait()
        except TimeoutError:
            runner.kill()
            await runner.wait()

    def remove(self) -> None:
        """Remove everything that it left."""
        shutil.rmtree(self.root, ignore_errors=True)
        for suffix in (".log", ".plan"):
            with suppress(FileNotFoundError):
                self.root.with_name(self.root.name + suffix).unlink()

    def _running(self, pid: int) -> StackState | None:
        state = read_state(Home(self.root))
        if state is None or state.phase is not StackPhase.RUNNING or state.supervisor.pid != pid:
            return None
        return state

    def _said(self) -> str:
        return " / ".join(last_lines(self._log, _LINES))


def with_ports(options: StackOptions) -> StackOptions:
    """Choose every port now, for this start and all later ones."""
    names = tuple(Ports.__dataclass_fields__)
    picked = pick_ports([0] * len(names))
    return replace(options, ports=Ports(**dict(zip(names, picked, strict=True))))
