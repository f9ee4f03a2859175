"""
What of `schemas/` was committed before, where git and a history are at hand.
"""

import shutil
import subprocess
from functools import cache
from typing import Final

from spark.schemas import DIRECTORY

_ROOT: Final = DIRECTORY.parent


@cache
def baselines() -> tuple[str, ...]:
    """
    List the commits to stay compatible with: the last one, and the last release.

    Returns: nothing in an unpacked archive; the recorded examples are the gate then.
    """
    release = _git("describe", "--tags", "--abbrev=0", "--match", "v*")
    known = [_git("rev-parse", "--verify", "--quiet", "HEAD"), release]
    return tuple(found.strip() for found in known if found is not None)


@cache
def committed(revision: str) -> frozenset[str]:
    """List the paths below `schemas/` at a commit, relative to it."""
    listed = _git("ls-tree", "-r", "--name-only", f"{revision}:{DIRECTORY.name}")
    return frozenset(listed.splitlines() if listed is not None else ())


def text_at(revision: str, path: str) -> str:
    """Read a committed file of `schemas/`."""
    text = _git("show", f"{revision}:{DIRECTORY.name}/{path}")
    assert text is not None, (revision, path)
    return text


def _git(*arguments: str) -> str | None:
    program = shutil.which("git")
    if program is None:
        return None
    # A checkout that another user owns is read here, nothing of it is executed.
    command = [program, "-c", "safe.directory=*", "-C", str(_ROOT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    return done.stdout if done.returncode == 0 else None
