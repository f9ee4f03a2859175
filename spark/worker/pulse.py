"""
The side task that every stage runs: say that it lives, and notice a take-over.

A pulse names the epochs held and the positions reached. An idle instance finds a
foreign fence here; a writing one finds it with its next write (tenure.py).

Whoever is believed for being alive tags its pulses for who believes it. `at_ns` is then
their number: within one instance each is higher than the one before, whatever the clock
does, so that an old one, written once more by somebody else, says nothing (S9).
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from spark.bus.port import Outgoing, Partition, Writer
from spark.clock import Clock
from spark.codec import encode, type_name
from spark.events import ProcessPulsed
from spark.signing import Tagger
from spark.topics import CONTROL_PULSE
from spark.worker.tenure import Tenure

PERIOD_S: Final = 1.0


class Pulse:
    """
    One process's heartbeat.

    Args:
        tagger: proves the pulses to who acts on them; None for one that nobody acts on.
        topic: where they stand; on one of its own the broker proves the writer.

    """

    def __init__(
        self,
        role: str,
        instance: str,
        writer: Writer,
        *,
        clock: Clock,
        halts: Callable[[], tuple[str, ...]] = tuple,
        period_s: float = PERIOD_S,
        tagger: Tagger | None = None,
        topic: str = CONTROL_PULSE,
    ) -> None:
        self._role = role
        self._instance = instance
        self._writer = writer
        self._clock = clock
        self._halts = halts
        self._period_s = period_s
        self._tagger = tagger or Tagger({})
        self._topic = topic
        self._last_ns = 0

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
            await self.say(tenures(), positions())
            await asyncio.sleep(self._period_s)

    async def say(self, held: Sequence[Tenure], positions: dict[str, int]) -> None:
        """Beat once; raises as `beat`."""
        for tenure in held:
            await tenure.check()
        await self._writer.write([self._next(held, positions)])

    def _next(self, held: Sequence[Tenure], positions: dict[str, int]) -> Outgoing:
        self._last_ns = max(self._clock.wall_ns(), self._last_ns + 1)
        body = encode(
            ProcessPulsed(
                role=self._role,
                instance=self._instance,
                state="ready",
                epochs={str(tenure.partition): tenure.epoch for tenure in held},
                positions=positions,
                halts=self._halts(),
                at_ns=self._last_ns,
            )
        )
        headers = self._tagger.headers(self._topic, type_name(ProcessPulsed), body)
        return Outgoing(Partition(self._topic, 0), self._role.encode(), body, headers)
