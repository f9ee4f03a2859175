"""One supervised child, as a value: how it starts, what it needs, when it stops."""

import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from spark.embedded.command import Command

IsAlive = Callable[[], bool]


class ChildState(StrEnum):
    """Where a child stands."""

    #: For what it needs.
    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    #: Ended; a pause before the next start.
    PAUSING = "pausing"
    #: Says that a person has to look; not started again.
    HALTED = "halted"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What the supervisor has to know of a child."""

    name: str
    #: Asked at each start; prepares what the start needs.
    command: Callable[[], Awaitable[Command]]
    #: Returns when it serves; raises a SparkError when it will not. Asked at each start.
    wait_ready: Callable[[IsAlive], Awaitable[None]]
    #: Children without which it is not started.
    needs: tuple[str, ...] = ()
    #: Children of a lower wave are ended first.
    stop_wave: int
    #: What the kernel sends it when the supervisor is killed.
    death_signal: signal.Signals = signal.SIGKILL


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildStatus:
    """A child at one moment."""

    name: str
    state: ChildState
    pid: int | None
    restarts: int
    #: How long the last start took until it served, seconds.
    ready_after_s: float | None
    #: One line on the last end, or on what keeps it; empty while all is well.
    detail: str
    #: The last lines of its log, when it ended by itself.
    last_lines: tuple[str, ...] = ()
