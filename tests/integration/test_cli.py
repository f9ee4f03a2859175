"""The command line against a whole running stack, the demo strategy included."""

import asyncio
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spark.embedded.minting import SIMULATOR_ADMIN_TOKEN
from spark.embedded.ops_client import OpsAddress, ask
from spark.embedded.processes import processes_of
from spark.embedded.secrets import KAFKA_PASSWORD
from spark.names import Venue
from tests.database import ask as ask_database
from tests.database import tell
from tests.recordings import recorded
from tests.stacks import Result, UpStack, environment, spark, until

_PLACED = ["place_order", "order_approved", "request_sealed", "order_claimed", "order_acked"]


@pytest.fixture(scope="module")
def stack(server_home: Path) -> Iterator[UpStack]:
    """Everything that `make up` starts."""
    place = server_home / "cli"
    place.mkdir(mode=0o711)
    running = UpStack(place, ",".join(processes_of((Venue.BINANCE,))))
    running.up()
    yield running
    running.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def order(stack: UpStack) -> dict[str, Any]:
    """An order of the operator that rests at the exchange."""
    found = _place(stack).object
    # What the account feed saw of the same order comes when it comes.
    found["hops"] = [hop for hop in found["hops"] if hop["topic"] != "account.events"]
    return found


def _place(stack: UpStack, quantity: str = "0.0001", limit: str = "60000") -> Result:
    words = ("order", "place", "BTCUSDT", "buy", quantity, "--limit", limit, "--json")
    return spark(*words, env=stack.env)


def _kinds(found: dict[str, Any]) -> list[str]:
    return [hop["kind"] for hop in found["hops"]]


def _ledger(stack: UpStack) -> str:
    """Ask the exchange's judges what really arrived."""
    token = (stack.home.secrets_of("simulator") / SIMULATOR_ADMIN_TOKEN).read_text()
    judges = OpsAddress(0, stack.state.ports["simulator_admin"], None)
    answer = asyncio.run(ask(judges, "/ledger", token=token))
    assert answer is not None
    assert answer[0] == 200
    return answer[1]


def test_the_demo_strategy_trades_and_the_feed_is_stored(stack: UpStack) -> None:
    """
    `make up` shows orders acknowledged and rows committed, without a keystroke.
    """

    def both() -> bool:
        found = spark("status", "--json", env=stack.env).object
        return bool(found["place_ack_ms"]["n"] > 3 and found["feed_to_db_ms"]["n"] > 30)

    until(both, "orders are acknowledged and rows are stored")
    assert "first order: done in" in stack.output.read_text()


def test_an_order_is_told_hop_by_hop(stack: UpStack, order: dict[str, Any]) -> None:
    """
    From the intent to the acknowledgement, each hop with its time; the exchange has it.
    """
    assert _kinds(order) == _PLACED
    assert order["state"] == "submitted"
    assert order["place_ack_ms"] == order["hops"][-1]["after_ms"]
    assert order["client_order_id"] in _ledger(stack)
    shown = spark("order", "show", order["intent_id"], "--json", env=stack.env).object
    shown["hops"] = [hop for hop in shown["hops"] if hop["topic"] != "account.events"]
    assert shown == order


def test_a_person_sees_the_same_story(stack: UpStack, order: dict[str, Any]) -> None:
    """
    Without --json the hops are lines.
    """
    result = spark("order", "show", order["intent_id"], env=stack.env)
    assert result.code == 0
    assert all(kind in result.out for kind in _PLACED)
    assert "Place→ACK" in result.out


def test_an_order_is_cancelled(stack: UpStack) -> None:
    """
    The cancel is an intent of its own, and the order's story ends with it.
    """
    placed = _place(stack).object
    cancelled = spark("order", "cancel", placed["intent_id"], "--json", env=stack.env)
    assert cancelled.code == 0
    assert cancelled.object["target_intent_id"] == placed["intent_id"]
    shown = spark("order", "show", placed["intent_id"], "--json", env=stack.env).object
    assert shown["state"] == "cancelled"


def test_a_refusal_has_its_reason_and_its_exit_code(stack: UpStack) -> None:
    """
    Refused by a guard is 6, with code, found value and limit.
    """
    result = _place(stack, quantity="1000")
    assert result.code == 6
    (reason,) = result.object["reasons"]
    assert reason["code"] == "notional_exceeded"
    assert reason["limit"].startswith("10000")


