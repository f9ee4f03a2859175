"""
What a feed hands to the broker, as fast as that takes it and no faster than is worth it.
"""

import asyncio
from typing import Final

from spark.bus.port import Writer
from spark.producers.dead_frames import DeadFrames
from spark.producers.feed_lanes import Lanes
from spark.producers.feed_marks import Marker

#: From one produce to the next.
_GATHER_S: Final = 0.005


class Outbox:
    """Rows, letters and marks that wait for the next produce."""

    def __init__(self, lanes: Lanes, letters: DeadFrames, marker: Marker) -> None:
        #: Set when something waits.
        self.arrived = asyncio.Event()
        self._lanes = lanes
        self._letters = letters
        self._marker = marker
        self._taken = asyncio.Event()
        self._is_over = False

    async def taken(self) -> None:
        """Wait until what waits now is handed over."""
        self._taken.clear()
        await self._taken.wait()

    def end(self) -> None:
        """Let `publish` return once nothing waits any more."""
        self._is_over = True
        self.arrived.set()

    async def publish(self, writer: Writer) -> None:
        """
        Write what arrives, until the end.

        Raises:
            ExitError: a write failed; what the log holds is unsure.

        """
        loop = asyncio.get_running_loop()
        while not self._is_over or self._lanes.rows or self._letters:
            await self.arrived.wait()
            self.arrived.clear()
            records = [*self._lanes.take(), *self._letters.take(), *self._marker.take()]
            self._taken.set()
            if records:
                began = loop.time()
                await writer.write(records)
                # A request costs the same for one row and for a thousand: what comes
                # right behind it is gathered for a moment; what comes alone is not.
                await asyncio.sleep(began + _GATHER_S - loop.time())
