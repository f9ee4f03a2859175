"""What a killed supervisor left beside its home."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from spark.embedded.abandoned import clear_abandoned
from spark.embedded.home import Home
from spark.embedded.identity import ProcessIdentity, identify
from spark.embedded.leftovers import write_children
from spark.embedded.state import StackPhase, StackState, write_state
from spark.names import Endpoint, TradingMode


def _state(home: Path, phase: StackPhase) -> StackState:
    return StackState(
        name="dev",
        phase=phase,
        supervisor=ProcessIdentity(1, "gone"),
        started_ns=1,
        home=home,
        mode=TradingMode.LIVE,
        endpoint=Endpoint.SIM,
        isolation_reason="",
        uids={},
        kafka_bootstrap="",
        is_kafka_embedded=True,
        database_url="",
        is_database_embedded=True,
        ports={},
    )


def _homes(tmp_path: Path) -> tuple[Home, Home]:
    anchor, temporary = Home(tmp_path / "anchor"), Home(tmp_path / "temporary")
    anchor.make(is_shared=False)
    temporary.make(is_shared=False)
    return anchor, temporary


def test_an_ephemeral_stack_that_was_killed_is_ended_and_removed(tmp_path: Path) -> None:
    """
    Its temporary home would otherwise stay for ever, and so would what still runs in it.
    """
    anchor, temporary = _homes(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    identity = identify(child.pid)
    assert identity is not None
    write_children(temporary.run / "children.json", {"kafka": identity})
    write_state(anchor, _state(temporary.root, StackPhase.RUNNING))
    assert clear_abandoned(anchor) == ["kafka"]
    assert child.wait(60) != 0
    assert not temporary.root.exists()


def test_a_stack_that_stopped_in_order_left_nothing_to_remove(tmp_path: Path) -> None:
    """
    Whoever started it removes it; a second one may live in a place of that name by now.
    """
    anchor, temporary = _homes(tmp_path)
    write_state(anchor, _state(temporary.root, StackPhase.STOPPED))
    assert clear_abandoned(anchor) == []
    assert temporary.root.exists()


def test_a_place_that_spark_did_not_make_is_left_alone(tmp_path: Path) -> None:
    """
    The state file is believed only as far as the place itself agrees.
    """
    anchor, _ = _homes(tmp_path)
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "thesis.tex").touch()
    write_state(anchor, _state(strange, StackPhase.RUNNING))
    assert clear_abandoned(anchor) == []
    assert (strange / "thesis.tex").exists()


def test_the_data_of_a_stack_that_is_kept_stay(tmp_path: Path) -> None:
    """
    A killed supervisor costs no data.
    """
    anchor, _ = _homes(tmp_path)
    (anchor.root / "kafka").mkdir()
    state = _state(anchor.root, StackPhase.RUNNING)
    write_state(anchor, replace(state, children=()))
    clear_abandoned(anchor)
    assert (anchor.root / "kafka").exists()