def test_an_operator_cancels_anybodys_order(stack: UpStack) -> None:
    """
    The risk that a strategy left behind can be taken away by a person (B2).
    """

    def resting() -> list[dict[str, Any]]:
        rows = spark("order", "list", "--count", "200", "--json", env=stack.env).object["orders"]
        mine = (row for row in rows if row["strategy"] == "strategy-demo")
        return [row for row in mine if row["state"] == "submitted"]

    until(lambda: bool(resting()), "the demo strategy has an order that rests")
    demo = resting()[0]
    result = spark("order", "cancel", demo["intent_id"], "--json", env=stack.env)
    assert result.object["strategy"] == "op-local"
    # It may have been filled, or cancelled by its own strategy, a moment before.
    assert _kinds(result.object)[-1] in {"order_cancelled", "cancel_rejected", "request_not_sent"}
    assert "cancel_approved" in _kinds(result.object)


def test_the_list_holds_whole_stories_newest_first(stack: UpStack, order: dict[str, Any]) -> None:
    """
    Each listed order starts with its intent.
    """
    rows = spark("order", "list", "--count", "500", "--json", env=stack.env).object["orders"]
    assert order["intent_id"] in {row["intent_id"] for row in rows}
    assert all(_kinds(row)[0] in {"place_order", "cancel_order"} for row in rows)
    starts = [row["hops"][0]["appended_ns"] for row in rows]
    assert starts == sorted(starts, reverse=True)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("order", "show", "nothing"), 3),
        (("order", "cancel", "nothing"), 3),
        (("audit", "verify", "--key", "/nowhere"), 4),
        (("audit", "verify", "--file", "/nowhere"), 4),
        (("db", "url", "--principal", "nobody"), 4),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_failure_is_one_object_and_one_line(
    stack: UpStack, words: tuple[str, ...], code: int
) -> None:
    """
    A script gets an object and a code; a person one line, and never a traceback.
    """
    result = spark(*words, "--json", env=stack.env)
    assert result.code == code
    assert result.object["exit_code"] == code
    (line,) = result.err.splitlines()
    assert line == f"error: {result.object['error']}"


