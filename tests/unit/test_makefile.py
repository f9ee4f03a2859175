"""`make` on a bare machine: what it runs, and what it says when something is missing."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
MAKE = shutil.which("make")

pytestmark = pytest.mark.skipif(MAKE is None, reason="no make on this machine")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout without an environment, in a directory with a blank in its name."""
    home = tmp_path / "a checkout"
    home.mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements.txt", "requirements-dev.txt"):
        shutil.copy(CHECKOUT / name, home)
    return home


def make(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    assert MAKE is not None, "see pytestmark"
    return subprocess.run(
        [MAKE, *words],
        cwd=directory,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def interpreter(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('[ "$1" = -V ] && echo Python 3.9.2 || exit 1', "is Python 3.9.2; Spark needs 3.11"),
        ('case "$*" in *ensurepip*) exit 1;; esac', "has no venv module"),
        (None, "not found; install Python 3.11 or newer"),
    ],
    ids=["too old", "no venv", "no Python"],
)
def test_what_is_missing_is_one_line(copy: Path, body: str | None, said: str) -> None:
    """A Python that will not do ends with one line that says so."""
    python = copy / "python"
    if body is not None:
        interpreter(python, body)
    done = make(copy, "up", f"PYTHON={python}")
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(errors) == 1
    assert errors[0].startswith("error: ")
    assert said in errors[0]


def test_for_ends_the_stack_by_itself(copy: Path) -> None:
    """`make up FOR=30s` is `spark up --for 30s`."""
    assert "spark up --for 30s" in make(copy, "-n", "up", "FOR=30s").stdout
    assert "--for" not in make(copy, "-n", "up").stdout


def test_a_second_make_installs_nothing(copy: Path) -> None:
    """Works offline once installed: a stamp newer than the pins is all it looks at."""
    assert "pip install" in make(copy, "-n", "up").stdout
    stamp = re.search(r"touch (\S+)\n", make(copy, "-n", "up").stdout)
    assert stamp is not None
    (copy / ".venv").mkdir()
    (copy / stamp[1]).touch()
    assert "pip" not in make(copy, "-n", "up").stdout
    os.utime(copy / stamp[1], (0, 0))
    assert "pip install" in make(copy, "-n", "up").stdout


def test_pins_carry_hashes_and_name_no_host() -> None:
    """
    Every package is pinned with hashes, and where it comes from is the user's business.

    Fault X3.
    """
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (CHECKOUT / name).read_text(encoding="utf-8")
        entries = re.split(r"\n(?=\S)", text.strip())
        assert all(re.match(r"[a-z0-9-]+(\[[a-z,]+\])?==\S+", entry) for entry in entries), name
        assert all("--hash=sha256:" in entry for entry in entries), name
        assert "://" not in text
        assert "--index" not in text
