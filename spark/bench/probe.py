"""
What else a benchmark has to know: when the machine stalled, and what processes cost.

The jitter probe is a process of its own that sleeps for a millisecond, again and
again, and notes each time that it slept far longer: then nobody ran, and what was
measured then says nothing about Spark. `python -m spark.bench.probe` is that process.
"""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

import orjson
import psutil

from spark.bench.figures import Stall

#: A sleep of 1 ms that takes so long is a stall.
STALL_MS_MIN: Final = 20
_SLEEP_S: Final = 0.001
#: What a process used is read so often, because one that has ended cannot be asked.
_LOOK_S: Final = 0.2
#: Reading memory makes the kernel walk it, so it is done far less often.
_LOOKS_A_WEIGHING: Final = 25
_NS_PER_MS: Final = 1_000_000
_BYTES_PER_MB: Final = 1_000_000
_US_PER_S: Final = 1e6
_END_S_MAX: Final = 5.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What each process used, by name; children count with their parent."""

    cpu_us: Mapping[str, float]
    #: The most that was seen; pages that several processes share are shared out.
    rss_mb: Mapping[str, float]


class _Watched:
    """One process and its children."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._family = [self._process]
        self._meet()
        self._began_s = self._read_s() or 0.0
        self.cpu_us = 0.0
        self.rss_mb = 0.0

    def look(self) -> None:
        """Read what it used so far, unless it has ended."""
        spent_s = self._read_s()
        if spent_s is not None:
            self.cpu_us = max(self.cpu_us, (spent_s - self._began_s) * _US_PER_S)

    def weigh(self) -> None:
        """Read what memory it has now, and who belongs to it."""
        self._meet()
        self.rss_mb = max(self.rss_mb, _memory_bytes(self._family) / _BYTES_PER_MB)

    def _read_s(self) -> float | None:
        total = None
        for process in self._family:
            with suppress(psutil.NoSuchProcess):
                spent = process.cpu_times()
                # Children that have ended count with whoever waited for them.
                own = spent.user + spent.system + spent.children_user + spent.children_system
                total = own + (total or 0.0)
        return total

    def _meet(self) -> None:
        # Looks through every process there is, so not at each look.
        with suppress(psutil.NoSuchProcess):
            self._family = [self._process, *self._process.children(recursive=True)]


class Probe:
    """
    Watches the machine and some processes while the body of `async with` runs.

    Args:
        pids: of the processes, by the name under which they are reported.

    """

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._watched = {name: _Watched(pid) for name, pid in pids.items()}
        self._sleeper: asyncio.subprocess.Process | None = None
        self._looking: asyncio.Task[None] | None = None
        self._busy_s = 0.0
        self._began_s = 0.0
        #: Filled at the end.
        self.stall_times: list[Stall] = []
        #: Share of all CPUs that ran something, whoever's; other work on the machine
        #: is what this is above the measured processes' own.
        self.machine_busy_pct = 0.0

    @property
    def stalls(self) -> int:
        """How often the machine stood still."""
        return len(self.stall_times)

    def watch(self, name: str, pid: int) -> None:
        """Watch one more process from now on."""
        self._watched[name] = _Watched(pid)

    def usage(self) -> Usage:
        """Tell what was used."""
        return Usage(
            {name: one.cpu_us for name, one in self._watched.items()},
            {name: round(one.rss_mb, 1) for name, one in self._watched.items()},
        )

    async def __aenter__(self) -> Self:
        self._sleeper = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "spark.bench.probe", stdout=subprocess.PIPE
        )
        self._looking = asyncio.create_task(self._look_on())
        self._busy_s, self._began_s = _machine_busy_s(), time.monotonic()
        return self

    async def __aexit__(self, *error: object) -> None:
        del error
        assert self._looking is not None, "entered"
        assert self._sleeper is not None, "entered"
        span_s = (time.monotonic() - self._began_s) * (psutil.cpu_count() or 1)
        self.machine_busy_pct = round(100 * (_machine_busy_s() - self._busy_s) / span_s, 1)
        self._looking.cancel()
        self._weigh()
        self._look()
        try:
            self._sleeper.send_signal(signal.SIGTERM)
            async with asyncio.timeout(_END_S_MAX):
                said, _ = await self._sleeper.communicate()
            self.stall_times = [Stall(start, end) for start, end in orjson.loads(said or b"[]")]
        finally:
            if self._sleeper.returncode is None:
                self._sleeper.kill()
                await self._sleeper.wait()

    async def _look_on(self) -> None:
        while True:
            self._weigh()
            for _ in range(_LOOKS_A_WEIGHING):
                self._look()
                await asyncio.sleep(_LOOK_S)

    def _weigh(self) -> None:
        for one in self._watched.values():
            one.weigh()

    def _look(self) -> None:
        for one in self._watched.values():
            one.look()


def _machine_busy_s() -> float:
    spent = psutil.cpu_times()
    return float(sum(spent) - spent.idle - getattr(spent, "iowait", 0.0))


def _memory_bytes(family: list[psutil.Process]) -> int:
    total = 0
    for process in family:
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss if len(family) == 1 else _share_bytes(process)
    return total


def _share_bytes(process: psutil.Process) -> int:
    try:
        share: int = process.memory_full_info().pss
    except (psutil.AccessDenied, AttributeError):
        # Without the right to look, shared pages count in every process.
        share = process.memory_info().rss
    return share


def _sleep_on() -> None:
    stalls: list[tuple[int, int]] = []

    def end(_number: int, _frame: object) -> None:
        sys.stdout.buffer.write(orjson.dumps(stalls))
        sys.stdout.flush()
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    before_ns = time.time_ns()
    while True:
        time.sleep(_SLEEP_S)
        now_ns = time.time_ns()
        if now_ns - before_ns > STALL_MS_MIN * _NS_PER_MS:
            stalls.append((before_ns, now_ns))
        before_ns = now_ns


if __name__ == "__main__":
    _sleep_on()
