"""`spark up` as people run it: a process of its own, found through its files."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

import orjson
import psutil

from spark.bench.caps import WIDE_CAPS
from spark.embedded.child import ChildState, ChildStatus
from spark.embedded.home import Home
from spark.embedded.state import StackPhase, StackState, read_state
from tests.servers import jar_cache

_WAIT_S_MAX: Final = 150.0
_POLL_S: Final = 0.02


def environment(home: Path, **more: str) -> dict[str, str]:
    """A bare environment whose stack lives in `home`."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "SPARK_HOME": str(home / "spark"),
        "XDG_CACHE_HOME": str(jar_cache().parents[1]),
        **more,
    }


@dataclass(frozen=True)
class Result:
    """What a finished command said."""

    code: int
    out: str
    err: str

    @property
    def object(self) -> dict[str, Any]:
        """The one object on stdout; more or less than one line fails."""
        (line,) = self.out.splitlines()
        found = orjson.loads(line)
        assert isinstance(found, dict)
        return found


def spark(*arguments: str, env: Mapping[str, str]) -> Result:
    """Run a command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "spark", *arguments],
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_WAIT_S_MAX,
        check=False,
        text=True,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@dataclass
class UpStack:
    """One `spark up` at a time on one home."""

    place: Path
    processes: str
    env: dict[str, str] = field(init=False)
    supervisor: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.env = environment(self.place, **dict(WIDE_CAPS))
        self.home = Home(self.place / "spark")
        self.output = self.place / "output.txt"

    def up(self, *arguments: str) -> None:
        """Start, and wait until it runs."""
        mine = self.begin(*arguments).pid

        def runs() -> bool:
            assert self.supervisor is not None
            assert self.supervisor.poll() is None, self.output.read_text()
            state = read_state(self.home)
            return (
                state is not None
                and state.supervisor.pid == mine
                and state.phase is StackPhase.RUNNING
            )

        until(runs, "the stack runs")

    def begin(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start, and wait for nothing."""
        with self.output.open("wb") as output:
            self.supervisor = subprocess.Popen(
                [sys.executable, "-m", "spark", "up", "--processes", self.processes, *arguments],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return self.supervisor

    @property
    def state(self) -> StackState:
        found = read_state(self.home)
        assert found is not None
        return found

    def child(self, name: str) -> ChildStatus:
        return next(child for child in self.state.children if child.name == name)

    def until_restarted(self, name: str, restarts: int = 1) -> ChildStatus:
        """Wait until a child serves again."""

        def is_back() -> bool:
            child = self.child(name)
            return child.restarts >= restarts and child.state is ChildState.READY

        until(is_back, f"{name} serves again")
        return self.child(name)

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the supervisor's end."""
        assert self.supervisor is not None
        self.supervisor.send_signal(number)
        code = self.supervisor.wait(_WAIT_S_MAX)
        self.supervisor = None
        return code

    def processes_left(self) -> list[str]:
        """List processes that still belong to this home, whoever started them."""
        return processes_of(self.place)


def processes_of(place: Path) -> list[str]:
    """List processes whose command line or working directory names a place."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd()]
        except (psutil.Error, OSError):
            continue
        if process.pid != os.getpid() and any(str(place) in word for word in words):
            found.append(f"{process.pid} {' '.join(words)[:200]}")
    return found


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for what another process does."""
    deadline = monotonic() + _WAIT_S_MAX
    while not condition():
        assert monotonic() < deadline, f"not within {_WAIT_S_MAX} s: {what}"
        sleep(_POLL_S)
