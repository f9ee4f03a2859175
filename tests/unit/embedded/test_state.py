"""Where a running stack is written down."""

from dataclasses import replace
from pathlib import Path

import pytest

from spark.bench.crash.rooms import fill
from spark.embedded.child import ChildState, ChildStatus
from spark.embedded.home import Home
from spark.embedded.identity import ProcessIdentity, own_identity
from spark.embedded.plan import Ports, StackOptions
from spark.embedded.ports import pick_ports
from spark.embedded.site import choose_ports
from spark.embedded.state import (
    SimulatorAddress,
    StackPhase,
    StackState,
    find_stack,
    read_state,
    write_state,
)
from spark.errors import NotRunningError
from spark.names import Endpoint, TradingMode, Venue
from tests.disks import small_disk_or_skip


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.make(is_shared=False)
    return made


def _state(home: Home) -> StackState:
    return StackState(
        name="dev",
        phase=StackPhase.RUNNING,
        supervisor=own_identity(),
        started_ns=1,
        home=home.root,
        mode=TradingMode.LIVE,
        endpoint=Endpoint.SIM,
        isolation_reason="",
        uids={"signer": 60_801},
        kafka_bootstrap="127.0.0.1:9092",
        is_kafka_embedded=True,
        database_url="postgresql://127.0.0.1:5432/spark",
        is_database_embedded=True,
        simulators={
            Venue.BTCTURK: SimulatorAddress(
                url="http://127.0.0.1:1",
                stream_url="ws://127.0.0.1:1",
                admin_url="http://127.0.0.1:2",
            )
        },
        ports={"kafka": 21_000},
        children=(
            ChildStatus(
                name="kafka",
                state=ChildState.READY,
                pid=5,
                restarts=1,
                ready_after_s=0.5,
                detail="",
            ),
        ),
    )


def test_what_is_written_is_read(home: Home) -> None:
    """
    The command line finds what the supervisor knows.
    """
    write_state(home, _state(home))
    assert read_state(home) == _state(home)
    assert find_stack(home).is_isolated


def test_what_has_changed_is_read_though_the_disk_is_full(home: Home) -> None:
    """
    I18, fault K2: whoever ended on a full disk is not called ready for want of room to say so.
    """
    broker = ChildStatus(
        name="kafka",
        state=ChildState.PAUSING,
        pid=None,
        restarts=1,
        ready_after_s=0.5,
        detail="the disk is full: " + "x" * 300,
    )
    worse = replace(_state(home), children=(broker,) * 20)
    with small_disk_or_skip(home.run, 128 * 1024):
        write_state(home, _state(home))
        fill(home.run / "ballast")
        write_state(home, worse)
        assert read_state(home) == worse
        (home.run / "ballast").unlink()
        write_state(home, _state(home))
        assert read_state(home) == _state(home)


def test_a_supervisor_that_is_gone_is_not_running(home: Home) -> None:
    """
    What a killed supervisor left is no running stack, even if a stranger has its pid now.
    """
    dead = ProcessIdentity(own_identity().pid, "another birth")
    write_state(home, replace(_state(home), supervisor=dead))
    with pytest.raises(NotRunningError, match="spark up"):
        find_stack(home)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version":1}', b"\xff"], ids=repr)
def test_a_damaged_file_is_no_stack(home: Home, content: bytes) -> None:
    """
    Whatever stands there, the command says that nothing runs.
    """
    (home.run / "stack.json").write_bytes(content)
    assert read_state(home) is None
    with pytest.raises(NotRunningError):
        find_stack(home)


def test_a_next_start_prefers_the_ports_of_the_last(home: Home) -> None:
    """
    Clients that were told an address find the stack there again; 0 still means any.
    """
    (free,) = pick_ports([0])
    write_state(home, replace(_state(home), ports={"kafka": free}))
    options = StackOptions(
        name="dev",
        home=home.root,
        anchor=home.root,
        jar_directory=home.root,
        mode=TradingMode.LIVE,
        ports=Ports(postgres=0, simulator=0, simulator_admin=0, kafka_controller=0),
    )
    assert choose_ports(options).kafka == free
    assert choose_ports(replace(options, ports=Ports(kafka=0))).kafka != free
