"""The supervisor, with small real processes."""

import asyncio
import contextlib
import os
import signal
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from spark.bench.crash.rooms import fill
from spark.embedded.child import Child, ChildState, ChildStatus, IsAlive
from spark.embedded.command import Command
from spark.embedded.home import Home
from spark.embedded.identity import ProcessIdentity, identify
from spark.embedded.leftovers import end_leftovers, read_children, write_children
from spark.embedded.polling import until
from spark.embedded.supervisor import Supervisor
from spark.errors import EmbeddedUnavailable, IntegrityError
from tests.disks import small_disk_or_skip

_SLEEP = "import time; time.sleep(600)"
_STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"


class Bench:
    """A supervisor in a temporary home, and everything it said."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.home.make(is_shared=False)
        self.changes: list[ChildStatus] = []
        self._changed = asyncio.Event()
        self.supervisor = Supervisor(self.home, self._note)

    def child(
        self,
        name: str,
        script: str,
        *,
        needs: Sequence[str] = (),
        stop_wave: int = 0,
        wait_ready: Callable[[IsAlive], object] | None = None,
    ) -> Child:
        """Describe a child that runs a script and is ready when it has touched its file."""
        path = self.home.run / f"{name}.ready"
        touch = f"open({str(path)!r}, 'w').close()"

        async def command() -> Command:
            path.unlink(missing_ok=True)
            return Command(
                argv=(sys.executable, "-I", "-c", script.replace("READY", touch)),
                env={"ONLY": "this"},
                cwd=Path("/"),
                uid=None,
                stop_signal=signal.SIGTERM,
            )

        async def until_touched(is_alive: IsAlive) -> None:
            await until(lambda: path.exists() or not is_alive(), timeout_s=60)

        return Child(
            name=name,
            command=command,
            wait_ready=wait_ready or until_touched,  # type: ignore[arg-type]
            needs=tuple(needs),
            stop_wave=stop_wave,
        )

    def status(self, name: str) -> ChildStatus:
        return next(status for status in self.supervisor.statuses() if status.name == name)

    async def until(self, name: str, state: ChildState, *, restarts: int = 0) -> ChildStatus:
        """Wait until a child is in a state after so many restarts."""
        while not self._is(name, state, restarts):
            self._changed.clear()
            await self._changed.wait()
        return self.status(name)

    def _is(self, name: str, state: ChildState, restarts: int) -> bool:
        status = self.status(name)
        return status.state is state and status.restarts >= restarts

    def _note(self, status: ChildStatus) -> None:
        self.changes.append(status)
        self._changed.set()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A supervisor whose children are gone afterwards, whatever the test did."""
    made = Bench(tmp_path / "home")
    yield made
    made.supervisor.kill_all()
    await made.supervisor.stop(budget_s=5)


def alive(status: ChildStatus) -> ProcessIdentity:
    assert status.pid is not None
    found = identify(status.pid)
    assert found is not None
    return found


async def test_a_killed_child_is_ready_again(bench: Bench) -> None:
    """
    A part ended by kill -9 heals.
    """
    bench.supervisor.start(bench.child("a", f"READY; {_SLEEP}"))
    await bench.supervisor.ready(["a"], timeout_s=30)
    first = alive(bench.status("a"))
    os.kill(first.pid, signal.SIGKILL)
    again = await bench.until("a", ChildState.READY, restarts=1)
    assert again.pid != first.pid
    assert not first.is_alive()
    assert "SIGKILL" in next(s.detail for s in bench.changes if s.state is ChildState.PAUSING)


async def test_a_killed_child_is_ready_again_on_a_full_disk(bench: Bench) -> None:
    """
    Fault K2: where the children cannot be written down, they are healed all the same.
    """
    with small_disk_or_skip(bench.home.run, 64 * 1024):
        bench.supervisor.start(bench.child("a", f"READY; {_SLEEP}"))
        await bench.supervisor.ready(["a"], timeout_s=30)
        fill(bench.home.run / "ballast")
        os.kill(alive(bench.status("a")).pid, signal.SIGKILL)
        await bench.until("a", ChildState.READY, restarts=1)
        assert not bench.supervisor.broken.done()
        bench.supervisor.kill_all()
        await bench.supervisor.stop(budget_s=5)


async def test_a_child_that_halts_is_shown_and_left_alone(bench: Bench) -> None:
    """
    A halt is for a person: three times, then its last lines, and no hot loop.
    """
    bench.supervisor.start(bench.child("a", "print('the log was cut'); raise SystemExit(7)"))
    with pytest.raises(EmbeddedUnavailable, match="exited with 7"):
        await bench.supervisor.ready(["a"], timeout_s=30)
    halted = await bench.until("a", ChildState.HALTED)
    assert halted.restarts == 2
    assert halted.last_lines == ("the log was cut",)


async def test_a_start_is_given_up_when_a_child_ends_again_and_again(bench: Bench) -> None:
    """
    A start fails with the child's name and how it ended, not with a timeout.
    """
    bench.supervisor.start(bench.child("a", "raise SystemExit(1)"))
    with pytest.raises(EmbeddedUnavailable, match="a exited with 1"):
        await bench.supervisor.ready(["a"], timeout_s=30)


