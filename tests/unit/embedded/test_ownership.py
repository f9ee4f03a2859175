"""Files of a server's own uid."""

import errno
import os
from pathlib import Path

import pytest

from spark.embedded.ownership import fill, own_directory, write_owned
from spark.errors import SettingError

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
SERVER_UID = 61_000


def test_only_words_after_an_at_sign_are_filled_in(tmp_path: Path) -> None:
    """Kafka resolves `${file:…}` itself, so no password passes through here."""
    template = tmp_path / "template"
    template.write_text("port=@{port}\njaas=${file:@{jaas}:broker}\n", encoding="utf-8")
    assert fill(template, port=9, jaas="/x") == "port=9\njaas=${file:/x:broker}\n"


def test_a_file_is_replaced_whole_and_is_private(tmp_path: Path) -> None:
    """A crash in the middle leaves the old file."""
    write_owned(tmp_path / "conf", "first", None)
    write_owned(tmp_path / "conf", "second", None)
    assert (tmp_path / "conf").read_text(encoding="utf-8") == "second"
    assert (tmp_path / "conf").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["conf"]


def test_a_disk_without_room_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    """Fault O5: a file that cannot be replaced is the last good one, to the byte."""
    write_owned(tmp_path / "conf", "good", None)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for place, name in ((Path, "replace"), (os, "fchown")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(place, name, full)
            with pytest.raises(OSError, match="No space"):
                write_owned(tmp_path / "conf", "torn", os.getuid())
        assert (tmp_path / "conf").read_text(encoding="utf-8") == "good"
        assert [path.name for path in tmp_path.iterdir()] == ["conf"]


@AS_ROOT
def test_a_directory_is_given_away_with_all_that_is_its_own(open_directory: Path) -> None:
    """A link out of it, or a second name of somebody else's file, is not followed."""
    victim = open_directory / "victim"
    victim.write_text("root's", encoding="utf-8")
    home = open_directory / "home"
    (home / "data").mkdir(parents=True)
    (home / "data" / "log").touch()
    (home / "link").symlink_to(victim)
    os.link(victim, home / "hard")
    own_directory(home, SERVER_UID)
    assert home.stat().st_uid == (home / "data" / "log").stat().st_uid == SERVER_UID
    assert victim.stat().st_uid == 0


@AS_ROOT
def test_a_directory_that_the_uid_cannot_reach_is_one_line(open_directory: Path) -> None:
    """PostgreSQL does not run as root: a home below a private one is refused with the remedy."""
    (open_directory / "private").mkdir(0o700)
    with pytest.raises(SettingError, match="choose a SPARK_HOME"):
        own_directory(open_directory / "private" / "postgres", SERVER_UID)
