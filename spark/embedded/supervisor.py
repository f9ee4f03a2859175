"""
Supervisor: keeps children running, ends them in order, leaves none behind.

Owns    `<home>/run/children.json`, `<home>/logs/<child>.log`
Fails   loudly: a child that ends again and again is shown with its last lines, one
        that says "a person has to look" is left alone (restarts.py)

A child is on a leash: should this process be killed, the kernel ends its children,
and the next start ends what it did not (leftovers.py).
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

from spark.embedded.child import Child, ChildState, ChildStatus
from spark.embedded.home import Home
from spark.embedded.identity import ProcessIdentity
from spark.embedded.keeper import Keeper, OnChange
from spark.embedded.leftovers import write_children
from spark.embedded.polling import until
from spark.embedded.spares import Spares
from spark.embedded.spawn import rotate
from spark.errors import EmbeddedUnavailable
from spark.worker.at_once import at_once

_ROTATE_PERIOD_S: Final = 30.0
#: A wave may take this long, except for the last one, which has what is left.
_WAVE_S_MAX: Final = 2.0
#: What is kept of the budget for each later wave, and for the servers, which flush.
_WAVE_RESERVE_S: Final = 0.3
_LAST_WAVE_RESERVE_S: Final = 3.5
_ORPHANS_S_MAX: Final = 1.0
_CALM: Final = frozenset({ChildState.READY, ChildState.HALTED, ChildState.STOPPED})


class Supervisor:
    """Runs the children of one home; the caller holds its lock."""

    def __init__(self, home: Home, on_change: OnChange) -> None:
        self._home = home
        self._on_change = on_change
        self._keepers: dict[str, Keeper] = {}
        self._rotation: asyncio.Task[None] | None = None
        #: Set by a bug in the supervision itself; nothing is healed any more, so stop.
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._spares = Spares(home.run, home.log_of("spare"), is_calm=self._is_calm)
        self._spares.task.add_done_callback(self._note_bug)

    def start(self, child: Child) -> None:
        """Begin to keep a child running, after what it needs; returns at once."""
        assert child.name not in self._keepers, "a child is supervised once"
        if self._rotation is None:
            self._rotation = asyncio.create_task(self._rotate_logs())
            self._rotation.add_done_callback(self._note_bug)
        keeper = Keeper(
            child,
            log=self._home.log_of(child.name),
            needs=[self._keepers[name] for name in child.needs],
            spares=self._spares,
            on_change=self._changed,
        )
        keeper.task.add_done_callback(self._note_bug)
        self._keepers[child.name] = keeper

    def statuses(self) -> list[ChildStatus]:
        """List every child with its state now, in the order in which they were given."""
        return [keeper.status() for keeper in self._keepers.values()]

    def last_lines(self, name: str) -> list[str]:
        """Read what a child printed last."""
        return self._keepers[name].last_lines()

    async def ready(self, names: Iterable[str], *, timeout_s: float) -> None:
        """
        Wait until all of these have served for the first time.

        Raises:
            SparkError: what keeps one of them from serving.
            EmbeddedUnavailable: one ends again and again, or is not ready in time.

        """
        wanted = [self._keepers[name] for name in names]
        try:
            async with asyncio.timeout(timeout_s):
                await at_once({keeper.child.name: keeper.first_ready() for keeper in wanted})
        except TimeoutError:
            late = [keeper.child.name for keeper in wanted if not keeper.is_ready.is_set()]
            raise EmbeddedUnavailable(
                f"not ready after {timeout_s:g} s: {', '.join(late)}; see {self._home.logs}"
            ) from None

    async def stop(
        self, *, budget_s: float, on_wave: Callable[[Sequence[str]], None] = lambda _: None
    ) -> None:
        """
        End all children, wave by wave, killing what does not end in its share of the time.

        Args:
            budget_s: for everything.
            on_wave: told the names before each wave.

        """
        deadline = time.monotonic() + budget_s
        keepers = list(self._keepers.values())
        for keeper in keepers:
            keeper.hold()
        below = [process for keeper in keepers for process in keeper.descendants()]
        waves = sorted({keeper.child.stop_wave for keeper in keepers})
        for later, wave in zip(range(len(waves) - 1, -1, -1), waves, strict=True):
            members = [keeper for keeper in keepers if keeper.child.stop_wave == wave]
            if alive := [one.child.name for one in members if one.identity is not None]:
                on_wave(alive)
            left = max(0.1, deadline - time.monotonic() - _reserve_s(later))
            await _end(members, left if later == 0 else min(left, _WAVE_S_MAX))
        await self._finish(below)

    def kill_all(self) -> None:
        """End all children now, without asking them; `stop` then waits for their ends."""
        for keeper in self._keepers.values():
            keeper.kill()

    def _is_calm(self) -> bool:
        return all(keeper.status().state in _CALM for keeper in self._keepers.values())

    async def _finish(self, below: Sequence[ProcessIdentity]) -> None:
        if self._rotation is not None:
            self._rotation.cancel()
            await asyncio.gather(self._rotation, return_exceptions=True)
        await self._spares.close()
        # A killed PostgreSQL's own children end a moment after it.
        await until(
            lambda: not any(process.is_alive() for process in below), timeout_s=_ORPHANS_S_MAX
        )
        self._note_children()

    def _note_bug(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.broken.done():
            self.broken.set_exception(error)

    def _changed(self, status: ChildStatus) -> None:
        self._note_children()
        self._on_change(status)

    def _note_children(self) -> None:
        alive = {
            name: keeper.identity
            for name, keeper in self._keepers.items()
            if keeper.identity is not None
        }
        with suppress(OSError):  # a full disk must not keep us from healing
            write_children(self._home.run / "children.json", alive)

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(_ROTATE_PERIOD_S)
            for name in self._keepers:
                with suppress(OSError):  # as above
                    rotate(self._home.log_of(name))


def _reserve_s(later_waves: int) -> float:
    if later_waves == 0:
        return 0.0
    return _LAST_WAVE_RESERVE_S + _WAVE_RESERVE_S * (later_waves - 1)


async def _end(keepers: Sequence[Keeper], seconds: float) -> None:
    for keeper in keepers:
        keeper.ask_to_end()
    ends = [asyncio.create_task(keeper.ended()) for keeper in keepers]
    if not ends:
        return
    _, late = await asyncio.wait(ends, timeout=seconds)
    if late:
        for keeper in keepers:
            keeper.kill()
        await asyncio.wait(late)
