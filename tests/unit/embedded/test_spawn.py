"""The logs of children."""

from pathlib import Path

import pytest

from spark.embedded import spawn


def test_a_large_log_is_moved_aside_and_its_writer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A child that talks for ever does not fill the disk, and keeps its file.
    """
    monkeypatch.setattr(spawn, "LOG_BYTES_MAX", 10)
    log = tmp_path / "a.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"0123456789abcdef\n")
        spawn.rotate(log)
        writer.write(b"next\n")
    assert log.read_bytes() == b"next\n"
    assert (tmp_path / "a.log.1").read_bytes() == b"0123456789abcdef\n"


def test_a_small_log_stays(tmp_path: Path) -> None:
    """
    Nothing is moved without need, and a log that is missing is no error.
    """
    log = tmp_path / "a.log"
    spawn.rotate(log)
    log.write_bytes(b"x\n")
    spawn.rotate(log)
    assert not (tmp_path / "a.log.1").exists()


@pytest.mark.parametrize(
    ("since", "count", "lines"),
    [(0, 2, ["two", "three"]), (0, 9, ["one", "two", "three"]), (4, 9, ["two", "three"]),
     (999, 9, [])],
    ids=["the last", "all", "of this start", "nothing yet"],
)  # fmt: skip
def test_the_last_lines_are_those_of_this_start(
    tmp_path: Path, since: int, count: int, lines: list[str]
) -> None:
    """
    An earlier start's error is not shown as this one's.
    """
    log = tmp_path / "a.log"
    log.write_bytes(b"one\n\ntwo\nthree\n")
    assert spawn.last_lines(log, count, since=since) == lines


def test_a_missing_log_has_no_lines(tmp_path: Path) -> None:
    """
    A child that never started printed nothing.
    """
    assert spawn.last_lines(tmp_path / "a.log", 5) == []
    assert spawn.size_of(tmp_path / "a.log") == 0
