"""Which variables of the environment are settings, and which are not."""

from pathlib import Path

import pytest

from spark.errors import SettingError
from spark.settings import Settings, read_settings


def _sections(settings: Settings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in type(settings).model_fields}


@pytest.mark.parametrize(
    "name", ["HOME", "NAME", "MODE", "ENDPOINT", "URL", "BOOTSTRAP", "SECRET", "API_KEY", "PROCESS"]
)
def test_a_variable_that_only_resembles_a_field_is_not_read(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Every shell has HOME, many have NAME; neither says where Spark's data go.
    """
    before = _sections(read_settings())
    monkeypatch.setenv(name, "real")
    assert _sections(read_settings()) == before


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    `SPARK_HOME=` must not put the data into the working directory.
    """
    monkeypatch.setenv("SPARK_HOME", "")
    assert read_settings().process.home is None


def test_a_setting_is_read_by_its_published_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The names of the specification are what counts.
    """
    monkeypatch.setenv("SPARK_HOME", "/tmp/x")  # noqa: S108  (never touched)
    assert read_settings().process.home == Path("/tmp/x")  # noqa: S108


@pytest.mark.parametrize("name", ["SPARK_SIGNING_UIDS", "SPARK_ACCOUNT_UIDS"])
@pytest.mark.parametrize("text", ["1,2", "{", "[1"])
def test_h5_a_list_that_is_none_is_a_line_that_names_the_variable(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H5: what cannot be read stops the start with the variable's name, not with a trace."""
    monkeypatch.setenv(name, text)
    with pytest.raises(SettingError, match=f"^{name}: a list in JSON is needed"):
        read_settings()
    monkeypatch.setenv(name, "[" * 9_000)
    with pytest.raises(SettingError, match="nested without end"):
        read_settings()


@pytest.mark.parametrize("name", ["9" * 5_000, "\x1b[2J", "bist"])
def test_h5_an_exchange_that_is_none_is_one_short_line(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H5: however long the name is, the line says what may stand there."""
    monkeypatch.setenv("SPARK_VENUES", f"binance,{name}")
    with pytest.raises(SettingError, match="binance, btcturk or both") as caught:
        _ = read_settings().venues.enabled
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()