@pytest.mark.parametrize(
    "words",
    [
        ("order", "place", "BTCUSDT", "buy", "x", "--limit", "1"),
        ("order", "place", "BTCUSDT", "buy", "1"),
        ("order", "place", "BTCUSDT", "buy", "1", "--limit", "nan"),
        ("order", "place", "BTC USDT", "buy", "1", "--limit", "1"),
        ("order", "place", "BTCUSDT", "buy", "1", "--limit", "1", "--account", "x:y"),
        ("up", "--for", "soon"),
        ("up", "--processes", "nobody"),
        ("doctor", "--only", "feelings"),
        ("audit", "tail", "--follow", "--json"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_2(stack: UpStack, words: tuple[str, ...]) -> None:
    """
    What cannot be meant is refused before anything is done.
    """
    result = spark(*words, env=stack.env)
    assert result.code == 2
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("topics",),
        ("order", "list"),
        ("audit", "tail", "-n", "5"),
        ("audit", "verify"),
        ("audit", "verify", "--deep"),
        ("db", "status"),
        ("db", "migrate"),
        ("db", "seed"),
        ("db", "url"),
        ("db", "rebuild"),
        ("db", "compare"),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_json_is_exactly_one_object(stack: UpStack, words: tuple[str, ...]) -> None:
    """
    Whatever the command, stdout can be parsed as it is.
    """
    result = spark(*words, "--json", env=stack.env)
    assert result.code == 0, result.err
    assert result.object


def test_the_tables_equal_the_topics_while_it_trades(stack: UpStack, order: dict[str, Any]) -> None:
    """
    D1: the projector keeps orders equal to the topics; a falsified row is found, and mended.
    """

    def kept() -> list[tuple[Any, ...]]:
        sql = "SELECT symbol, status, place_latency_ms FROM reading.orders WHERE intent_id = "
        address = spark("db", "url", "--json", env=stack.env).object["url"]
        return asyncio.run(ask_database(address, f"{sql}'{order['intent_id']}'"))

    took_ms = order["place_ack_ms"]
    latency = None if took_ms is None else Decimal(str(took_ms))
    expected = [("BTCUSDT", order["state"], latency)]
    until(lambda: kept() == expected, "the order is in its table")
    compared = spark("db", "compare", "--json", env=stack.env)
    assert compared.code == 0, compared.object["first_difference"]
    assert compared.object["rows"]["orders"] > 0

    words = ("db", "url", "--principal", "migrate", "--json")
    falsify = f"UPDATE orders SET status = 'filled' WHERE intent_id = '{order['intent_id']}'"
    asyncio.run(tell(spark(*words, env=stack.env).object["url"], falsify))
    found = spark("db", "compare", env=stack.env)
    assert found.code == 7
    assert f"status is filled, the topics have {order['state']}" in found.out
    assert spark("db", "rebuild", env=stack.env).code == 0
    assert kept() == expected


def test_the_audit_tells_an_orders_story_too(stack: UpStack, order: dict[str, Any]) -> None:
    """
    Every hop of an order stands in the trail.
    """

    def is_told() -> bool:
        words = ("audit", "tail", "--intent", order["intent_id"], "--json")
        lines = spark(*words, env=stack.env).object["lines"]
        return {line["kind"] for line in lines} >= set(_PLACED)

    until(is_told, "the order's hops are audited")


def test_a_changed_byte_of_an_exported_trail_is_found(stack: UpStack, tmp_path: Path) -> None:
    """
    Green as it is; red, with the record's number, after one byte was changed.
    """
    trail = tmp_path / "trail.jsonl"
    assert spark("audit", "export", str(trail), "--json", env=stack.env).object["records"] > 10
    assert spark("audit", "verify", "--file", str(trail), env=stack.env).code == 0
    content = bytearray(trail.read_bytes())
    content[len(content) // 2] ^= 1
    trail.write_bytes(content)
    result = spark("audit", "verify", "--file", str(trail), "--json", env=stack.env)
    assert result.code == 7
    assert "audit record" in result.object["error"]


def test_a_wrong_kafka_password_is_named(stack: UpStack) -> None:
    """
    Kafka's client says no more than "unable to bootstrap"; the doctor says whose it is.
    """
    path = stack.home.secrets_of("op-local") / KAFKA_PASSWORD
    right = path.read_bytes()
    try:
        _overwrite(path, b"x" * len(right))
        result = spark("doctor", "--only", "kafka logins", env=stack.env)
        assert result.code == 8
        assert "op-local" in result.out
        assert "fix:" in result.out
    finally:
        _overwrite(path, right)
    assert spark("doctor", "--only", "kafka logins", env=stack.env).code == 0


def test_a_secret_that_others_may_read_fails_the_doctor(stack: UpStack) -> None:
    """
    Modes and owners of every secret are looked at (S15).
    """
    path = stack.home.secrets_of("signer") / "binance.secret"
    path.chmod(0o440)
    try:
        result = spark("doctor", "--only", "secrets", "--json", env=stack.env)
    finally:
        path.chmod(0o400)
    assert result.code == 8
    (check,) = result.object["checks"]
    assert str(path) in check["findings"][0]["text"]
    assert check["findings"][0]["fix"]


def test_a_recording_is_played_through_the_running_stack(stack: UpStack) -> None:
    """
    Every recorded frame is sent and stored, and the live market comes back.
    """
    recording = recorded("binance-spot-btcusdt-20240808.frames.gz")
    result = spark("replay-feed", str(recording), "--speed", "max", "--json", env=stack.env)
    assert result.code == 0, result.err
    assert result.object["frames"] == {"bookTicker": 28_040, "depth": 3_451, "trade": 9_757}
    assert result.object["rows_written"] >= result.object["frames_sent"]
    assert not (stack.home.run / "replay.json").exists()
    assert spark("status", "--wait", env=stack.env).code == 0


def test_without_a_stack_a_command_says_how_to_start_one(tmp_path: Path) -> None:
    """
    Not running is 3, in one line with the remedy.
    """
    env = environment(tmp_path)
    for words in (("status",), ("order", "list"), ("audit", "tail"), ("down",), ("db", "status")):
        result = spark(*words, "--json", env=env)
        assert result.code == 3, words
        assert result.object["kind"] == "NotRunningError"


def test_a_wrong_setting_is_one_line_that_names_it(tmp_path: Path) -> None:
    """
    Fault O5: which setting, what it is, what it may be; and nothing is started.
    """
    env = environment(tmp_path, SPARK_ORDER_NOTIONAL_USD_MAX="-1")
    result = spark("up", env=env)
    assert result.code == 4
    (line,) = result.err.splitlines()
    assert "SPARK_ORDER_NOTIONAL_USD_MAX" in line
    assert not (tmp_path / "spark").exists()


def test_a_real_endpoint_is_refused(tmp_path: Path) -> None:
    """
    Fault N5: `spark up` trades on its simulator only, and says so before it starts anything.
    """
    result = spark("up", env=environment(tmp_path, SPARK_ENDPOINT="real"))
    assert result.code == 4
    assert "SPARK_ENDPOINT" in result.err


def test_a_broker_on_another_host_without_tls_is_refused(tmp_path: Path) -> None:
    """
    Fault N5: a password is not sent in plain text over a network (S15).
    """
    env = environment(tmp_path, SPARK_KAFKA_BOOTSTRAP="192.0.2.1:9092", TMPDIR=str(tmp_path))
    result = spark("up", env=env)
    assert result.code == 4
    assert "TLS" in result.err


def test_help_lists_every_command(tmp_path: Path) -> None:
    """
    What exists can be found.
    """
    text = spark("--help", env=environment(tmp_path)).out
    commands = (
        "up down run status order audit topics db doctor bench replay-feed simulate "
        "limits mode kill resume approve proposals session"
    )
    assert all(f" {command} " in text for command in commands.split())


def _overwrite(path: Path, content: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(content)
    path.chmod(0o400)
