"""What a person chose, turned into one stack's options."""

import pytest

from spark.embedded import plan
from spark.embedded.plan import (
    require_loopback,
    shared_environment,
    split_password,
    stack_mode,
    without_user,
)
from spark.errors import SettingError
from spark.names import TradingMode
from spark.settings import Settings, read_settings


def _settings(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return read_settings()


def test_the_stack_is_live_on_its_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Nothing was said, so everything is sent, to an exchange that is none.
    """
    monkeypatch.delenv("TRADING_MODE", raising=False)
    assert stack_mode(_settings(monkeypatch)) is TradingMode.LIVE


@pytest.mark.parametrize(
    ("variables", "mode"),
    [
        ({"TRADING_MODE": "shadow"}, TradingMode.SHADOW),
        ({"TRADING_MODE": "nonsense"}, TradingMode.PAPER),
        ({"TRADING_MODE": "live", "PAPER_TRADING": "true"}, TradingMode.PAPER),
        ({"PAPER_TRADING": "1"}, TradingMode.PAPER),
    ],
    ids=["shadow", "doubtful", "forced paper", "paper alone"],
)
def test_what_the_environment_says_can_only_tighten(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], mode: TradingMode
) -> None:
    """
    A mode that was said holds here too (spec B1).
    """
    assert stack_mode(_settings(monkeypatch, **variables)) is mode


def test_a_real_endpoint_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A stack with a simulator is never beside a real exchange (S12).
    """
    with pytest.raises(SettingError, match="SPARK_ENDPOINT"):
        stack_mode(_settings(monkeypatch, SPARK_ENDPOINT="real"))


def test_processes_get_what_was_read_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Limits go on by their names; keys, passwords and addresses do not (S15).
    """
    secret = "0123456789abcdef"
    settings = _settings(
        monkeypatch,
        KILL_SWITCH="1",
        CLOCK_DRIFT_MS="1500",
        BINANCE_SECRET=secret,
        BINANCE_API_KEY=secret,
        DATABASE_URL=f"postgresql://u:{secret}@h/n",
    )
    given = dict(shared_environment(settings))
    assert given["KILL_SWITCH"] == "true"
    assert given["CLOCK_DRIFT_MS"] == "1500"
    assert not any(secret in value for value in given.values())
    assert not any("SECRET" in name or "API_KEY" in name for name in given)


def test_what_processes_get_reads_back_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A child sees the limits that the supervisor checked.
    """
    settings = _settings(
        monkeypatch, SPARK_INTENT_LIFE_S="2.5", PAPER_TRADING="true", VOLUME_RAMP_PCT="20"
    )
    again = _settings(monkeypatch, **dict(shared_environment(settings)))
    assert (again.trading, again.limits) == (settings.trading, settings.limits)


@pytest.mark.parametrize(("said", "found"), [({}, "100"), ({"VOLUME_RAMP_PCT": "5"}, "5")])
def test_a_stack_has_the_whole_of_its_caps_unless_somebody_said_less(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str], found: str
) -> None:
    """
    B1: missing means 1 everywhere else; a simulator may be traded with in full.
    """
    assert dict(shared_environment(_settings(monkeypatch, **said)))["VOLUME_RAMP_PCT"] == found


@pytest.mark.parametrize(
    ("url", "bare", "password"),
    [
        ("postgresql://u:p%40%3As@h:5432/n?sslmode=require",
         "postgresql://u@h:5432/n?sslmode=require", "p@:s"),
        ("postgresql://u@h/n", "postgresql://u@h/n", None),
        ("postgresql://h/n", "postgresql://h/n", None),
        ("postgresql://u:p@[::1]:5/n", "postgresql://u@[::1]:5/n", "p"),
    ],
    ids=["quoted", "no password", "no user", "IPv6"],
)  # fmt: skip
def test_a_password_is_taken_out_of_an_address(url: str, bare: str, password: str | None) -> None:
    """
    What is left may be shown and handed on in an environment.
    """
    assert split_password(url) == (bare, password)


@pytest.mark.parametrize("url", ["mysql://h/n", "h:5432", "postgresql://h:port/n", ""])
def test_what_is_no_postgresql_address_is_refused_without_repeating_it(url: str) -> None:
    """
    The text may hold a password, so the error does not repeat it (S18).
    """
    with pytest.raises(SettingError) as caught:
        split_password(url)
    assert not url or url not in str(caught.value)


def test_an_address_is_shown_without_user_and_options() -> None:
    """
    What stands in stack.json names server and database only.
    """
    assert without_user("postgresql://u:p@h:1/n?passfile=/x") == "postgresql://h:1/n"


@pytest.mark.parametrize("bootstrap", ["127.0.0.1:9092", "localhost:1,[::1]:2"])
def test_loopback_brokers_are_taken(bootstrap: str) -> None:
    """
    Nobody listens in between.
    """
    require_loopback(bootstrap)


@pytest.mark.parametrize(
    "bootstrap", ["kafka.example:9092", "127.0.0.1", "127.0.0.1:9092,10.0.0.1:9092", "localhost:x"]
)
def test_other_brokers_are_refused(bootstrap: str) -> None:
    """
    A password in plain text over a network is everybody's (S15).
    """
    with pytest.raises(SettingError, match="SPARK_KAFKA_BOOTSTRAP"):
        require_loopback(bootstrap)


def test_ports_are_preferred_in_one_place() -> None:
    """
    Every port has a preference, and no two the same.
    """
    ports = plan.Ports()
    preferred = [getattr(ports, name) for name in plan.Ports.__dataclass_fields__]
    assert len(set(preferred)) == len(preferred)
    assert 0 not in preferred
