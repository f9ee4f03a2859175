"""
The side task that every stage runs: say that it lives, and notice a take-over.

A pulse names the epochs held and the positions reached. An idle instance finds a
foreign fence here; a writing one finds it with its next write (tenure.py).
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from spark.bus.port import Outgoing, Partition, Writer
from spark.clock import Clock
from spark.codec import encode
from spark.events import ProcessPulsed
from spark.topics import CONTROL_PULSE
from spark.worker.tenure import Tenure

PERIOD_S: Final = 1.0


class Pulse:
    """One process's heartbeat."""

    def __init__(
        self,
        role: str,
        instance: str,
        writer: Writer,
        *,
        clock: Clock,
        halts: Callable[[], tuple[str, ...]] = tuple,
        period_s: float = PERIOD_S,
    ) -> None:
        self._role = role
        self._instance = instance
        self._writer = writer
        self._clock = clock
        self._halts = halts
        self._period_s = period_s

    async def beat(
        self,
        tenures: Callable[[], Sequence[Tenure]],
        positions: Callable[[], dict[str, int]],
    ) -> None:
        """
        Beat once a period until cancelled.

        Raises:
            FencedError: a partition was taken by another instance.

        """
        while True:
            held = tenures()
            for tenure in held:
                await tenure.check()
            pulsed = ProcessPulsed(
                role=self._role,
                instance=self._instance,
                state="ready",
                epochs={str(tenure.partition): tenure.epoch for tenure in held},
                positions=positions(),
                halts=self._halts(),
                at_ns=self._clock.wall_ns(),
            )
            await self._writer.write(
                [Outgoing(Partition(CONTROL_PULSE, 0), self._role.encode(), encode(pulsed))]
            )
            await asyncio.sleep(self._period_s)
