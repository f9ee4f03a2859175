"""Words of people on a real stack: proposed, approved by another person, obeyed by each process."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spark.bus.kafka import KafkaLogin
from spark.bus.port import Outgoing, Partition
from spark.clock import SystemClock
from spark.codec import encode
from spark.errors import AuthorisationError
from spark.events import HaltName
from spark.keyring import Keyring
from spark.producers import words
from spark.topics import CONTROL, CONTROL_HALT, OPERATORS, PRINCIPALS
from tests.keyed import person
from tests.persons import LOCAL, SECOND, halted
from tests.records import connected
from tests.servers import RunningKafka, run
from tests.stacks import Result, UpStack, spark, until

_OBEYING = ["gateway", "guardrail", "signer"]


@pytest.fixture(scope="module")
def stack(server_home: Path) -> Iterator[UpStack]:
    """The order path in mode live on the simulator, where loosening takes two persons."""
    place = server_home / "words"
    place.mkdir(mode=0o711)
    running = UpStack(place, "guardrail,signer,gateway,venue_watch,binance_feed")
    running.up()
    yield running
    running.end(signal.SIGTERM)


def _say(stack: UpStack, *typed: str) -> Result:
    return spark(*typed, "--yes", "--json", env=stack.env)


def _approve(stack: UpStack, proposal: str, person_: str = SECOND) -> Result:
    return _say(stack, "approve", proposal, "--as", person_)


def _row(stack: UpStack, name: str) -> dict[str, Any]:
    found = spark("limits", "show", "--json", env=stack.env).object["limits"][name]
    assert isinstance(found, dict)
    return found


def _mode(stack: UpStack) -> dict[str, Any]:
    rows = spark("mode", "show", "--json", env=stack.env).object["accounts"]
    return next(row for row in rows if row["account"] == "binance:main")


def test_s11_limits_tighten_at_once_and_loosen_with_two(stack: UpStack) -> None:
    """S11: one person's cap is obeyed by every process; taking it back waits for another's word."""
    start = _row(stack, "exposure_usd_max")
    assert start["said"] is None
    assert start["start"] == start["in_force"] != "1000"
    done = _say(stack, "limits", "set", "exposure_usd_max=1000", "--reason", "first")
    assert done.code == 0, done.err
    assert done.object["obeyed_by"] == _OBEYING
    assert _row(stack, "exposure_usd_max")["in_force"] == "1000"
    wider = _say(stack, "limits", "set", "exposure_usd_max=2000", "--reason", "wider")
    assert wider.code == 9, wider.err
    (change,) = wider.object["changes"]
    assert change["direction"] == "looser"
    assert _row(stack, "exposure_usd_max")["in_force"] == "1000"
    proposal = wider.object["id"]
    waiting = spark("proposals", "--json", env=stack.env).object["proposals"]
    assert [one["id"] for one in waiting] == [proposal]
    assert _approve(stack, proposal, LOCAL).code == 6
    assert _approve(stack, proposal).code == 0
    assert _row(stack, "exposure_usd_max")["in_force"] == "2000"
    versions = spark("limits", "history", "--json", env=stack.env).object["versions"]
    assert [one["signed_by"] for one in versions] == [[LOCAL], [LOCAL, SECOND]]
    assert [one["proposal"]["reason"] for one in versions] == ["first", "wider"]


def test_the_mode_goes_down_with_one_and_up_with_two(stack: UpStack) -> None:
    """B1, fault P7: down at once; up waits; the screen says what each of the three said."""
    assert _mode(stack)["in_force"] == "live"
    down = _say(stack, "mode", "set", "shadow", "--reason", "night")
    assert down.code == 0, down.err
    assert down.object["obeyed_by"] == _OBEYING
    assert (_mode(stack)["environment"], _mode(stack)["people"]) == ("live", "shadow")
    up = _say(stack, "mode", "set", "live", "--ramp", "100", "--reason", "day")
    assert up.code == 9, up.err
    assert _mode(stack)["in_force"] == "shadow"
    assert _approve(stack, up.object["id"]).code == 0
    assert _mode(stack)["in_force"] == "live"


def test_s6_a_resume_names_the_halts_in_force_and_takes_their_files(stack: UpStack) -> None:
    """S6, R9: a kill said while the resume waits stays in force, and so does its file."""
    nothing = _say(stack, "resume", "--reason", "x")
    assert nothing.code == 6
    (stack.home.kill / "one").touch()
    asked = _resume_once_seen(stack)
    (stack.home.kill / "two").touch()
    done = _approve(stack, asked["id"])
    assert done.object["latch_files_removed"] == ["one"]
    assert [path.name for path in stack.home.kill.iterdir()] == ["two"]
    rest = _resume_once_seen(stack)
    (named,) = rest["proposal"]["halts"]
    assert named["halt"].startswith("latch:two@")
    assert _approve(stack, rest["id"]).code == 0
    assert _say(stack, "resume", "--reason", "x").code == 6


def _resume_once_seen(stack: UpStack) -> dict[str, Any]:
    """Resume as soon as a process says that it is killed: each says so once a second."""
    found: list[Result] = []

    def is_named() -> bool:
        found.append(_say(stack, "resume", "--reason", "tried"))
        return found[-1].code == 9

    until(is_named, "a process says what killed it")
    return found[-1].object


def test_words_that_nobody_counts_are_shown_with_their_reason(stack: UpStack) -> None:
    """S6, S11, fault K12: a forged word lies on the log, changes nothing, and is named."""
    before = _row(stack, "exposure_usd_max")
    login_as = Keyring(LOCAL, stack.home.secrets_of(LOCAL), stack.home.public)
    forged = words.Operator(LOCAL, person(LOCAL), login_as.log_epoch, SystemClock())
    asked = words.resume_trading(forged, [HaltName(halt="x", offset=0)], reason="forged")
    login = KafkaLogin(stack.state.kafka_bootstrap, LOCAL, login_as.kafka_password())

    async def forge() -> int:
        async with connected(login) as bus:
            return (await words.propose(bus, forged, asked)).offset

    offset = run(forge())
    ignored = spark("proposals", "--json", env=stack.env).object["ignored"]
    (found,) = [one for one in ignored if one["offset"] == offset]
    assert (found["topic"], found["person"]) == (CONTROL, LOCAL)
    assert found["why"] == "no valid signature of 'op-local'"
    assert _row(stack, "exposure_usd_max") == before


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (("limits", "set", "exposure=1", "--reason", "x"), 6),
        (("limits", "set", "exposure_usd_max=ten", "--reason", "x"), 6),
        (("limits", "set", "exposure_usd_max=-5", "--reason", "x"), 6),
        (("limits", "set", "exposure_usd_max=nan", "--reason", "x"), 6),
        (("limits", "set", "exposure_usd_max=1", "order_notional_usd_max=2", "--reason", "x"), 6),
        (("limits", "set", "drawdown_pct_max=100", "--reason", "x"), 6),
        (("limits", "set", "exposure_usd_max=1", "--reason", ""), 6),
        (("limits", "set", "exposure_usd_max=1", "--reason", "x" * 501), 6),
        (("limits", "set", "exposure_usd_max=1", "--strategy", "nobody", "--reason", "x"), 6),
        (
            ("limits", "set", "quote_age_ms_max=1", "--strategy", "strategy-demo", "--reason", "x"),
            6,
        ),
        (("mode", "set", "live", "--ramp", "0", "--reason", "x"), 6),
        (("mode", "set", "live", "--ramp", "101", "--reason", "x"), 6),
        (("approve", "000000000000"), 3),
        (("approve", "000000000000", "--as", "op-nobody"), 4),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else None,
)
def test_what_cannot_be_meant_is_refused_in_one_line(
    stack: UpStack, typed: tuple[str, ...], code: int
) -> None:
    """Bad input: one line, one object, a code; nothing is said on the log."""
    result = _say(stack, *typed)
    assert result.code == code
    assert result.object["exit_code"] == code
    assert result.err.splitlines()[-1] == f"error: {result.object['error']}"
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    "typed",
    [
        ("resume",),
        ("limits", "set", "--reason", "x"),
        ("limits", "set", "exposure_usd_max=1"),
        ("limits", "show", "--account", "x:y"),
        ("mode", "set", "full", "--reason", "x"),
        ("mode", "set", "live", "--ramp", "much", "--reason", "x"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_says_nothing(stack: UpStack, typed: tuple[str, ...]) -> None:
    """What is no command ends with 2 before anything is read."""
    assert spark(*typed, env=stack.env).code == 2


def test_off_a_terminal_nobody_loosens_by_accident(stack: UpStack) -> None:
    """A script that resumes has to say --yes."""
    typed = ("limits", "set", "exposure_usd_max=none", "--reason", "x")
    result = spark(*typed, env=stack.env)
    assert result.code == 2
    assert "--yes" in result.err
    waiting = spark("proposals", "--json", env=stack.env).object["proposals"]
    assert not [one for one in waiting if one["proposal"]["reason"] == "x"]


def test_the_next_decision_is_made_under_the_version_in_force(stack: UpStack) -> None:
    """Limits as data: once the command has ended, an order above the new cap is refused by it."""
    typed = ("limits", "set", "order_notional_usd_max=5", "--reason", "tiny")
    assert _say(stack, *typed).code == 0

    def is_capped() -> bool:
        words_ = ("order", "place", "BTCUSDT", "buy", "0.001", "--limit", "60000", "--json")
        placed = spark(*words_, env=stack.env)
        assert placed.code == 6
        caps = {reason["code"]: reason["limit"] for reason in placed.object["reasons"]}
        # Until the first prices have come there is nothing to compare with the cap.
        return str(caps.get("notional_exceeded")).startswith("5 ")

    until(is_capped, "an order is refused by the new cap")


def _breaker(stack: UpStack) -> dict[str, Any]:
    (row,) = spark("breaker", "show", "binance:main", "--json", env=stack.env).object["breakers"]
    assert isinstance(row, dict)
    return row


def _set_breaker(stack: UpStack, state: str) -> Result:
    return _say(stack, "breaker", "set", "binance:main", state, "--reason", "maintenance there")


def test_a4_a_breaker_opens_with_one_person_and_closes_with_two(stack: UpStack) -> None:
    """A4, S11: inspectable and operable; towards safety one is enough, back it takes two."""
    assert (_breaker(stack)["state"], _breaker(stack)["wanted"]) == ("closed", "auto")
    opened = _set_breaker(stack, "open")
    assert opened.code == 0, opened.err
    until(lambda: _breaker(stack)["state"] == "open", "the gateway has opened it")
    assert (_breaker(stack)["cause"], _breaker(stack)["wanted"]) == ("person", "open")
    assert _breaker(stack)["probes_at_ns"] is None, "held by a person, it does not cool"
    assert _set_breaker(stack, "open").code == 6, "nothing changes"
    assert _set_breaker(stack, "half").code == 2
    for state in ("auto", "closed"):
        waits = _set_breaker(stack, state)
        assert waits.code == 9, waits.err
        assert _approve(stack, waits.object["id"]).code == 0
        assert _breaker(stack)["wanted"] == state
    until(lambda: _breaker(stack)["state"] == "closed", "the gateway has closed it")


async def test_s6_the_broker_refuses_control_to_everybody_but_persons(
    kafka_server: RunningKafka,
) -> None:
    """S6: strategies, the webhook and every role are refused; who may kill may not resume."""
    for name in sorted(PRINCIPALS):
        async with connected(kafka_server.login(name)) as bus:
            writer = await bus.writer([CONTROL])
            try:
                record = Outgoing(Partition(CONTROL, 0), None, b"{}")
                if name in OPERATORS:
                    assert len(await writer.write([record])) == 1
                else:
                    with pytest.raises(AuthorisationError):
                        await writer.write([record])
            finally:
                await writer.close()


async def test_s6_the_webhook_may_say_halts(kafka_server: RunningKafka) -> None:
    """S6: its one right is the one towards safety."""
    async with connected(kafka_server.login("webhook")) as bus:
        writer = await bus.writer([CONTROL_HALT])
        body = encode(halted())
        assert len(await writer.write([Outgoing(Partition(CONTROL_HALT, 0), b"", body)])) == 1
        await writer.close()
