"""What a supervisor needs to start one embedded server, as a value."""

import os
import signal
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

_CLOSED: Final = Path(__file__).with_name("closed.py")


class SpawnOptions(TypedDict, total=False):
    """Keyword arguments that subprocess.Popen and asyncio's create_subprocess_exec share."""

    env: dict[str, str]
    cwd: str
    umask: int
    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One process to start: `subprocess.Popen(command.argv, **command.spawn_options())`."""

    argv: tuple[str, ...]
    #: The whole environment: nothing of the parent's is inherited (S15).
    env: Mapping[str, str]
    cwd: Path
    #: None keeps the uid of the parent; otherwise uid and gid of the child.
    uid: int | None
    #: Asks for a clean stop; PostgreSQL's is not SIGTERM, which waits for its clients.
    stop_signal: signal.Signals
    #: The one other group that a child with a uid of its own is in.
    other_group: int | None = None
    #: The module and its words, where a spare can become it (spares.py).
    words: tuple[str, ...] | None = None

    @property
    def groups(self) -> list[int]:
        """List the child's groups beside its own."""
        return [] if self.other_group is None else [self.other_group]

    def spawn_options(self) -> SpawnOptions:
        """
        Say how the process starts, in the words of the subprocess module.
        """
        options: SpawnOptions = {"env": dict(self.env), "cwd": str(self.cwd), "umask": 0o077}
        if self.uid is not None:
            options |= {"user": self.uid, "group": self.uid, "extra_groups": self.groups}
        return options


def closed_start(module: str, *words: str) -> tuple[str, ...]:
    """
    Say how to start a module without any wheel's start-up code (closed.py, S16).
    """
    places = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    directories = os.pathsep.join(dict.fromkeys(places))
    return (sys.executable, "-I", "-S", str(_CLOSED), directories, module, *words)


def base_environment() -> dict[str, str]:
    """Give what every child's environment begins with."""
    return {"LC_ALL": "C.UTF-8", "PATH": os.defpath}
