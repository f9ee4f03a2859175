"""
The kill latch: anything there kills, any doubt kills, and what was seen stays.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from spark.codec import encode
from spark.worker.latch import KillLatch


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "kill.d"
    made.mkdir()
    return made


def latch(directory: Path, *, environment: bool = False) -> KillLatch:
    return KillLatch(directory, is_killed_by_environment=environment)


def test_an_empty_directory_stops_nothing(directory: Path) -> None:
    """Orders may go only while the directory is there, ours and empty."""
    assert latch(directory).in_force() == ()


def test_the_environment_kills_for_the_life_of_the_process(directory: Path) -> None:
    """B2: `KILL_SWITCH` is one of the three that are or-ed together."""
    killed = latch(directory, environment=True)
    (directory / "now").touch()
    assert killed.in_force() == ("environment", "latch:now")


@pytest.mark.parametrize(
    "make",
    [
        Path.touch,
        lambda path: path.write_bytes(b"\xff" * 100),
        Path.mkdir,
        lambda path: path.symlink_to("nowhere"),
        os.mkfifo,
        lambda path: path.write_text("") or path.chmod(0),
    ],
    ids=["empty", "bytes", "directory", "dangling link", "pipe", "unreadable"],
)
@pytest.mark.parametrize("name", ["now", ".hidden", "a b", "\udcff"])
def test_s10_any_entry_is_a_kill(
    directory: Path, make: Callable[[Path], object], name: str
) -> None:
    """S10: whatever it is and whatever is in it; nobody has to get a file right to stop."""
    make(directory / name)
    killed = latch(directory).in_force()
    assert killed == (f"latch:{name}".replace("\udcff", "\ufffd"),)
    assert encode(killed)


def test_s10_deleting_a_file_resumes_nothing(directory: Path) -> None:
    """S10: the latch is one way; only a new process looks afresh."""
    seen = latch(directory)
    (directory / "now").touch()
    assert seen.in_force() == ("latch:now",)
    (directory / "now").unlink()
    assert seen.in_force() == ("latch:now",)
    (directory / "again").touch()
    assert seen.in_force() == ("latch:now", "latch:again")


def _missing(directory: Path) -> None:
    directory.rmdir()


def _file(directory: Path) -> None:
    directory.rmdir()
    directory.touch()


def _link(directory: Path) -> None:
    directory.rename(directory.with_name("elsewhere"))
    directory.symlink_to("elsewhere")


def _dangling(directory: Path) -> None:
    directory.rmdir()
    directory.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("hurt", "kill"),
    [
        (_missing, "latch:No such file or directory"),
        (_file, "latch:not a directory"),
        (_link, "latch:not a directory"),
        (_dangling, "latch:not a directory"),
    ],
)
def test_s10_a_directory_in_doubt_is_a_kill(
    directory: Path, hurt: Callable[[Path], None], kill: str
) -> None:
    """S10: missing, replaced or a link: killed, and putting it back resumes nothing."""
    watched = latch(directory)
    assert watched.in_force() == ()
    hurt(directory)
    assert watched.in_force() == (kill,)
    if not os.path.lexists(directory):
        directory.mkdir()
        assert watched.in_force() == (kill,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a directory away")
def test_s10_a_foreign_directory_is_a_kill(directory: Path) -> None:
    """S10: somebody else's directory says nothing."""
    os.chown(directory, 4242, -1)
    assert latch(directory).in_force() == ("latch:foreign owner",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_s10_an_unreadable_directory_is_a_kill(directory: Path) -> None:
    """S10: what cannot be looked into may hold a kill."""
    directory.chmod(0)
    assert latch(directory).in_force() == ("latch:Permission denied",)
    directory.chmod(0o700)


def test_a_flood_of_files_costs_no_more_than_some(directory: Path) -> None:
    """One entry kills; thousands must not make each look at them slow."""
    for number in range(1_000):
        (directory / f"{number}").touch()
    assert 1 <= len(latch(directory).in_force()) <= 64
