"""
`spark drill broker`: the broker is killed again and again while orders flow.

Most times as by kill -9, now and then stopped in order; the supervisor starts it again. In
the end the jury compares what the topics say with what the exchanges' own ledgers hold: no
order lost, none sent twice, none without an approval, none of which nobody knows the end.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Final

import psutil

from spark.bench.crash.attended import attended
from spark.bench.crash.load import Load, beside
from spark.bench.crash.scene import Killed, Scene, until
from spark.bench.crash.stack import CrashStack
from spark.bench.crash.tally import COUNTS, figures
from spark.bench.jury.limits import Caps
from spark.bench.jury.panel import Verdict
from spark.embedded.processes import BY_NAME, KAFKA
from spark.embedded.throwaway import ThrowawayOptions
from spark.errors import SparkError
from spark.names import Venue

#: How many of all ends are in order rather than by SIGKILL.
_IN_ORDER: Final = 0.25
#: Before the first end, so that it meets orders.
_WARM_S: Final = 10.0
_QUIET_S_MAX: Final = 180.0
KILL: Final = "kill"
STOP: Final = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerDrill:
    """One drill's parameters."""

    seconds: float
    #: From one end of the broker to the next.
    every_s: float
    seed: int
    #: Intents a second, over all exchanges.
    rate: float
    venues: tuple[Venue, ...]
    is_failed_kept: bool = False


@dataclass(slots=True)
class Found:
    """What the drill did and saw."""

    drill: BrokerDrill
    #: By kind of end: from it to the first record that the broker took again.
    first_write_ms: dict[str, list[float]] = field(
        default_factory=lambda: dict[str, list[float]]({KILL: [], STOP: []})
    )
    verdict: Verdict | None = None
    is_quiet: bool = False
    #: How often each process had to start again.
    restarts: dict[str, int] = field(default_factory=dict)
    resolved_by_persons: int = 0
    protections: list[str] = field(default_factory=list)
    #: In words: what kept the stack from working again.
    failure: str = ""
    #: How many were waiting for a processor at each return of the broker: of this machine's.
    waiting: list[float] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Tell whether there is nothing to explain."""
        verdict = self.verdict
        return not self.failure and self.is_quiet and verdict is not None and verdict.is_clean

    def result(self) -> dict[str, object]:
        """Give the object that `--json` prints."""
        verdict = self.verdict
        counted = {name: getattr(verdict, name) for name in COUNTS} if verdict else {}
        return {
            "broker_ends": {kind: len(found) for kind, found in self.first_write_ms.items()},
            "first_write_ms": {k: figures(found) for k, found in self.first_write_ms.items()},
            "intents": verdict.intents if verdict else 0,
            "orders": verdict.orders if verdict else 0,
            "fills": verdict.fills if verdict else 0,
            **counted,
            "details": list(verdict.details) if verdict else [],
            "load_average": figures(self.waiting),
            "process_restarts": dict(sorted(self.restarts.items())),
            "resolved_by_persons": self.resolved_by_persons,
            "protections": self.protections,
            "failure": self.failure or ("" if self.is_quiet else "not at rest"),
            "seconds": self.drill.seconds,
            "every_s": self.drill.every_s,
            "rate_asked": self.drill.rate,
            "seed": self.drill.seed,
        }


async def drill_broker(
    options: ThrowawayOptions, drill: BrokerDrill, *, caps: Caps, say: Callable[[str], None]
) -> Found:
    """
    Run the drill, on a stack of its own.

    Args:
        caps: what the stack is told.
        say: takes lines of progress.

    Raises:
        GateError: no stack could be started.

    """
    found, crash_stack = Found(drill), CrashStack(options)
    try:
        stack = await crash_stack.start()
        async with attended(crash_stack, stack, drill.venues, caps=caps) as work:
            with _failing(found):
                async with (
                    beside(Load(stack, drill.venues, drill.seed, rate=drill.rate).run()),
                    beside(work.mind()),
                ):
                    await _end_it(work.scene, found, say)
            with _failing(found):
                async with beside(work.mind()):
                    found.is_quiet = await work.judge.quiet(_QUIET_S_MAX)
                    found.verdict = await work.judge.verdict()
            found.resolved_by_persons = len(work.minding.resolved)
            found.protections = list(work.minding.protections)
        found.restarts = {
            child.name: child.restarts for child in stack.state.children if child.name in BY_NAME
        }
    finally:
        await crash_stack.stop()
        if drill.is_failed_kept and not found.is_clean:
            say(f"kept: {crash_stack.root}")
        else:
            crash_stack.remove()
    return found


async def _end_it(scene: Scene, found: Found, say: Callable[[str], None]) -> None:
    """End the broker again and again, and see it come back."""
    drill = found.drill
    chance = random.Random(drill.seed)  # noqa: S311  (repeatable on purpose)
    await asyncio.sleep(_WARM_S)
    began = time.monotonic()
    for number in count(1):
        kind = STOP if chance.random() < _IN_ORDER else KILL
        killed = await _ended(scene, signal.SIGTERM if kind == STOP else signal.SIGKILL)
        # Told to stop, it takes records for a while yet.
        await until(partial(_is_gone, killed.pid), "the broker is gone")
        took_ms = await scene.broker_back(killed.at_ms)
        found.first_write_ms[kind].append(took_ms)
        found.waiting.append(os.getloadavg()[0])
        passed_s = time.monotonic() - began
        say(f"{passed_s:.0f} s: {kind} {number}, {took_ms:.0f} ms to a write")
        # A broker that took longer than that is ended again as soon as it serves.
        await asyncio.sleep(max(0.0, number * drill.every_s - passed_s))
        if time.monotonic() - began >= drill.seconds:
            return


async def _ended(scene: Scene, number: signal.Signals) -> Killed:
    pid = await scene.served(KAFKA)
    at_ms = time.time() * 1e3
    os.kill(pid, number)
    return Killed(KAFKA, pid, at_ms)


def _is_gone(pid: int) -> bool | None:
    return None if psutil.pid_exists(pid) else True


@contextmanager
def _failing(found: Found) -> Iterator[None]:
    """Note what kept the stack from working; the jury judges all the same."""
    try:
        yield
    except* SparkError as group:
        found.failure = found.failure or "; ".join(
            f"{type(one).__name__}: {one}" for one in group.exceptions
        )
