"""
Children of a benchmark or drill: started, asked to end, and never left behind.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Final

import orjson

from spark.errors import SparkError

_STOP_S_MAX: Final = 15.0
_LOG_LINES_SHOWN: Final = 5


class ChildEndedError(SparkError):
    """A measured process ended by itself, so there is nothing to measure."""


class Child:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._process.returncode is not None

    async def finished(self) -> None:
        """Wait until it ends by itself."""
        await self._process.wait()

    async def kill(self) -> None:
        """Kill as by kill -9."""
        self._process.send_signal(SIGKILL)
        await self._process.wait()

    async def stop(self) -> None:
        """
        Ask for an end, and wait for it.

        Raises:
            ChildEndedError: it did not end well, or not in time.

        """
        if not self.is_over:
            self._process.send_signal(SIGTERM)
        try:
            async with asyncio.timeout(_STOP_S_MAX):
                code = await self._process.wait()
        except TimeoutError:
            raise ChildEndedError(f"did not end within {_STOP_S_MAX:g} s{self._said()}") from None
        if code != 0:
            raise ChildEndedError(f"ended with code {code}{self._said()}")

    def check(self) -> None:
        """
        Make sure that it still runs.

        Raises:
            ChildEndedError: it does not.

        """
        if self.is_over:
            raise ChildEndedError(f"ended with code {self._process.returncode}{self._said()}")

    def _said(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:]
        return ": " + " / ".join(lines) if lines else ""


@asynccontextmanager
async def child(module: str, plan: Mapping[str, object], log: Path) -> AsyncIterator[Child]:
    """
    Run `python -m module` with a plan on its stdin while the body runs.

    Args:
        log: where what it prints is appended.

    """
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", module),
            stdin=asyncio.subprocess.PIPE,
            stdout=file,
            stderr=file,
        )
    assert process.stdin is not None, "asked for a pipe"
    process.stdin.write(orjson.dumps(plan))
    process.stdin.close()
    try:
        yield Child(process, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
