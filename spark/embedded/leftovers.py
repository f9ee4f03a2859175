"""
What to end when a supervisor was killed: its children, by identity, never by pid alone.

On Linux the kernel has ended them already (leash.py); this is for the rest, and for
what they started themselves.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import orjson

from spark.embedded.identity import ProcessIdentity, descendants
from spark.errors import EmbeddedUnavailable

_POLL_S: Final = 0.02
_QUIT_S_MAX: Final = 2.0
_KILL_S_MAX: Final = 5.0


def write_children(path: Path, children: Mapping[str, ProcessIdentity]) -> None:
    """Note which children run now, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    named = {name: {"pid": of.pid, "birth": of.birth} for name, of in children.items()}
    part.write_bytes(orjson.dumps(named))
    part.replace(path)


def read_children(path: Path) -> dict[str, ProcessIdentity]:
    """
    Read what the last supervisor noted.

    Returns: empty where there is no such file, or none that a supervisor wrote.
    """
    try:
        found = orjson.loads(path.read_bytes())
        return {name: ProcessIdentity(of["pid"], of["birth"]) for name, of in found.items()}
    except (OSError, orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return {}


def end_leftovers(path: Path) -> list[str]:
    """
    End every noted child that still runs, with everything below it.

    Returns: the names of those that were found alive.

    Raises:
        EmbeddedUnavailable: one does not end, or belongs to somebody else.

    """
    found = {name: of for name, of in read_children(path).items() if of.is_alive()}
    if found:
        # SIGQUIT first: PostgreSQL then ends its own children and its shared memory.
        below = [one for of in found.values() for one in descendants(of)]
        _signal(found.values(), signal.SIGQUIT)
        _wait([*found.values(), *below], _QUIT_S_MAX)
        remaining = [of for of in (*found.values(), *below) if of.is_alive()]
        _signal(remaining, signal.SIGKILL)
        _wait(remaining, _KILL_S_MAX)
        stubborn = [name for name, of in found.items() if of.is_alive()]
        if stubborn:
            raise EmbeddedUnavailable(
                f"left over from an earlier start and not to be ended by this user: "
                f"{', '.join(f'{name} (pid {found[name].pid})' for name in stubborn)}"
            )
    path.unlink(missing_ok=True)
    return list(found)


def _signal(processes: Iterable[ProcessIdentity], number: signal.Signals) -> None:
    for process in processes:
        if process.is_alive():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, number)


def _wait(processes: list[ProcessIdentity], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(process.is_alive() for process in processes) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
