"""
`spark down`: asks the supervisor to stop, or does its work where it was killed.
"""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spark.embedded.abandoned import clear_abandoned
from spark.embedded.home import Home, StackLock
from spark.embedded.polling import until
from spark.embedded.state import StackPhase, StackState, read_state
from spark.errors import AuthorisationError, EmbeddedUnavailable, NotRunningError

_STOP_S_MAX: Final = 15.0


@dataclass(frozen=True, slots=True)
class TakenDown:
    """What was there to stop."""

    home: Path
    was_running: bool
    #: Children that a killed supervisor had left.
    names: list[str]
    is_purged: bool

    def text(self) -> str:
        """Say it in one line."""
        parts = ["stopped" if self.was_running else "nothing was running"]
        if self.names:
            parts = [f"ended what a killed supervisor had left: {', '.join(self.names)}"]
        parts.append(f"{self.home} removed" if self.is_purged else f"data kept in {self.home}")
        return " · ".join(parts)


async def take_down(root: Path, *, is_purged: bool) -> TakenDown:
    """
    Stop the stack of a home.

    Raises:
        NotRunningError: there is none, and nothing to purge.
        AuthorisationError: it belongs to another user.
        EmbeddedUnavailable: it does not end.

    """
    anchor = Home(root)
    state = read_state(anchor)
    was_running = state is not None and state.supervisor.is_alive()
    if state is not None and was_running:
        await _ask(state)
    was_killed = state is not None and not was_running and state.phase is not StackPhase.STOPPED
    if not was_running and not was_killed and not (is_purged and anchor.is_marked()):
        raise NotRunningError(f"no stack runs in {anchor.root}")
    anchor.found()
    lock = StackLock(anchor)
    lock.take()
    try:
        names = clear_abandoned(anchor)
        if is_purged:
            anchor.purge()
    finally:
        lock.release()
    return TakenDown(anchor.root, was_running, names, is_purged)


async def _ask(state: StackState) -> None:
    try:
        os.kill(state.supervisor.pid, signal.SIGTERM)
    except PermissionError:
        raise AuthorisationError(
            f"the stack of {state.home} belongs to another user; stop it as that user"
        ) from None
    except ProcessLookupError:
        return
    if not await until(lambda: not state.supervisor.is_alive(), timeout_s=_STOP_S_MAX):
        raise EmbeddedUnavailable(
            f"the supervisor (pid {state.supervisor.pid}) did not end in {_STOP_S_MAX:.0f} s"
        )
