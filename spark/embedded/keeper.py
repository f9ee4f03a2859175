"""
Keeps one child running: start, wait until it serves, wait until it ends, again.

A child whose needs are not ready is not started, so that a broker that comes back
is not starved by processes that cannot live without it.
"""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from spark.embedded.child import Child, ChildState, ChildStatus
from spark.embedded.command import Command
from spark.embedded.identity import ProcessIdentity, descendants, identify
from spark.embedded.restarts import Restarts
from spark.embedded.spares import Spares
from spark.embedded.spawn import last_lines, size_of
from spark.errors import EmbeddedUnavailable, SparkError

LAST_LINES: Final = 15
#: Ends before the first `ready` after which a start of the stack is given up.
START_EXITS_MAX: Final = 3
#: Not started at all, as a shell says it.
_EXIT_NOT_STARTED: Final = 127

OnChange = Callable[[ChildStatus], None]


class Keeper:
    """
    One child's life; make it on a running event loop.

    Args:
        log: where the child's output goes.
        needs: the keepers of what the child needs.
        spares: start it.
        on_change: told at each change of state; must not block.
    """

    def __init__(
        self,
        child: Child,
        *,
        log: Path,
        needs: Sequence["Keeper"],
        spares: Spares,
        on_change: OnChange,
    ) -> None:
        self.child = child
        self.is_ready = asyncio.Event()
        self.identity: ProcessIdentity | None = None
        self._log = log
        self._needs = needs
        self._spares = spares
        self._on_change = on_change
        self._restarts = Restarts()
        self._process: asyncio.subprocess.Process | None = None
        self._command: Command | None = None
        self._held = asyncio.Event()
        self._served: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._log_start = 0
        self._starts = 0
        self._exit_code = 0
        self._ready_after_s: float | None = None
        self._state = ChildState.WAITING
        self._detail = ""
        #: Done when the child is no more and will not be again; holds a bug, if one ended it.
        self.task = asyncio.create_task(self._keep(), name=f"keep {child.name}")

    def status(self) -> ChildStatus:
        """Give the child's state now."""
        # Who was killed said nothing about it.
        has_exited = self._state in {ChildState.PAUSING, ChildState.HALTED} and self._exit_code >= 0
        return ChildStatus(
            name=self.child.name,
            state=self._state,
            pid=None if self.identity is None else self.identity.pid,
            restarts=max(0, self._starts - 1),
            ready_after_s=self._ready_after_s,
            detail=self._detail,
            last_lines=tuple(self.last_lines()) if has_exited else (),
        )

    def last_lines(self) -> list[str]:
        """Read what the child printed last, since its last start."""
        return last_lines(self._log, LAST_LINES, since=self._log_start)

    async def first_ready(self) -> None:
        """
        Wait until the child serves for the first time.

        Raises:
            SparkError: what keeps it from serving; EmbeddedUnavailable when it ends
                again and again.

        """
        await asyncio.shield(self._served)

    def hold(self) -> None:
        """Start the child no more."""
        self._held.set()

    def ask_to_end(self) -> None:
        """Send the child's own stop signal; `hold` comes first."""
        assert self._held.is_set(), "a child that ends now would be started again"
        self._signal(signal.SIGTERM if self._command is None else self._command.stop_signal)

    def kill(self) -> None:
        """End the child without asking it, and do not start it again."""
        self.hold()
        self._signal(signal.SIGKILL)

    def descendants(self) -> list[ProcessIdentity]:
        """List what the child itself started."""
        return [] if self.identity is None else descendants(self.identity)

    async def ended(self) -> None:
        """Wait until the child is no more and will not be again; `hold` comes first."""
        await asyncio.wait({self.task})

    async def _keep(self) -> None:
        try:
            while await self._may_start():
                started = time.monotonic()
                exit_code = self._exit_code = await self._live()
                if self._held.is_set():
                    break
                pause_s = self._restarts.pause_s_after(exit_code, time.monotonic() - started)
                self._note_end(is_last=pause_s is None)
                if pause_s is None or not await _unless(self._held, asyncio.sleep(pause_s)):
                    break
            if self._state is not ChildState.HALTED:
                self._move(ChildState.STOPPED, "")
            await self._held.wait()
        except Exception as bug:
            self._fail_start(bug)
            raise
        finally:
            self._fail_start(EmbeddedUnavailable(f"{self.child.name}: stopped"))

    async def _may_start(self) -> bool:
        for need in self._needs:
            if not need.is_ready.is_set():
                self._move(ChildState.WAITING, f"for {need.child.name}")
                if not await _unless(self._held, need.is_ready.wait()):
                    return False
        return not self._held.is_set()

    async def _live(self) -> int:
        """
        Start the child and see it through to its end.

        Returns: its exit code; negative for a signal.
        """
        began = time.monotonic()
        self._log_start = size_of(self._log)
        self._move(ChildState.STARTING, "")
        try:
            self._command = await self.child.command()
            if self._held.is_set():
                return 0
            process = await self._spares.start(self._command, self._log, self.child.death_signal)
        except SparkError as error:
            self._detail = str(error)
            self._fail_start(error)
            return error.exit_code
        except OSError as error:
            self._detail = f"could not be started: {error.strerror}"
            return _EXIT_NOT_STARTED
        self._starts += 1
        self._process, self.identity = process, identify(process.pid)
        self._move(ChildState.STARTING, "")
        if self._held.is_set():
            self.kill()
        await self._watch(process, began)
        self._process = self.identity = None
        self.is_ready.clear()
        assert process.returncode is not None, "it was waited for"
        self._detail = self._detail or _end_text(process.returncode, time.monotonic() - began)
        return process.returncode

    async def _watch(self, process: asyncio.subprocess.Process, began: float) -> None:
        ready = asyncio.ensure_future(self.child.wait_ready(lambda: process.returncode is None))
        ended = asyncio.create_task(process.wait())
        try:
            await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                self._note_ready(ready, time.monotonic() - began)
            await ended
        finally:
            ready.cancel()
            with suppress(asyncio.CancelledError, SparkError):
                await ready

    def _note_ready(self, ready: "asyncio.Future[None]", after_s: float) -> None:
        error = ready.exception()
        if error is None:
            self._ready_after_s = after_s
            self.is_ready.set()
            self._move(ChildState.READY, "")
            if not self._served.done():
                self._served.set_result(None)
            return
        if not isinstance(error, SparkError):
            raise error
        self._detail = str(error)
        self._fail_start(error)
        self._signal(signal.SIGKILL)

    def _note_end(self, *, is_last: bool) -> None:
        self._move(ChildState.HALTED if is_last else ChildState.PAUSING, self._detail)
        if is_last or self._restarts.quick >= START_EXITS_MAX:
            self._fail_start(EmbeddedUnavailable(f"{self.child.name} {self._detail}"))

    def _fail_start(self, error: Exception) -> None:
        if not self._served.done():
            self._served.set_exception(error)
            # Nobody may be waiting for the start any more.
            self._served.exception()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _move(self, state: ChildState, detail: str) -> None:
        self._state, self._detail = state, detail
        self._on_change(self.status())


async def _unless(held: asyncio.Event, work: Coroutine[Any, Any, object]) -> bool:
    waited, holding = asyncio.create_task(work), asyncio.create_task(held.wait())
    try:
        await asyncio.wait({waited, holding}, return_when=asyncio.FIRST_COMPLETED)
        return not held.is_set()
    finally:
        await _cancel(waited)
        await _cancel(holding)


async def _cancel(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _end_text(exit_code: int, lived_s: float) -> str:
    if exit_code < 0:
        how = f"was ended by {signal.Signals(-exit_code).name}"
    else:
        how = f"exited with {exit_code}"
    return f"{how} after {lived_s:.1f} s"
