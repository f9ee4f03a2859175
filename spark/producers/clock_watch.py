"""
Watches one exchange's clock: offset, doubt and drift, and our own clock being set (B8).

A round of looks every two seconds; at once where our wall clock was set, and soon where a
look contradicts what is believed. An exchange that refuses a stamp is therefore read
again before the next one matters: nobody has to ask for it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from spark.clock import Clock
from spark.errors import VenueUnavailable
from spark.events import ClockMeasured
from spark.exchanges.port import PublicVenue
from spark.ledger.clock_sense import ClockSense, Look, Steps
from spark.log import logger
from spark.metrics import Metrics
from spark.names import Venue
from spark.worker.crew import Crew
from spark.worker.retry import DEFAULT, draw

PERIOD_S: Final = 2.0
#: After a look that contradicts the others.
_DOUBT_S: Final = 0.25
#: From one comparison of our own two clocks to the next.
_STEP_LOOK_S: Final = 0.25
#: Looks of one round; the one with the shortest round trip counts.
_LOOKS: Final = 3
_UNCERTAINTY_NS_MAX: Final = 1_000_000_000
_NS_PER_S: Final = 1e9
_PPB_PER_PPM: Final = 1_000


@dataclass(slots=True, kw_only=True)
class ClockWatch:
    """One exchange's clock."""

    venue: Venue
    public: PublicVenue
    clock: Clock
    metrics: Metrics
    #: Puts a measurement on the log.
    say: Callable[[ClockMeasured], Awaitable[None]]
    _sense: ClockSense = field(default_factory=ClockSense)
    #: Set when a round must not wait for its time.
    _now: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self) -> None:
        """Measure until cancelled; raises what `say` raises."""
        async with Crew() as group:
            group.create_task(self._find_steps())
            await self._measure()

    async def _measure(self) -> None:
        failures = 0
        while True:
            self._now.clear()
            try:
                pause_s = await self._round()
                failures = 0
            except VenueUnavailable as error:
                failures += 1
                pause_s = DEFAULT.pause_s(
                    failures, chance=draw(), retry_after_s=error.retry_after_s
                )
                logger().warning("clock_not_measured", venue=self.venue, why=str(error))
                if error.retry_after_s:
                    # Not even a clock that was set is a reason to come before that.
                    await asyncio.sleep(pause_s)
                    continue
            try:
                async with asyncio.timeout(pause_s):
                    await self._now.wait()
            except TimeoutError:
                continue

    async def _round(self) -> float:
        """Look, say what is believed; gives the pause until the next round."""
        sensed = self._sense.take([await self._look() for _ in range(_LOOKS)])
        labelled = self.metrics.clock_offset, self.metrics.clock_uncertainty
        for gauge, value_ns in zip(
            labelled, (sensed.offset_ns, sensed.uncertainty_ns), strict=True
        ):
            gauge.labels(self.venue).set(value_ns / _NS_PER_S)
        if sensed.drift_ppb is not None:
            self.metrics.clock_drift.labels(self.venue).set(sensed.drift_ppb / _PPB_PER_PPM)
        if sensed.uncertainty_ns > _UNCERTAINTY_NS_MAX:
            logger().warning(
                "clock_too_uncertain", venue=self.venue, uncertainty_ns=sensed.uncertainty_ns
            )
        else:
            await self.say(
                ClockMeasured(
                    venue=self.venue,
                    offset_ns=sensed.offset_ns,
                    uncertainty_ns=sensed.uncertainty_ns,
                    measured_ns=self.clock.wall_ns(),
                )
            )
        return _DOUBT_S if sensed.is_doubted else PERIOD_S

    async def _look(self) -> Look:
        reading = await self.public.clock()
        return Look(
            offset_ns=reading.offset_ns,
            uncertainty_ns=reading.uncertainty_ns,
            at_ns=self.clock.monotonic_ns(),
        )

    async def _find_steps(self) -> None:
        steps = Steps(self.clock.wall_ns(), self.clock.monotonic_ns())
        while True:
            await asyncio.sleep(_STEP_LOOK_S)
            stepped_ns = steps.look(self.clock.wall_ns(), self.clock.monotonic_ns())
            if stepped_ns:
                logger().error("clock_stepped", venue=self.venue, by_ns=stepped_ns)
                self.metrics.clock_steps.inc()
                self._sense.forget()
                self._now.set()