async def test_a_child_waits_for_what_it_needs(bench: Bench) -> None:
    """
    While the broker is away, nothing that needs it is started.
    """
    bench.supervisor.start(bench.child("server", f"READY; {_SLEEP}"))
    bench.supervisor.start(bench.child("client", f"READY; {_SLEEP}", needs=["server"]))
    await bench.supervisor.ready(["server", "client"], timeout_s=30)
    order = [s.name for s in bench.changes if s.state is ChildState.READY]
    assert order == ["server", "client"]
    server, client = bench.status("server").pid, bench.status("client").pid
    assert server is not None
    assert client is not None
    bench.changes.clear()
    os.kill(server, signal.SIGKILL)
    await bench.until("server", ChildState.PAUSING)
    os.kill(client, signal.SIGKILL)
    await bench.until("client", ChildState.READY, restarts=1)
    order = [s.name for s in bench.changes if s.state is ChildState.READY]
    assert order == ["server", "client"]


async def test_what_keeps_a_child_from_serving_is_what_the_start_says(bench: Bench) -> None:
    """
    A wrong password is named, instead of "not ready".
    """

    async def refused(_: IsAlive) -> None:
        raise IntegrityError("the password of user broker is wrong")

    bench.supervisor.start(bench.child("a", _SLEEP, wait_ready=refused))
    with pytest.raises(IntegrityError, match="password of user broker"):
        await bench.supervisor.ready(["a"], timeout_s=30)


async def test_a_late_child_is_named(bench: Bench) -> None:
    """
    A start that takes too long says what it waits for.
    """
    bench.supervisor.start(bench.child("slow", _SLEEP))
    with pytest.raises(EmbeddedUnavailable, match="slow"):
        await bench.supervisor.ready(["slow"], timeout_s=0.05)


async def test_children_end_in_waves_and_a_stubborn_one_is_killed(bench: Bench) -> None:
    """
    What writes intents ends first, what keeps the log last, and nothing is left.
    """
    bench.supervisor.start(bench.child("log", f"READY; {_SLEEP}", stop_wave=2))
    bench.supervisor.start(bench.child("strategy", f"READY; {_SLEEP}", stop_wave=0))
    bench.supervisor.start(bench.child("stubborn", f"{_STUBBORN}; READY; {_SLEEP}", stop_wave=1))
    await bench.supervisor.ready(["log", "strategy", "stubborn"], timeout_s=30)
    processes = [alive(status) for status in bench.supervisor.statuses()]
    waves: list[list[str]] = []
    await bench.supervisor.stop(budget_s=4.5, on_wave=lambda names: waves.append(list(names)))
    assert waves == [["strategy"], ["stubborn"], ["log"]]
    stopped = [s.name for s in bench.changes if s.state is ChildState.STOPPED]
    assert stopped == ["strategy", "stubborn", "log"]
    assert not any(process.is_alive() for process in processes)
    assert read_children(bench.home.run / "children.json") == {}


async def test_a_child_gets_its_own_environment_and_no_terminal(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Nothing of the supervisor's environment reaches a child, and Ctrl-C does not either (S15).
    """
    monkeypatch.setenv("SECRET_OF_THE_SHELL", "x")
    script = """
        import os, resource, signal
        print(sorted(set(os.environ) - {"LC_CTYPE"}), os.getcwd(), oct(os.umask(0)), flush=True)
        print(os.getsid(0) == os.getpid(), resource.getrlimit(resource.RLIMIT_CORE), flush=True)
        print(sorted(os.listdir("/proc/self/fd")), flush=True)
        READY
        import time; time.sleep(600)
    """
    bench.supervisor.start(bench.child("a", textwrap.dedent(script)))
    await bench.supervisor.ready(["a"], timeout_s=30)
    assert bench.supervisor.last_lines("a") == [
        "['ONLY'] / 0o77",
        "True (0, 0)",
        "['0', '1', '2', '3']",  # the fourth is the listing itself
    ]


async def test_children_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    """
    After kill -9 of the supervisor no child runs on, whoever else still lives.
    """
    script = f"""
        import asyncio, sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from tests.integration.test_supervisor import Bench, _SLEEP, _STUBBORN

        async def main():
            bench = Bench(Path({str(tmp_path / "home")!r}))
            for name in ("a", "b"):
                bench.supervisor.start(bench.child(name, f"{{_STUBBORN}}; READY; {{_SLEEP}}"))
            await bench.supervisor.ready(["a", "b"], timeout_s=30)
            print("ready", flush=True)
            await asyncio.sleep(600)

        asyncio.run(main())
    """
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(script), stdout=asyncio.subprocess.PIPE
    )
    assert supervisor.stdout is not None
    assert await supervisor.stdout.readline() == b"ready\n"
    children = read_children(tmp_path / "home" / "run" / "children.json")
    assert set(children) == {"a", "b"}
    assert all(child.is_alive() for child in children.values())
    supervisor.kill()
    await supervisor.wait()
    await supervisor.stdout.read()
    assert await until(lambda: not any(c.is_alive() for c in children.values()), timeout_s=60)


async def test_leftovers_are_ended_and_a_stranger_with_the_pid_is_not(tmp_path: Path) -> None:
    """
    A pid in a file is not enough to kill: boot and start time must be the same.
    """
    mine = await asyncio.create_subprocess_exec(sys.executable, "-c", _SLEEP)
    stranger = await asyncio.create_subprocess_exec(sys.executable, "-c", _SLEEP)
    noted = identify(mine.pid)
    assert noted is not None
    path = tmp_path / "children.json"
    other_birth = ProcessIdentity(stranger.pid, f"{noted.birth}1")
    write_children(path, {"kafka": noted, "postgres": other_birth})
    began = time.monotonic()
    assert await asyncio.to_thread(end_leftovers, path) == ["kafka"]
    assert time.monotonic() - began < 60
    assert await mine.wait() != 0
    assert stranger.returncode is None
    assert not path.exists()
    with contextlib.suppress(ProcessLookupError):
        stranger.kill()
    await stranger.wait()
