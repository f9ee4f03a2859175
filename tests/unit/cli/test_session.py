"""`spark session show`: moments, overrides, and what it says about them."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from spark.cli.app import app
from spark.cli.session import parse_moment
from spark.errors import SettingError
from spark.exchanges.bist.days import instant_ns

RUNNER = CliRunner()


def shown(*words: str) -> dict[str, object]:
    done = RUNNER.invoke(app, ["session", "show", "BIST", "--json", *words])
    assert done.exit_code == 0, done.output
    found: dict[str, object] = orjson.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("at", "is_open", "opens"),
    [
        ("2026-10-28T12:45+03:00", True, "2026-10-30T09:30:00+03:00"),
        ("2026-10-28T09:49:59Z", True, "2026-10-30T09:30:00+03:00"),
        ("2026-10-28T12:50", False, "2026-10-30T09:30:00+03:00"),
        ("2026-10-28T09:29:59", False, "2026-10-28T09:30:00+03:00"),
        ("2026-05-26T13:00", False, "2026-06-01T09:30:00+03:00"),
        ("2026-11-21T12:00", False, "2026-11-23T09:30:00+03:00"),
        ("2049-07-05T12:00", False, None),
    ],
)
def test_a_moment_is_open_or_closed(at: str, *, is_open: bool, opens: str | None) -> None:
    """B7: half days until 12:50, holidays closed; the next opening is told where it is known."""
    found = shown("--at", at)
    assert found["is_open"] is is_open
    assert (found["session"] is not None) is is_open
    following = found["next_open"]
    assert (following["istanbul"] if isinstance(following, dict) else None) == opens


def test_an_override_is_shown_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was announced wins, and its reason is what is shown."""
    file = tmp_path / "bist.toml"
    file.write_text('2026-10-30 = { closed = true, reason = "storm" }\n', encoding="utf-8")
    monkeypatch.setenv("SPARK_BIST_OVERRIDES", str(file))
    done = RUNNER.invoke(app, ["session", "show", "BIST", "--at", "2026-10-30T12:00"])
    assert done.exit_code == 0
    assert "closed  at 2026-10-30T12:00:00+03:00" in done.stdout
    assert "by override  storm" in done.stdout
    assert "next open   2026-11-02T09:30:00+03:00  2026-11-02T06:30:00Z" in done.stdout


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SPARK_BIST_OPEN", "19:00", "SPARK_BIST_OPEN=19:00"),
        ("SPARK_BIST_CLOSE", "late", "'late' is no time of day"),
        ("SPARK_BIST_OVERRIDES", "nowhere/at/all.toml", "No such file"),
    ],
)
def test_a_wrong_setting_is_said(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong hours or overrides answer nothing: the command ends as a wrong setting."""
    monkeypatch.setenv(name, value)
    done = RUNNER.invoke(app, ["session", "show", "BIST"])
    assert isinstance(done.exception, SettingError)
    assert said in str(done.exception)


@pytest.mark.parametrize("words", [["BINANCE"], ["BIST", "--at", "soon"], ["BIST", "--at", "1969"]])
def test_a_wrong_question_is_refused(words: list[str]) -> None:
    """Another exchange never closes, and what is no moment is not guessed at."""
    assert RUNNER.invoke(app, ["session", "show", *words]).exit_code == 2


def test_a_moment_without_an_offset_is_istanbuls() -> None:
    """Who asks about Istanbul means its clocks; any offset may be said."""
    noon_ns = instant_ns("2026-10-28", 12 * 60)
    for text in ("2026-10-28T12:00", "2026-10-28T09:00Z", "2026-10-28T11:00:00+02:00"):
        assert parse_moment(text) == noon_ns


def test_days_are_listed() -> None:
    """`--days` lists that many, from the moment's day on."""
    found = shown("--at", "2026-10-28", "--days", "3")
    days = found["days"]
    assert isinstance(days, list)
    assert [day["day"] for day in days] == ["2026-10-28", "2026-10-29", "2026-10-30"]
    assert [day["kind"] for day in days] == ["half", "closed", "full"]
