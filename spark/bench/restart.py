"""
`spark bench restart`: from a process's end by kill -9 to its first useful record, under load.

Each process in turn, one at a time, over and over; the next one when the last one serves
and spares wait again. The time goes to its successor's first pulse as `ready`: everything
folded, its partitions fenced, by the log's own append time. The floor, in the same run: a
bare Python that loads the client library, logs in, and appends one record (floor.py). A
jitter probe runs beside it.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from spark.bench.children import child
from spark.bench.crash.load import Load, beside
from spark.bench.crash.scene import Scene
from spark.bench.crash.stack import CrashStack
from spark.bench.crash.tally import figures
from spark.bench.crash.watch import watching
from spark.bench.probe import Probe
from spark.bus.kafka import KafkaBus
from spark.bus.port import Partition
from spark.embedded.kafka import BROKER
from spark.embedded.provision import create_scratch_topics
from spark.embedded.throwaway import Throwaway, ThrowawayOptions
from spark.names import Venue
from spark.topics import ACCOUNT_PARTITIONS
from spark.worker.spans import read_between

_FLOOR: Final = Partition("bench.floor.restart", 0)
_OPERATOR: Final = "op-local"
#: Before the first kill: orders flow, and spares wait.
_WARM_S: Final = 15.0
#: Between one that serves again and the next kill: a spare has loaded by then.
_CALM_S: Final = 3.0
_SEED: Final = 1
_MS_PER_S: Final = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartBench:
    """One benchmark's parameters."""

    #: Times that every process is ended.
    rounds: int
    #: Intents a second, over all exchanges.
    rate: float
    venues: tuple[Venue, ...]


@dataclass(slots=True)
class _Times:
    """What was measured, milliseconds."""

    floor: list[float] = field(default_factory=list)
    by_process: dict[str, list[float]] = field(default_factory=dict)

    def result(self, bench: RestartBench, probe: Probe) -> dict[str, object]:
        every = [one for found in self.by_process.values() for one in found]
        restart, floor = figures(every), figures(self.floor)
        return {
            "restarts": len(every),
            "restart_ms": restart | {"max": round(max(every))},
            "floor_ms": floor | {"max": round(max(self.floor))},
            "ratio_p50": round(restart["p50"] / floor["p50"], 2),
            "restart_ms_by_process": {n: figures(v) for n, v in sorted(self.by_process.items())},
            "stalls": probe.stalls,
            "machine_busy_pct": probe.machine_busy_pct,
            "rounds": bench.rounds,
            "rate_asked": bench.rate,
        }


async def bench_restart(
    options: ThrowawayOptions, bench: RestartBench, say: Callable[[str], None]
) -> dict[str, object]:
    """
    Run the benchmark, on a stack of its own.

    Args:
        say: takes lines of progress.

    Returns: the object that `--json` prints.

    Raises:
        GateError: no stack could be started, or a process does not come back.

    """
    crash_stack = CrashStack(options)
    try:
        stack = await crash_stack.start()
        bus = KafkaBus(stack.login(_OPERATOR))
        root = KafkaBus(stack.login(BROKER))
        try:
            await create_scratch_topics(stack.login(BROKER), [_FLOOR.topic])
            async with watching(bus, list(range(ACCOUNT_PARTITIONS))) as watch:
                scene = Scene(crash_stack, stack, watch, {})
                return await _measure(scene, root, bench, say=say)
        finally:
            await bus.close()
            await root.close()
    finally:
        await crash_stack.stop()
        crash_stack.remove()


async def _measure(
    scene: Scene, root: KafkaBus, bench: RestartBench, *, say: Callable[[str], None]
) -> dict[str, object]:
    times, load = _Times(), Load(scene.stack, bench.venues, _SEED, rate=bench.rate)
    async with Probe({}) as probe, beside(load.run()):
        await asyncio.sleep(_WARM_S)
        for number in range(bench.rounds):
            times.floor.append(await _bare_start(scene.stack, root))
            for name in scene.processes():
                await asyncio.sleep(_CALM_S)
                (restart,) = await scene.back(await scene.kill(name))
                times.by_process.setdefault(name, []).append(restart.took_ms)
            last = {name: round(found[-1]) for name, found in times.by_process.items()}
            say(f"round {number + 1}: floor {times.floor[-1]:.0f} ms; {last}")
    return times.result(bench, probe)


async def _bare_start(stack: Throwaway, root: KafkaBus) -> float:
    """Start the floor's process, and wait for its first record."""
    login = stack.login(BROKER)
    plan = {
        "kind": "feed",
        "bootstrap": login.bootstrap,
        "username": login.username,
        "password": login.password,
        "target": _FLOOR.topic,
        "rate": 1.0,
        "seconds": 1.0,
    }
    end = (await root.ends([_FLOOR]))[_FLOOR]

    began_ms = time.time() * _MS_PER_S
    async with child("spark.bench.floor", plan, stack.home.logs / "floor.log") as bare:
        await bare.finished()
    (record,) = await read_between(root, _FLOOR, start=end, end=end + 1)
    return record.timestamp_ms - began_ms
