"""
Hurts of what is around a process: its network, its disk, its clock, the exchange's streams.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import psutil

from spark.bench.crash.orders import step_clock
from spark.bench.crash.plan import Hurt
from spark.bench.crash.rooms import Rooms, cut, full_disk
from spark.bench.crash.scene import Killed, Restart, Scene
from spark.embedded.processes import KAFKA, SIMULATORS
from spark.errors import VenueUnavailable

#: An exchange that answers so asks for slowness; what a sentinel watches for.
_STORM: Final = {"kind": "reject_429", "count": 40, "ms": 1}
#: As the state of a stack calls them.
_PORT_NAMES: Final = ("simulator", "btcturk_simulator")
_CHANNELS: Final = ("market", "private")


@dataclass(slots=True)
class Done:
    """What became of one hurt."""

    hurt: Hurt
    #: What was ended by it, each once for every time.
    killed: list[str] = field(default_factory=list)
    #: The moments in which it struck.
    at_ms: list[float] = field(default_factory=list)
    #: Why it did not happen; empty where it did.
    missed: str = ""
    restarts: list[Restart] = field(default_factory=list)
    #: It cannot happen on this machine.
    is_skipped: bool = False

    def struck(self, killed: list[Killed]) -> None:
        """Note who was ended."""
        self.killed += [one.name for one in killed]
        self.at_ms += sorted({one.at_ms for one in killed})[:1]


@dataclass(frozen=True, slots=True)
class Site:
    """Where such a hurt is done."""

    scene: Scene
    rooms: Rooms
    #: Waits until a process, this instance or its successor, says so.
    works_again: Callable[[str], Awaitable[None]]


Around = Callable[[Site, Hurt, Done], Awaitable[None]]


async def storm(scene: Scene) -> None:
    """Have every exchange ask for slowness, again and again."""
    with suppress(VenueUnavailable):
        for judges in scene.judges.values():
            await judges.arm(_STORM)


async def cut_streams(site: Site, hurt: Hurt, done: Done) -> None:
    """Cut an exchange's sockets, without a close frame."""
    (name,) = hurt.places
    venue = next(venue for venue, one in SIMULATORS.items() if one == name)
    try:
        for channel in _CHANNELS:
            fault = {"kind": "disconnect", "count": 20, "ms": 0, "route": channel}
            await site.scene.judges[venue].arm(fault)
    except VenueUnavailable as error:
        done.missed = str(error)
        return
    done.at_ms.append(time.time() * 1e3)


async def cut_network(site: Site, hurt: Hurt, done: Done) -> None:
    """Let nothing through between a process and the broker or the exchanges."""
    if site.rooms.no_network:
        done.missed, done.is_skipped = site.rooms.no_network, True
        return
    name, side = hurt.places
    pid = await site.scene.served(name)
    state = site.scene.stack.state
    ports = _ports(side, state.ports)
    with suppress(psutil.NoSuchProcess):
        own = [
            one.laddr.port
            for one in psutil.Process(pid).net_connections("tcp")
            if getattr(one.raddr, "port", 0) in ports
        ]
        if not own:
            done.missed = f"it has no connection to {side}"
            return
        with cut(state.uids.get(name), ports, own):
            done.at_ms.append(time.time() * 1e3)
            await asyncio.sleep(hurt.seconds)
    await site.works_again(name)


async def fill_disk(site: Site, hurt: Hurt, done: Done) -> None:
    """Have a process start, and keep its state, where nothing can be written."""
    if site.rooms.no_mounts:
        done.missed, done.is_skipped = site.rooms.no_mounts, True
        return
    (name,) = hurt.places
    stack = site.scene.stack
    with full_disk(stack.home.state_of(name), stack.state.uids.get(name)):
        done.at_ms.append(time.time() * 1e3)
        killed = await site.scene.kill(name)
        done.struck(killed)
        done.restarts += await site.scene.back(killed)
        await asyncio.sleep(hurt.seconds)


async def step_wall_clock(site: Site, hurt: Hurt, done: Done) -> None:
    """Have a process's wall clock run apart for a while; its monotonic one stays right."""
    (name,) = hurt.places
    stack = site.scene.stack
    step = partial(step_clock, stack.home.run_of(name), uid=stack.state.uids.get(name))
    await site.scene.served(name)
    step(by_ms=hurt.by_ms)
    try:
        done.at_ms.append(time.time() * 1e3)
        await asyncio.sleep(hurt.seconds)
    finally:
        step(by_ms=0)
    await site.works_again(name)


def _ports(side: str, ports: Mapping[str, int]) -> list[int]:
    return [ports[name] for name in ((KAFKA,) if side == KAFKA else _PORT_NAMES)]
