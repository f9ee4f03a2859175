"""`spark kill` against a running stack: a real broker, real processes, real restarts."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from spark.embedded.child import ChildState
from spark.producers.webhook import ADDRESS
from tests.stacks import Result, UpStack, environment, spark, until

_OBEYING = ["gateway", "guardrail", "signer"]


@pytest.fixture(scope="module")
def stack(server_home: Path) -> Iterator[UpStack]:
    """The order path in mode live on the simulator, and the webhook."""
    place = server_home / "kill"
    place.mkdir(mode=0o711)
    running = UpStack(place, "guardrail,signer,gateway,venue_watch,webhook")
    running.up()
    yield running
    running.end(signal.SIGTERM)


def _kill(stack: UpStack, *more: str) -> Result:
    return spark("kill", "--reason", "a test", "--json", *more, env=stack.env)


def _resume(stack: UpStack) -> None:
    """Resume as two persons, after whatever is in force."""
    words = ("--yes", "--json")
    said = spark("resume", "--reason", "over", *words, env=stack.env)
    assert said.code == 9, said.err
    done = spark("approve", said.object["id"], "--as", "op-second", *words, env=stack.env)
    assert done.code == 0, done.err


def _halts(stack: UpStack) -> list[str]:
    """Name the kills that an order is refused for now."""
    words = ("order", "place", "BTCUSDT", "buy", "0.001", "--limit", "60000", "--json")
    reasons = spark(*words, env=stack.env).object["reasons"]
    found = [one["found"] for one in reasons if one["code"] == "kill_switch_active"]
    return found[0].split(", ") if found else []


def _latch(stack: UpStack) -> list[str]:
    return sorted(path.name for path in stack.home.kill.iterdir())


def _copies(stack: UpStack) -> dict[str, Any]:
    return {
        role: orjson.loads((stack.home.latch_of(role) / "kills.json").read_bytes())
        for role in _OBEYING
    }


def test_r10_a_kill_is_confirmed_by_every_holder_and_resumed_by_two(stack: UpStack) -> None:
    """R10, S11: file, record, everybody's two words; then two persons, and the file is gone."""
    killed = _kill(stack)
    assert killed.code == 0, killed.err
    found = killed.object
    assert [one["role"] for one in found["confirmed"]] == _OBEYING
    assert all(one["drained_ms"] >= one["halted_ms"] >= 0 for one in found["confirmed"])
    assert found["unconfirmed"] == []
    assert _latch(stack) == [found["halt"]]
    assert len(_halts(stack)) == 2
    _resume(stack)
    assert _latch(stack) == []
    assert _copies(stack) == {role: [] for role in _OBEYING}
    assert _halts(stack) == []


def test_s10_a_kill_outlives_its_file_and_the_processes(stack: UpStack) -> None:
    """
    S10: touched by hand, removed by hand, each process killed with -9: still killed.

    Faults P7 and O1.
    """
    (stack.home.kill / "by hand").touch()
    until(lambda: all(_copies(stack).values()), "every process has copied the kill")
    (stack.home.kill / "by hand").unlink()
    for role in _OBEYING:
        before = stack.child(role)
        assert before.pid is not None
        os.kill(before.pid, signal.SIGKILL)
        stack.until_restarted(role, before.restarts + 1)
    (kill,) = _halts(stack)
    assert kill.startswith("latch:by hand@")
    _resume(stack)
    assert _halts(stack) == []


def test_r10_one_that_is_silent_is_named_and_the_kill_fails_loudly(stack: UpStack) -> None:
    """R10: a stopped gateway cannot answer; the command says so and ends with 5."""
    gateway = stack.child("gateway").pid
    assert gateway is not None
    os.kill(gateway, signal.SIGSTOP)
    try:
        killed = _kill(stack, "--wait", "2s")
    finally:
        os.kill(gateway, signal.SIGCONT)
    assert killed.code == 5
    (missing,) = killed.object["unconfirmed"]
    assert missing.startswith("gateway ")
    assert f"NOT CONFIRMED: {missing}" in killed.err
    _resume(stack)


def test_b2_a_kill_works_with_kafka_down(stack: UpStack) -> None:
    """
    B2: the file alone is obeyed by every process; the command says that nobody answered.

    Faults K2, N1 and O1.
    """
    kafka = stack.child("kafka").pid
    assert kafka is not None
    os.kill(kafka, signal.SIGSTOP)
    try:
        killed = _kill(stack, "--wait", "1s")
        until(lambda: all(_copies(stack).values()), "every process has seen the file")
        one = _kill(stack, "--wait", "1s", "--account", "binance:main")
    finally:
        os.kill(kafka, signal.SIGCONT)
    assert killed.code == 5
    assert killed.object["offset"] is None
    assert "does not answer" in killed.object["kafka"]
    assert _latch(stack) == [killed.object["halt"]]
    assert one.code == 5
    assert "nothing is killed" in one.object["error"]
    _resume(stack)


def test_b2_an_alert_kills(stack: UpStack) -> None:
    """B2, S6, fault O2: over HTTP with the token that stands in the webhook's own directory."""
    until(lambda: stack.child("webhook").state is ChildState.READY, "the webhook listens")
    port = orjson.loads((stack.home.run_of("webhook") / ADDRESS).read_bytes())["port"]
    token = (stack.home.secrets_of("webhook") / "alerts.token").read_text()
    alert = {"status": "firing", "labels": {"action": "kill"}, "startsAt": "now"}
    body = orjson.dumps({"alerts": [alert]}).decode()
    head = (
        f"POST /alerts HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"{head}\r\n{body}".encode())
        answer = connection.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.1 200 ")
    assert any(halt.startswith("webhook-") for halt in _halts(stack))
    _resume(stack)
    assert _halts(stack) == []


def test_one_account_is_killed_on_the_log_alone(stack: UpStack) -> None:
    """
    B2: a file stops every account, so one account's kill has none; cancels are asked for.

    Fault V9.
    """
    killed = _kill(stack, "--account", "binance:main", "--cancel-open")
    assert killed.code == 0, killed.err
    assert killed.object["latch_file"] is None
    assert killed.object["cancelled"]["open"] == []
    assert _halts(stack) == [killed.object["halt"]]
    _resume(stack)


def test_without_a_stack_the_next_start_finds_the_kill(tmp_path: Path) -> None:
    """B2, fault O1: a file that lies there is a kill whenever something starts."""
    env = environment(tmp_path)
    assert spark("kill", "--reason", "x", "--json", env=env).code == 3
    latch = tmp_path / "spark" / "kill.d"
    latch.mkdir(parents=True)
    killed = spark("kill", "--reason", "x", "--json", env=env)
    assert killed.code == 5
    assert [path.name for path in latch.iterdir()] == [killed.object["halt"]]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("kill",), 2),
        (("kill", "--reason", ""), 6),
        (("kill", "--reason", "x", "--account", "nobody:main"), 6),
        (("kill", "--reason", "x", "--as", "nobody"), 4),
        (("kill", "--reason", "x", "--wait", "soon"), 2),
    ],
)
def test_a_kill_that_cannot_be_meant_stops_nothing(
    stack: UpStack, words: tuple[str, ...], code: int
) -> None:
    """What is wrong is said before anything is done."""
    assert spark(*words, env=stack.env).code == code
    assert _latch(stack) == []
