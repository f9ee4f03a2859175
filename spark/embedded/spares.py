"""
Loaded processes in waiting: what ended serves again without the time that its imports take.

Loading is half of a start's work and the same for every process of Spark
(runbook/decisions/0022-spare-processes.md). So a few do it ahead, and each becomes a child that
has to start again (spare.py). Where there is none, or a child is no process of Spark's, it is
started from nothing, with the same result.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from spark.embedded.command import Command, base_environment, closed_start
from spark.embedded.spawn import open_log, spawn

#: What every process of Spark loads.
_LOADS: Final = "spark.cli.run"
#: Shown by `ps`; as long as what a child's words may need there (spare.py).
_SHOWN: Final = "(becomes the next process of the stack that has to be started again)"
#: So many stages may end at once and none of them waits.
_COUNT: Final = 2
#: How often it is asked whether one ended by itself, and whether the stack's start is over.
_PERIOD_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Spare:
    process: asyncio.subprocess.Process
    way: socket.socket


class Spares:
    """
    Starts children, from a spare where there is one; make it on a running event loop.

    Args:
        home: a directory that every child may enter.
        log: where a spare's output goes, before it is anybody.
        is_calm: says whether no child is starting; before the first such moment none is made,
            so that a stack's start is not made longer.
    """

    def __init__(self, home: Path, log: Path, *, is_calm: Callable[[], bool]) -> None:
        self._home = home
        self._log = log
        self._is_calm = is_calm
        self._waiting: list[_Spare] = []
        #: Whether anything was started that a spare could be.
        self._is_wanted = False
        self._lacks = asyncio.Event()
        #: Ends with `close`, or by a bug.
        self.task = asyncio.create_task(self._keep_some(), name="keep spares")

    async def start(
        self, command: Command, log: Path, death_signal: signal.Signals
    ) -> asyncio.subprocess.Process:
        """
        Start a child; as `spawn`, and raises as it.
        """
        self._is_wanted |= command.words is not None
        if command.words is None or not self._waiting:
            return await spawn(command, log=log, death_signal=death_signal)
        spare = self._waiting.pop(0)
        self._lacks.set()
        try:
            with spare.way, open_log(log) as output:
                socket.send_fds(spare.way, [_role(command, death_signal)], [output])
        except OSError:
            # It ended while it waited.
            await _end(spare)
            return await spawn(command, log=log, death_signal=death_signal)
        return spare.process

    async def close(self) -> None:
        """End those that wait, and keep none any more."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        while self._waiting:
            await _end(self._waiting.pop())

    async def _keep_some(self) -> None:
        while not (self._is_wanted and self._is_calm()):  # noqa: ASYNC110  (others' states)
            await asyncio.sleep(_PERIOD_S)
        while True:
            self._lacks.clear()
            for spare in [one for one in self._waiting if one.process.returncode is not None]:
                self._waiting.remove(spare)
                await _end(spare)
            # Without room for another process there is none to spare.
            with suppress(OSError):
                while len(self._waiting) < _COUNT:
                    self._waiting.append(await self._made())
            with suppress(TimeoutError):
                async with asyncio.timeout(_PERIOD_S):
                    await self._lacks.wait()

    async def _made(self) -> _Spare:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await spawn(_command(self._home), log=self._log, stdin=theirs.fileno())
            except BaseException:
                ours.close()
                raise
        return _Spare(process, ours)


def _command(home: Path) -> Command:
    return Command(
        argv=closed_start("spark.embedded.spare", _LOADS, _SHOWN),
        env=base_environment(),
        cwd=home,
        uid=None,
        stop_signal=signal.SIGTERM,
    )


def _role(command: Command, death_signal: signal.Signals) -> bytes:
    role = {
        "words": command.words,
        "shown": command.argv,
        "environment": dict(command.env),
        "cwd": str(command.cwd),
        "uid": command.uid,
        "groups": command.groups,
        "death_signal": int(death_signal),
        "parent": os.getpid(),
    }
    return orjson.dumps(role, option=orjson.OPT_APPEND_NEWLINE)


async def _end(spare: _Spare) -> None:
    spare.way.close()
    with suppress(ProcessLookupError):
        spare.process.kill()
    await spare.process.wait()
