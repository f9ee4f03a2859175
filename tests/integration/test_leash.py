"""The leash itself, without a supervisor."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spark.embedded import leash

_LEASH = str(Path(leash.__file__))


def _run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-I", "-S", _LEASH, *words],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


def test_whoever_is_an_orphan_already_does_not_start() -> None:
    """
    The parent may have ended before the kernel was told whom to watch.
    """
    done = _run("9", "1", "-", sys.executable, "-c", "print('started')")
    assert done.returncode == 125
    assert not done.stdout


def test_a_program_that_does_not_exist_is_named() -> None:
    """
    The log of a child says why it never began.
    """
    done = _run("9", str(os.getpid()), "-", "/nowhere/program")
    assert done.returncode == 127
    assert "/nowhere/program" in done.stderr


def test_the_program_gets_its_arguments_and_cannot_gain_rights() -> None:
    """
    Nothing of the leash is left but what it set: no core dumps, no new privileges.
    """
    script = "import sys; print(sys.argv[1:], open('/proc/self/status').read())"
    done = _run("9", str(os.getpid()), "-", sys.executable, "-c", script, "a b", "")
    assert done.returncode == 0
    assert done.stdout.startswith("['a b', '']")
    assert "NoNewPrivs:\t1" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take another uid")
def test_a_uid_may_have_one_other_group_and_no_more(open_directory: Path) -> None:
    """
    S7, B10: the sentinel pulls a latch that is the webhook's group's, and removes nobody's file.
    """
    uid, group = 61_000, 61_001
    latch = open_directory / "kill.d"
    latch.mkdir()
    latch.chmod(0o3775)
    os.chown(latch, 0, group)
    (latch / "another").touch()
    script = 'id -u; id -G; touch "$0/mine" && echo pulled; rm -f "$0/another"'
    program = ("/bin/sh", "-c", script, str(latch))

    done = _run("9", str(os.getpid()), f"{uid}:{group}", *program)
    assert done.stdout.splitlines() == [str(uid), f"{uid} {group}", "pulled"]
    assert sorted(path.name for path in latch.iterdir()) == ["another", "mine"]
    (latch / "mine").unlink()
    alone = _run("9", str(os.getpid()), str(uid), *program)
    assert alone.stdout.splitlines() == [str(uid), str(uid)]
    assert [path.name for path in latch.iterdir()] == ["another"]
