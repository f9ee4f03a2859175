"""Where a stack keeps its things."""

import os
import stat
from pathlib import Path

import pytest

from spark.embedded.home import Home, StackLock, default_home
from spark.errors import AlreadyRunningError, SettingError
from spark.settings import ProcessSettings


def test_spark_home_wins(tmp_path: Path) -> None:
    """
    A home that was said is used.
    """
    assert default_home(ProcessSettings(home=tmp_path)) == tmp_path


def test_an_ordinary_user_gets_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Without SPARK_HOME the desktop standard decides.
    """
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    settings = ProcessSettings(xdg_state_home=tmp_path, name="second")
    assert default_home(settings) == tmp_path / "spark" / "second"


def test_root_gets_a_place_that_other_uids_can_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Roles with their own uid cannot enter root's home (S7).
    """
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_home(ProcessSettings()) == Path("/var/lib/spark/dev")


def test_a_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    """
    A slip of the keyboard must not fill somebody's directory.
    """
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(SettingError, match="SPARK_HOME"):
        Home(tmp_path).make(is_shared=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_home_of_one_user_is_closed_to_others(tmp_path: Path) -> None:
    """
    Without isolation nobody else has any business there (S15).
    """
    home = Home(tmp_path / "home")
    home.make(is_shared=False)
    # Root's is passable, because PostgreSQL runs as somebody else; nothing in it can be listed.
    assert stat.S_IMODE(home.root.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
    assert stat.S_IMODE(home.run.stat().st_mode) == 0o700


def test_purge_removes_what_spark_made_and_nothing_else(tmp_path: Path) -> None:
    """
    What somebody else put there stays, and a foreign directory is not touched at all.
    """
    home = Home(tmp_path / "home")
    home.make(is_shared=True)
    (home.root / "mine.txt").touch()
    home.purge()
    assert [path.name for path in home.root.iterdir()] == ["mine.txt"]
    with pytest.raises(SettingError):
        Home(tmp_path).purge()


def test_purge_removes_an_empty_home(tmp_path: Path) -> None:
    """
    Nothing is left behind.
    """
    home = Home(tmp_path / "home")
    home.make(is_shared=False)
    home.purge()
    assert not home.root.exists()


def test_a_second_supervisor_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    """
    Two on one home would start two brokers on one log.
    """
    home = Home(tmp_path / "home")
    home.make(is_shared=False)
    first, second = StackLock(home), StackLock(home)
    first.take()
    with pytest.raises(AlreadyRunningError, match="spark down"):
        second.take()
    first.release()
    second.take()
    second.release()
