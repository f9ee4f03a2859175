"""Which variables of the environment are settings, and which are not."""

from pathlib import Path

import pytest

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
