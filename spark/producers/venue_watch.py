"""
Venue watch: asks exchanges for their rules, clocks and prices, and says so on the log.

Reads   each exchange's public REST
Writes  venue.state, keyed by venue: instruments when they change or grow old,
        the clock every few seconds; venue.marks, prices once a second
Owns    nothing
Fails   open for itself, closed for trading: what it cannot renew grows stale,
        and the guards refuse on it
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Final

from spark.bus.port import Bus, Outgoing, Partition, Writer
from spark.clock import Clock
from spark.codec import encode
from spark.errors import VenueUnavailable
from spark.events import ClockMeasured, InstrumentPublished, PricesMarked
from spark.exchanges.port import PublicVenue
from spark.log import logger
from spark.metrics import Metrics
from spark.names import Role, Symbol, Venue
from spark.producers.bist_watch import BistWatch
from spark.producers.clock_watch import ClockWatch
from spark.topics import CONTROL_PULSE, VENUE_MARKS, VENUE_STATE
from spark.worker.crew import Crew
from spark.worker.hold import hold_topics
from spark.worker.pulse import Pulse
from spark.worker.retry import DEFAULT, draw

#: Instruments are asked for this often, and said again at the latest after `_REPEAT_NS`.
_INSTRUMENT_PERIOD_S: Final = 60.0
_REPEAT_NS: Final = 600_000_000_000
#: From one look at the prices to the next; each costs 4 of the minute's weight.
_MARK_PERIOD_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueWatch:
    """One exchange's watch."""

    bus: Bus
    clock: Clock
    metrics: Metrics
    venue: Venue
    public: PublicVenue
    symbols: tuple[Symbol, ...]
    instance: str
    #: Set once instruments and clock have been said.
    ready: asyncio.Event
    #: Said with the same writer: when an exchange is open that has no process of its own.
    bist: BistWatch | None = None
    #: Symbols that the exchange was found to have; it refuses a question that names another.
    _listed: set[Symbol] = field(default_factory=set)

    async def run(self, stop: asyncio.Event) -> None:
        """
        Watch this one alone until told to stop.

        Raises:
            ExitError: a write failed.

        """
        await VenueWatches(watches=(self,), ready=self.ready).run(stop)

    def sides(self, writer: Writer) -> list[Coroutine[None, None, None]]:
        """Give what runs beside each other until cancelled."""
        found = [
            self._clock_watch(writer).watch(),
            self._watch_instruments(writer),
            self._watch_prices(writer),
        ]
        return found if self.bist is None else [*found, self.bist.watch(writer)]

    def _clock_watch(self, writer: Writer) -> ClockWatch:
        async def say(measured: ClockMeasured) -> None:
            await writer.write([self._outgoing(encode(measured))])

        return ClockWatch(
            venue=self.venue, public=self.public, clock=self.clock, metrics=self.metrics, say=say
        )

    async def _watch_instruments(self, writer: Writer) -> None:
        said: dict[Symbol, InstrumentPublished] = {}
        failures = 0
        while True:
            try:
                found = await self.public.instruments(self.symbols)
            except VenueUnavailable as error:
                failures += 1
                logger().warning("instruments_not_read", why=str(error))
                await asyncio.sleep(
                    DEFAULT.pause_s(failures, chance=draw(), retry_after_s=error.retry_after_s)
                )
                continue
            failures = 0
            self._list({one.symbol for one in found})
            fresh = [one for one in found if _is_news(one, said.get(one.symbol))]
            if fresh:
                await writer.write([self._outgoing(encode(one)) for one in fresh])
                said.update({one.symbol: one for one in fresh})
                self.ready.set()
            await asyncio.sleep(_INSTRUMENT_PERIOD_S)

    def _list(self, found: set[Symbol]) -> None:
        if missing := set(self.symbols) - found:
            logger().warning("instruments_missing", symbols=sorted(missing))
        self._listed.clear()
        self._listed.update(found)

    async def _watch_prices(self, writer: Writer) -> None:
        missing = self.metrics.marks_missing.labels(self.venue)
        await self.ready.wait()
        while True:
            missing.set(await self._say_prices(writer))
            await asyncio.sleep(_MARK_PERIOD_S)

    async def _say_prices(self, writer: Writer) -> int:
        """Ask once; returns how many symbols have no usable price."""
        listed = tuple(symbol for symbol in self.symbols if symbol in self._listed)
        if not listed:
            return len(self.symbols)
        try:
            marks = await self.public.marks(listed)
        except VenueUnavailable as error:
            logger().warning("prices_not_read", why=str(error))
            # Asked again with the next period; not before the exchange allows it.
            await asyncio.sleep(error.retry_after_s)
            return len(self.symbols)
        if marks:
            event = PricesMarked(venue=self.venue, marks=marks, marked_ns=self.clock.wall_ns())
            await writer.write([self._outgoing(encode(event), VENUE_MARKS)])
        return len(self.symbols) - len(marks)

    def _outgoing(self, body: bytes, topic: str = VENUE_STATE) -> Outgoing:
        return Outgoing(Partition(topic, 0), self.venue.encode(), body)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueWatches:
    """One process: the watches of all exchanges, each apart, with one writer."""

    watches: tuple[VenueWatch, ...]
    #: Set once each exchange has said its rules.
    ready: asyncio.Event

    async def run(self, stop: asyncio.Event) -> None:
        """
        Watch until told to stop.

        Raises:
            ExitError: fenced, or a write failed.

        """
        first = self.watches[0]
        writer = await first.bus.writer([VENUE_STATE, VENUE_MARKS, CONTROL_PULSE])
        pulse = Pulse(Role.VENUE_WATCH, first.instance, writer, clock=first.clock)
        try:
            held = await hold_topics(
                (first.bus, writer),
                (VENUE_STATE, VENUE_MARKS),
                who=(Role.VENUE_WATCH, first.instance),
                clock=first.clock,
            )
            async with Crew() as group:
                sides = [one for watch in self.watches for one in watch.sides(held)]
                tasks = [
                    group.create_task(side)
                    for side in (*sides, self._get_ready(), pulse.beat(lambda: held.tenures, dict))
                ]
                await stop.wait()
                for task in tasks:
                    task.cancel()
        finally:
            await writer.close()
            for watch in self.watches:
                await watch.public.close()

    async def _get_ready(self) -> None:
        for watch in self.watches:
            await watch.ready.wait()
        self.ready.set()


def _is_news(found: InstrumentPublished, said: InstrumentPublished | None) -> bool:
    if said is None or found.published_ns - said.published_ns > _REPEAT_NS:
        return True
    return replace(found, published_ns=said.published_ns) != said
