"""
The side task of guardrail, signer and gateway: obey a kill at once, and say so (R10).

Two confirmations for each change of what is in force: `halted`, when no new order
begins any more, with what is still open; `drained`, when all of that has ended. The
kill's name stands in the process's own copy before it is confirmed.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Literal

from spark.bus.port import Outgoing, Partition, Writer
from spark.clock import Clock
from spark.codec import encode
from spark.events import HaltConfirmed
from spark.log import logger
from spark.names import ClientOrderId
from spark.topics import CONTROL_CONFIRMED
from spark.worker.halts import Halts, shortened
from spark.worker.tenure import Tenure

#: Seconds between two looks at the latch, of a process that has nothing to do.
_PERIOD_S: Final = 0.02
#: Orders that one confirmation names; a gateway has fewer slots, unknowns may be more.
_IN_FLIGHT_MAX: Final = 500

#: What began before now and has not ended: batches, or orders by their client order id.
OpenWork = Callable[[], frozenset[str]]


class Confirmer:
    """One process's word on how far it obeys."""

    def __init__(
        self, role: str, instance: str, writer: Writer, *, clock: Clock, halts: Halts
    ) -> None:
        self._role = role
        self._instance = instance
        self._writer = writer
        self._clock = clock
        self._halts = halts

    async def watch(
        self,
        tenures: Callable[[], Sequence[Tenure]],
        open_work: OpenWork,
        *,
        are_orders: bool = False,
    ) -> None:
        """
        Watch the latch and what the log says, and confirm; runs until cancelled.

        Args:
            tenures: what is held now.
            open_work: what has begun and not ended.
            are_orders: it is orders by their client order id, which are listed.

        Raises:
            WriteError: as the writer; exit.

        """
        known: frozenset[str] = frozenset()
        said: tuple[str, ...]
        waiting: frozenset[str] = frozenset()
        is_drained, said = True, ()
        while True:
            self._halts.spoken.clear()
            halts = self._halts.all()
            if news := set(halts) - known:
                waiting, is_drained = open_work(), False
                logger().warning("halted", halts=sorted(news), open=len(waiting))
                in_flight = waiting if are_orders else frozenset()
                # What is new comes first: somebody waits for exactly that.
                said = (*(h for h in halts if h in news), *(h for h in halts if h not in news))
                await self._say("halted", said, tenures(), in_flight=in_flight)
            elif known - set(halts):
                logger().warning("halts_cleared", halts=sorted(known - set(halts)))
            known = frozenset(halts)
            waiting &= open_work()
            if not is_drained and not waiting:
                is_drained = True
                await self._say("drained", said, tenures(), in_flight=frozenset())
            await self._pause()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_PERIOD_S):
                await self._halts.spoken.wait()

    async def _say(
        self,
        stage: Literal["halted", "drained"],
        halts: tuple[str, ...],
        held: Sequence[Tenure],
        *,
        in_flight: frozenset[str],
    ) -> None:
        confirmed = HaltConfirmed(
            role=self._role,
            instance=self._instance,
            epochs={str(tenure.partition): tenure.epoch for tenure in held},
            halts=shortened(halts),
            stage=stage,
            in_flight=tuple(sorted(map(ClientOrderId, in_flight))[:_IN_FLIGHT_MAX]),
            at_ns=self._clock.wall_ns(),
        )
        await self._writer.write(
            [Outgoing(Partition(CONTROL_CONFIRMED, 0), self._role.encode(), encode(confirmed))]
        )
