"""
Whether each role can have its own uid, and which (S7).

Under one uid a strategy reads every password file and the broker's refusals are
decoration. Numbers without a passwd entry are enough, but the interpreter, the
packages and the checkout must be readable for them, which they are not below a
private home.
"""

import hashlib
import json
import os
import pwd
import subprocess
import sys
import sysconfig
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spark.embedded.reach import obstacle, obstacle_above
from spark.errors import SettingError

#: A range that no distribution and no systemd component hands out.
UID_RANGE: Final = range(60_800, 61_184)
_CHECKOUT: Final = Path(__file__).parents[2]
_TRIAL_TIMEOUT_S: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """Each principal's uid, or one sentence saying why all share one."""

    uids: Mapping[str, int]
    reason: str

    @property
    def is_isolated(self) -> bool:
        """Real endpoints are refused without it."""
        return bool(self.uids)


def plan_isolation(principals: Collection[str], register: Path) -> Isolation:
    """
    Give each principal a uid, if this process and this machine allow it.

    Args:
        register: a file that keeps the numbers from one start to the next, because
            data on disk belongs to them. It stands in the stack's home, which the caller
            opens for the roles afterwards; what is above it is judged here.

    Raises: SettingError when the register is damaged or the range is used up.
    """
    if os.geteuid() != 0:
        return Isolation(uids={}, reason="started as an ordinary user; only root can separate uids")
    uids = assign_uids(principals, _read_register(register), _named_uids())
    probe = min(uids.values())
    for what, path in needed_paths():
        if (wall := obstacle(path, probe)) is not None:
            return Isolation(
                uids={}, reason=f"other users cannot reach {what} at {path}: {wall} is private"
            )
    if (wall := obstacle_above(register.parent, probe)) is not None:
        return Isolation(
            uids={}, reason=f"other users cannot reach {register.parent}: {wall} is private"
        )
    if refusal := _try_as(probe):
        return Isolation(uids={}, reason=f"a process under another uid does not start: {refusal}")
    _write_register(register, uids)
    return Isolation(uids=uids, reason="")


def assign_uids(
    principals: Collection[str], known: Mapping[str, int], taken: Collection[int] = ()
) -> dict[str, int]:
    """
    Give each principal a number of its own; a known one keeps its number for ever.

    A new one starts looking at a place derived from its name, so that two stacks
    on one host agree on nearly all of them.

    Raises: SettingError when the range is used up.
    """
    used = set(known.values()) | set(taken)
    uids = dict(known)
    for principal in sorted(set(principals) - set(known)):
        digest = hashlib.sha256(principal.encode()).digest()
        start = int.from_bytes(digest[:4], "big")
        tries = (UID_RANGE[(start + step) % len(UID_RANGE)] for step in range(len(UID_RANGE)))
        uid = next((uid for uid in tries if uid not in used), None)
        if uid is None:
            raise SettingError(f"no uid left between {UID_RANGE[0]} and {UID_RANGE[-1]}")
        used.add(uid)
        uids[principal] = uid
    return uids


def needed_paths() -> Iterable[tuple[str, Path]]:
    """
    List what every process of every role must be able to read.
    """
    yield "the Python interpreter", Path(sys.executable)
    yield "Python's library", Path(sysconfig.get_path("stdlib"))
    yield "the installed packages", Path(sysconfig.get_path("purelib"))
    yield "the checkout", _CHECKOUT / "spark"
    yield "the checkout", _CHECKOUT / "deploy"


def _try_as(uid: int) -> str:
    """
    Start the interpreter under a uid: mode bits do not know of containers and ACLs.

    Returns: nothing, or why it failed.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", "import spark.topics"],
            user=uid,
            group=uid,
            extra_groups=[],
            cwd="/",
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_TRIAL_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"


def _named_uids() -> set[int]:
    return {entry.pw_uid for entry in pwd.getpwall()}


def _read_register(path: Path) -> dict[str, int]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror}") from None
    with suppress(ValueError, RecursionError):
        found = json.loads(text)
        if isinstance(found, dict) and all(
            isinstance(uid, int) and uid in UID_RANGE for uid in found.values()
        ):
            return found
    raise SettingError(f"{path} is damaged; it must map names to uids in {UID_RANGE}")


def _write_register(path: Path, uids: Mapping[str, int]) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(json.dumps(uids, indent=1, sort_keys=True), encoding="utf-8")
    fresh.replace(path)
