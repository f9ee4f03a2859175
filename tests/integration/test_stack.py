"""`spark up` from the outside: started once, hurt in every way, started again."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from spark import keys
from spark.embedded.child import ChildState
from spark.embedded.leftovers import read_children
from spark.embedded.state import StackPhase
from tests.stacks import UpStack, environment, processes_of, spark, until

_PROCESSES = "auditor,venue_watch,signer,gateway,guardrail"
_ESCAPE = "\x1b"


@pytest.fixture(scope="module")
def stack(server_home: Path) -> Iterator[UpStack]:
    """A running stack; the tests of this file hurt it in turn, and it heals."""
    place = server_home / "stack"
    place.mkdir(mode=0o711)
    running = UpStack(place, _PROCESSES)
    running.up()
    yield running
    if running.supervisor is not None:
        running.end(signal.SIGTERM)


def test_off_a_terminal_each_event_is_a_line_without_escape_codes(stack: UpStack) -> None:
    """
    A log file of a start can be read and searched.
    """
    text = stack.output.read_text()
    assert _ESCAPE not in text
    assert "\r" not in text
    phases = [line.partition(":")[0] for line in text.splitlines() if ": done in " in line]
    assert set(phases) >= {"home", "jars", "kafka", "postgres", "migrations", "simulator"}
    assert phases[-1] == "processes"


def test_mode_and_isolation_are_said_on_every_screen(stack: UpStack) -> None:
    """
    Live on the simulator is not live; one uid for all is no isolation (S7).
    """
    shown = spark("status", env=stack.env).out
    for text in (stack.output.read_text(), shown):
        assert "mode LIVE on endpoint sim" in text
        assert ("isolation" in text) if stack.state.is_isolated else ("NO ISOLATION: " in text)


def test_status_is_one_object(stack: UpStack) -> None:
    """
    A script reads the stack without parsing text.
    """
    result = spark("status", "--wait", "--json", env=stack.env)
    assert result.code == 0
    found = result.object
    assert found["phase"] == "running"
    assert found["mode"] == "live"
    assert {child["state"] for child in found["processes"].values()} == {"ready"}
    assert set(found["processes"]) == {*_PROCESSES.split(","), "kafka", "postgres", "simulator"}


def test_a_second_up_is_refused_in_one_line(stack: UpStack) -> None:
    """
    Fault P10: two supervisors on one home would start two brokers on one log.
    """
    result = spark("up", env=stack.env)
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert str(stack.state.supervisor.pid) in line
    assert stack.state.phase is StackPhase.RUNNING


def test_no_secret_is_in_an_argument_an_environment_a_log_or_the_state(stack: UpStack) -> None:
    """
    Secrets travel as files of their owner alone (S15, H4).
    """
    files = [path for path in stack.home.secrets.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o400}
    places = [read_bytes(path) for path in stack.home.logs.iterdir()]
    places.append(read_bytes(stack.home.run / "stack.json"))
    for child in stack.state.children:
        places += [read_bytes(Path(f"/proc/{child.pid}/{name}")) for name in ("cmdline", "environ")]
    for path in files:
        secret = path.read_bytes().strip()
        for form in (secret, secret.hex().encode()):
            assert not any(form in place for place in places), path.name


def test_each_role_holds_its_own_keys_and_no_others(stack: UpStack) -> None:
    """
    A directory of secrets holds what the table of keys says (S2).
    """
    for role in _PROCESSES.split(","):
        held = {path.name for path in stack.home.secrets_of(role).iterdir()}
        shared = {name for name in held if name.startswith(("tag.", "seal."))}
        assert shared == keys.shared_keys_of(role)
        assert (keys.AUDIT_PRIVATE in held) == (role == "auditor")
        assert ("binance.secret" in held) == (role == "signer")


@pytest.mark.parametrize("name", ["guardrail", "simulator", "postgres", "kafka"])
def test_a_part_ended_by_kill_9_works_again(stack: UpStack, name: str) -> None:
    """
    Start and recovery are one path: nothing has to be done by hand.
    """
    before = stack.child(name)
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    after = stack.until_restarted(name, before.restarts + 1)
    assert after.pid != before.pid
    assert spark("status", "--wait", env=stack.env).code == 0


def test_after_kill_9_of_the_supervisor_nothing_runs_and_up_starts_again(stack: UpStack) -> None:
    """
    Children end with it; the next start keeps the data, and takes other ports where it must.

    Faults P8 and O1.
    """
    children = read_children(stack.home.run / "children.json")
    log_epoch = (stack.home.public / keys.LOG_EPOCH).read_text()
    ports = stack.state.ports
    stack.end(signal.SIGKILL)
    assert len(children) == len(_PROCESSES.split(",")) + 3
    until(lambda: not any(child.is_alive() for child in children.values()), "children end")
    until(lambda: not stack.processes_left(), "their own children end")
    assert spark("status", env=stack.env).code == 3
    taken = ("kafka", "kafka_controller", "postgres")
    with ExitStack() as strangers:
        for name in taken:
            strangers.enter_context(socket.create_server(("127.0.0.1", ports[name])))
        stack.up()
    assert {name for name in ports if stack.state.ports[name] != ports[name]} == set(taken)
    assert (stack.home.public / keys.LOG_EPOCH).read_text() == log_epoch
    assert "nothing to apply" in stack.output.read_text()
    assert spark("status", "--wait", env=stack.env).code == 0


def test_down_stops_everything_and_leaves_no_process(stack: UpStack) -> None:
    """
    `spark down` is SIGTERM to the supervisor: all in order, exit 0, nothing left.
    """
    children = [psutil.Process(c.pid) for c in stack.state.children if c.pid is not None]
    assert {child.state for child in stack.state.children} == {ChildState.READY}
    assert spark("down", env=stack.env).code == 0
    assert stack.supervisor is not None
    assert stack.supervisor.wait(60) == 0
    stack.supervisor = None
    assert not any(child.is_running() for child in children)
    assert stack.processes_left() == []
    assert "no process left" in stack.output.read_text()
    assert stack.state.phase is StackPhase.STOPPED
    assert spark("down", env=stack.env).code == 3


def test_purge_leaves_nothing(stack: UpStack) -> None:
    """
    What `up` made, `down --purge` removes.
    """
    assert spark("down", "--purge", env=stack.env).code == 0
    assert not stack.home.root.exists()


def test_for_ends_by_itself_with_one_object_and_no_trace(server_home: Path) -> None:
    """
    `--for` ends well; `--ephemeral` keeps nothing; `--json` prints one object.
    """
    place = server_home / "short"
    place.mkdir(mode=0o711)
    env = environment(place, TMPDIR=str(place))
    result = spark("up", "--for", "1s", "--ephemeral", "--json", "--processes", "auditor", env=env)
    assert result.code == 0, result.err
    assert result.object["ending"] == "on_time"
    assert result.object["summary"]["is_data_kept"] is False
    assert processes_of(place) == []
    assert list(place.glob("spark-*")) == []


@pytest.mark.parametrize("signals", [1, 2], ids=["in order", "at once"])
def test_a_start_that_is_interrupted_leaves_nothing(server_home: Path, signals: int) -> None:
    """
    Ctrl-C while servers start ends what was begun; a second one does not wait for it.
    """
    place = server_home / f"interrupted{signals}"
    place.mkdir(mode=0o711)
    stack = UpStack(place, "auditor")
    supervisor = stack.begin()
    until((stack.home.run / "children.json").exists, "a child was started")
    for _ in range(signals):
        supervisor.send_signal(signal.SIGINT)
    assert supervisor.wait(60) == 130
    assert "Traceback" not in stack.output.read_text()
    until(lambda: not processes_of(place), "nothing is left")
    assert stack.state.phase is StackPhase.STOPPED


def read_bytes(path: Path) -> bytes:
    """Read a file of /proc or an ordinary one; nothing where the process lets nobody look."""
    try:
        return path.read_bytes()
    except PermissionError:
        assert path.name == "environ"
        return b""
