"""
What a process says of itself at its start: its program's digest, its settings' digest.
"""

from pathlib import Path

import pytest

from spark.cli.started import build_digest, configuration_digest
from spark.settings import DatabaseSettings, LimitSettings, Settings


def test_a5_every_setting_changes_the_digest() -> None:
    """
    A5: another limit is another configuration, and the same one says the same again.

    Fault O5.
    """
    before = configuration_digest(Settings())
    assert before == configuration_digest(Settings())
    tighter = Settings(limits=LimitSettings(audit_lag_ms_max=1_000))
    assert configuration_digest(tighter) != before


def test_s18_a_secret_is_in_no_digest() -> None:
    """S18: what can be guessed could be tried against a digest."""
    url = "postgresql://spark_auditor:hunter2@127.0.0.1/spark"
    section = DatabaseSettings.model_validate({"DATABASE_URL": url})
    assert section.url == url
    with_secret = Settings(database=section)
    assert configuration_digest(with_secret) == configuration_digest(Settings())


@pytest.mark.parametrize("change", ["one.py", "inner/two.sql", "inner/three.py"])
def test_a5_every_file_of_the_program_changes_the_digest(tmp_path: Path, change: str) -> None:
    """A5, fault O6: other code is another build; what the interpreter leaves beside it is not."""
    (tmp_path / "inner").mkdir()
    for name in ("one.py", "inner/two.sql"):
        (tmp_path / name).write_text("a")
    before = build_digest(tmp_path)
    (tmp_path / "one.pyc").write_text("b")
    assert build_digest(tmp_path) == before
    (tmp_path / change).write_text("b")
    assert build_digest(tmp_path) != before
