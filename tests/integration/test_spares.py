"""Processes in waiting, as the kernel sees it: small real programs, started and become."""

import asyncio
import os
import signal
import socket
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import pytest

from spark.embedded.child import Child, ChildState, ChildStatus
from spark.embedded.command import Command, base_environment, closed_start
from spark.embedded.home import Home
from spark.embedded.isolation import needed_paths
from spark.embedded.polling import until
from spark.embedded.reach import obstacle
from spark.embedded.supervisor import Supervisor

_NAME: Final = "server"
_WORDS: Final = ("http.server", "--bind", "127.0.0.1", "0")
_STRANGER: Final = 64_321
_COUNT: Final = 2
_WAIT_S_MAX: Final = 60.0
#: What the kernel knows of a process, and what a start decides.
_STATUS: Final = (
    "Umask", "Uid", "Gid", "Groups", "SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm", "CapEff",
    "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Threads",
)  # fmt: skip


def uid_of_child() -> int | None:
    """Give a uid of its own where this user may, as an isolated stack has it."""
    if os.getuid() == 0 and not any(obstacle(path, _STRANGER) for _, path in needed_paths()):
        return _STRANGER
    return None


def until_listens(pid: int) -> bool:
    """Say whether the program of a child serves: all that a start does lies behind it."""
    try:
        return any(c.status == psutil.CONN_LISTEN for c in psutil.Process(pid).net_connections())
    except psutil.Error:
        return False


@dataclass
class Stand:
    """A supervisor with one child that a spare can become."""

    supervisor: Supervisor
    home: Home

    def status(self) -> ChildStatus:
        (found,) = self.supervisor.statuses()
        return found

    def start(self, uid: int | None) -> None:
        directory = self.home.run

        async def command() -> Command:
            return Command(
                argv=closed_start(*_WORDS),
                words=_WORDS,
                env={**base_environment(), "ONLY": "this"},
                cwd=directory,
                uid=uid,
                other_group=None if uid is None else uid + 1,
                stop_signal=signal.SIGTERM,
            )

        async def wait_ready(is_alive: Callable[[], bool]) -> None:
            await until(lambda: self._serves() or not is_alive(), timeout_s=_WAIT_S_MAX)

        child = Child(name=_NAME, command=command, wait_ready=wait_ready, stop_wave=0)
        self.supervisor.start(child)

    def _serves(self) -> bool:
        pid = self.status().pid
        return pid is not None and until_listens(pid)

    async def serves(self, restarts: int) -> psutil.Process:
        """Wait until the child serves after so many restarts at least."""

        def does() -> bool:
            status = self.status()
            return status.restarts >= restarts and status.state is ChildState.READY

        assert await until(does, timeout_s=_WAIT_S_MAX)
        return psutil.Process(self.status().pid)

    async def waiting(self) -> list[psutil.Process]:
        """Wait until all that should wait do; the oldest first."""
        found: list[psutil.Process] = []

        def all_wait() -> bool:
            found[:] = spares()
            return len(found) == _COUNT

        assert await until(all_wait, timeout_s=_WAIT_S_MAX)
        return sorted(found, key=lambda spare: spare.create_time())


def spares() -> list[psutil.Process]:
    """List this process's spares."""
    found = []
    for child in psutil.Process().children():
        try:
            if "spark.embedded.spare" in child.cmdline():
                found.append(child)
        except psutil.Error:
            continue
    return found


def made_in(root: Path) -> Stand:
    """Make a supervisor whose children of any uid find their directory."""
    home = Home(root / "home")
    home.make(is_shared=True)
    for directory in (home.run, home.root, root, root.parent):
        directory.chmod(0o755)
    return Stand(Supervisor(home, lambda _: None), home)


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    made = made_in(tmp_path)
    yield made
    made.supervisor.kill_all()
    await made.supervisor.stop(budget_s=5)
    assert spares() == []


def known_of(process: psutil.Process) -> dict[str, object]:
    """Say what the kernel knows of a process."""
    place = Path("/proc") / str(process.pid)
    lines = (line.partition(":") for line in (place / "status").read_text().splitlines())
    return {
        **{name: value.split() for name, _, value in lines if name in _STATUS},
        "limits": (place / "limits").read_text(),
        "words": " ".join(process.cmdline()),
        "directory": process.cwd(),
        "session": os.getsid(process.pid) == process.pid,
        "parent": process.ppid(),
        # Of another uid than the process's own, where it may not be looked into.
        "owner": place.stat().st_uid,
        "files": [str((place / "fd" / str(number)).readlink()) for number in range(3)],
    }


async def test_s15_what_a_spare_becomes_is_what_a_start_makes(stand: Stand) -> None:
    """S15: uid, groups, rights, limits, directory, output, words: the kernel sees no difference."""
    stand.start(uid_of_child())
    first = await stand.serves(restarts=0)
    started = known_of(first)
    oldest, _ = await stand.waiting()
    first.kill()
    again = await stand.serves(restarts=1)
    assert again.pid == oldest.pid
    assert known_of(again) == started
    # Its environment was made before it was anybody: it names nothing of the stack.
    assert again.environ() == base_environment()
    assert again.pid not in {spare.pid for spare in await stand.waiting()}


async def test_a_spare_that_ended_is_not_missed(stand: Stand) -> None:
    """A child that ends when the spares were killed too comes back, and others wait."""
    stand.start(None)
    first = await stand.serves(restarts=0)
    killed = await stand.waiting()
    for spare in killed:
        spare.kill()
    first.kill()
    await stand.serves(restarts=1)
    assert not {spare.pid for spare in killed} & {spare.pid for spare in await stand.waiting()}


async def test_a_spare_is_stopped_with_what_it_became(stand: Stand) -> None:
    """A child made of a spare ends by its stop signal, like any other, and none waits on."""
    stand.start(None)
    first = await stand.serves(restarts=0)
    await stand.waiting()
    first.kill()
    again = await stand.serves(restarts=1)
    left = [again, *await stand.waiting()]
    await stand.supervisor.stop(budget_s=5)
    assert not any(one.is_running() for one in left)


async def test_a_spare_ends_with_its_socket() -> None:
    """Without its supervisor it becomes nobody: the end of the socket ends it, on any system."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = await asyncio.create_subprocess_exec(
            *closed_start("spark.embedded.spare", "spark.cli.run"), stdin=theirs.fileno()
        )
    assert await asyncio.wait_for(process.wait(), _WAIT_S_MAX) == 0


async def test_what_a_spare_became_does_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    """The kernel forgets the leash when the uid changes, so it is put on once more."""
    script = f"""
        import asyncio, sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from tests.integration.test_spares import made_in, uid_of_child

        async def main():
            stand = made_in(Path({str(tmp_path)!r}))
            stand.start(uid_of_child())
            first = await stand.serves(restarts=0)
            await stand.waiting()
            first.kill()
            again = await stand.serves(restarts=1)
            print(again.pid, *(spare.pid for spare in await stand.waiting()), flush=True)
            await asyncio.sleep(600)

        asyncio.run(main())
    """
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(script), stdout=asyncio.subprocess.PIPE
    )
    assert supervisor.stdout is not None
    left = [psutil.Process(int(pid)) for pid in (await supervisor.stdout.readline()).split()]
    assert len(left) == 1 + _COUNT
    supervisor.kill()
    await supervisor.wait()
    await supervisor.stdout.read()
    assert await until(lambda: not any(one.is_running() for one in left), timeout_s=_WAIT_S_MAX)
