"""
Hurts as they are carried out, each with what says afterwards whether it did really happen.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import psutil

from spark.bench.crash.around import (
    Around,
    Done,
    Site,
    cut_network,
    cut_streams,
    fill_disk,
    step_wall_clock,
    storm,
)
from spark.bench.crash.orders import (
    CrashNote,
    CrashOrder,
    place_order,
    read_note,
    withdraw_order,
)
from spark.bench.crash.plan import ALL, SUPERVISOR, Fault, Hurt
from spark.bench.crash.rooms import Rooms
from spark.bench.crash.scene import Killed, Restart, Scene, until
from spark.clock import SystemClock
from spark.crash_points import Point
from spark.embedded.processes import KAFKA
from spark.errors import SparkError
from spark.names import HaltSource
from spark.ops.kill import pull
from spark.producers.kills import new_kill

#: How long a process may take to come by a point; what comes rarely is told so.
_COMES_S_MAX: Final = 30.0
#: Of what comes rarely even where it is provoked.
_PATIENCE_S: Final = {Point.PROTECTION_DECIDED: 40.0, Point.SNAPSHOT_WRITTEN: 40.0}
_GONE_S_MAX: Final = 20.0
_NS_PER_MS: Final = 1e6


class Hurts:
    """Does what a plan says to one stack."""

    def __init__(self, scene: Scene, rooms: Rooms) -> None:
        self._scene = scene
        self._rooms = rooms
        self._ways: Mapping[Fault, Callable[[Hurt, Done], Awaitable[None]]] = {
            Fault.KILL: self._kill,
            Fault.KILL_AT: self._kill_at,
            Fault.HALF: self._kill_at,
            Fault.PAIR: self._kill,
            Fault.STOP: self._stop,
            Fault.STOP_AT: self._stop_at,
            Fault.CONNECTIONS: self._around(cut_streams),
            Fault.NETWORK: self._around(cut_network),
            Fault.DISK: self._around(fill_disk),
            Fault.CLOCK: self._around(step_wall_clock),
        }

    async def do(self, hurt: Hurt) -> Done:
        """
        Carry it out, and wait until everything serves again.

        Raises:
            GateError: something does not serve again.

        """
        done = Done(hurt)
        await asyncio.sleep(hurt.wait_s)
        await self._ways[hurt.fault](hurt, done)
        return done

    def _around(self, way: Around) -> Callable[[Hurt, Done], Awaitable[None]]:
        return partial(way, Site(self._scene, self._rooms, works_again=self._works_again))

    async def _kill(self, hurt: Hurt, done: Done) -> None:
        if hurt.places == (SUPERVISOR,):
            await self._kill_supervisor(done)
            return
        scene = self._scene
        names = scene.processes() if hurt.places == (ALL,) else list(hurt.places)
        killed = await scene.kill(*names)
        done.struck(killed)
        if not killed:
            done.missed = "it was gone already"
        done.restarts += await scene.back(killed)
        if KAFKA in names:
            # Whoever lives by the broker may have ended with it.
            await self._all_serve()

    async def _kill_supervisor(self, done: Done) -> None:
        scene = self._scene
        children = {c.name: c.pid for c in scene.stack.state.children if c.pid is not None}
        at_ms = time.time() * 1e3
        await scene.crash_stack.kill_supervisor()
        done.killed.append(SUPERVISOR)
        done.at_ms.append(at_ms)

        def are_gone() -> bool | None:
            return None if any(map(_is_alive, children.values())) else True

        await until(are_gone, "the kernel ends the children", s_max=_GONE_S_MAX)
        scene.stack = await scene.crash_stack.start()
        done.restarts.append(Restart(SUPERVISOR, await scene.broker_back(at_ms)))
        await self._all_serve()

    async def _all_serve(self) -> None:
        now_ms = time.time() * 1e3
        for name in self._scene.processes():
            await self._scene.awake(name, now_ms)

    async def _kill_at(self, hurt: Hurt, done: Done) -> None:
        scene, (name,) = self._scene, hurt.places
        first: list[Killed] = []
        await scene.served(name)
        self._order(hurt)
        try:
            if hurt.point is Point.FENCED:
                # It comes by there as it starts, so it has to start.
                first = await scene.kill(name)
                done.struck(first)
            await self._lure(hurt)
            note = await self._note_of(hurt)
        finally:
            withdraw_order(scene.stack.home.run_of(name))
            if hurt.point is Point.PROTECTION_DECIDED:
                await self.disarm()
        if note is None:
            done.missed = f"nobody came by within {_patience_s(hurt):g} s"
            done.restarts += await scene.back(first)
            return
        second = [Killed(name, note.pid, note.at_ns / _NS_PER_MS)]
        done.struck(second)
        done.restarts += await scene.back(second)

    def _order(self, hurt: Hurt) -> None:
        name = hurt.places[0]
        assert hurt.point is not None, "it has a point"
        stack = self._scene.stack
        order = CrashOrder(hurt.point, hurt.after, hurt.how)
        place_order(stack.home.run_of(name), order, stack.state.uids.get(name))

    async def _lure(self, hurt: Hurt) -> None:
        """Give a process a reason to come by where it seldom does."""
        if hurt.point is Point.LATCH_WRITTEN:
            kill = new_kill("drill", by="op-local", source=HaltSource.CLI, clock=SystemClock())
            pull(self._scene.stack.home.kill, kill)
        elif hurt.point is Point.PROTECTION_DECIDED:
            await storm(self._scene)

    async def _note_of(self, hurt: Hurt) -> CrashNote | None:
        name = hurt.places[0]
        directory = self._scene.stack.home.run_of(name)
        deadline = time.monotonic() + _patience_s(hurt)
        while (note := read_note(directory)) is None and time.monotonic() < deadline:
            self._scene.child(name)
            await asyncio.sleep(0.02)
        return note

    async def _stop(self, hurt: Hurt, done: Done) -> None:
        (name,) = hurt.places
        await self._sleep(name, await self._scene.served(name), hurt=hurt, done=done)

    async def _stop_at(self, hurt: Hurt, done: Done) -> None:
        (name,) = hurt.places
        await self._scene.served(name)
        self._order(hurt)
        try:
            note = await self._note_of(hurt)
        finally:
            withdraw_order(self._scene.stack.home.run_of(name))
        if note is None:
            done.missed = f"nobody came by within {_patience_s(hurt):g} s"
            return
        # It says where it is and then stops: continued in between, it would stop for ever.
        await until(partial(_is_asleep, note.pid), f"{name} stops at its point")
        await self._sleep(name, note.pid, hurt=hurt, done=done)

    async def _sleep(self, name: str, pid: int, *, hurt: Hurt, done: Done) -> None:
        process = psutil.Process(pid)
        try:
            os.kill(pid, signal.SIGSTOP)
            done.at_ms.append(time.time() * 1e3)
            await asyncio.sleep(hurt.seconds)
            done.missed = "" if process.status() == psutil.STATUS_STOPPED else "it did not stop"
        except (ProcessLookupError, psutil.NoSuchProcess):
            done.missed = "it was gone already"
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        await self._works_again(name)

    async def _works_again(self, name: str) -> None:
        now_ms = time.time() * 1e3
        if name in self._scene.processes():
            await self._scene.awake(name, now_ms)
            return
        await self._scene.served(name)
        if name == KAFKA:
            await self._all_serve()

    async def disarm(self) -> None:
        """Let the exchanges behave; one that is away has nothing armed."""
        for judges in self._scene.judges.values():
            with suppress(SparkError):
                await judges.disarm()


def _is_asleep(pid: int) -> bool | None:
    """Say that a process is stopped, or gone; None where it runs."""
    try:
        status = psutil.Process(pid).status()
    except psutil.NoSuchProcess:
        return True
    return True if status in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE} else None


def _is_alive(pid: int) -> bool:
    try:
        # One that nobody has buried yet does nothing any more.
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _patience_s(hurt: Hurt) -> float:
    return _COMES_S_MAX if hurt.point is None else _PATIENCE_S.get(hurt.point, _COMES_S_MAX)
