"""
Gateway: sends each sealed request at most once and writes down what came of it.

Reads   orders.signed, control, control.halt; its own orders.events at start; the kill latch;
        account.events, for evidence about its own orders; the guardrail's pulses on
        control.pulse, without which no place goes; for orders on paper
        market.<venue>.books and trades, venue.state
Writes  orders.events: claims before sending, evidence and unknowns after; control.pulse:
        how far it obeys a kill
Owns    the connections to the exchanges; no key that could sign; its copy of kills
Fails   closed: without a valid claim, a deadline ahead and no halt, not a byte
        goes; an answer that proves nothing is an unknown, never a repetition
"""

import asyncio
from typing import Final

from spark import topics
from spark.bus.port import Pace, Partition, Record, Writer
from spark.consumers.gateway_desk import Desk
from spark.consumers.gateway_lane import open_orders
from spark.consumers.gateway_lease import LeaseEar
from spark.consumers.gateway_market import follow_market
from spark.consumers.gateway_opening import GatewayWiring, Opening
from spark.consumers.gateway_settle import settle
from spark.exchanges.paper.market import PaperMarket
from spark.log import logger
from spark.names import Role, TradingMode, Venue, venue_of
from spark.worker.at_once import at_once
from spark.worker.confirm import Confirmer
from spark.worker.crew import Crew
from spark.worker.halts import CONTROL_TOPICS
from spark.worker.pulse import Pulse
from spark.worker.resume import check_partition_counts
from spark.worker.sides import follow
from spark.worker.tenure import Holder, Tenure, take

__all__ = ["Gateway", "GatewayWiring"]

_READ_WAIT_MS: Final = 200
#: How long a stop waits for answers; what is open then is unknown after the restart.
_DRAIN_S_MAX: Final = 5.0
#: From one turn to the next, when nothing else asks for one.
_TURN_S_MAX: Final = 1.0
_ROLE: Final = Role.GATEWAY.value


class Gateway:
    """The Effect."""

    def __init__(self, wiring: GatewayWiring) -> None:
        self._wiring = wiring
        self._desks: dict[int, Desk] = {}
        self._arrived: list[Record] = []
        self._wake = asyncio.Event()
        venues = {Venue(venue_of(account)) for account, _ in wiring.accounts.values()}
        age_ns_max = wiring.paper.book_age_ns_max
        self._markets = {one: PaperMarket(one, book_age_ns_max=age_ns_max) for one in venues}
        self._opening = Opening(wiring, self._markets, self._wake.set)
        self._ear = LeaseEar(wiring.keys.guardrail, clock=wiring.clock, metrics=wiring.metrics)

    async def run(self, stop: asyncio.Event) -> None:
        """
        Work until told to stop; what is in flight then is awaited and written down.

        Raises:
            ExitError: fenced, or a write failed; a restart is the recovery.
            HaltError: the log is not what it was; a person has to look.

        """
        wiring = self._wiring
        writer = await wiring.bus.writer([topics.EVENTS, topics.CONTROL_PULSE])
        who, halts = (_ROLE, wiring.instance, writer), wiring.halts
        pulse = Pulse(*who, clock=wiring.clock, halts=halts.listed)
        confirmer = Confirmer(*who, clock=wiring.clock, halts=halts)
        try:
            words = await self._open(writer)
            async with Crew() as group:
                tasks = [
                    group.create_task(halts.follow(wiring.bus, words)),
                    group.create_task(self._ear.follow(wiring.bus)),
                    group.create_task(
                        confirmer.watch(self._tenures, self._open_orders, are_orders=True)
                    ),
                    group.create_task(pulse.beat(self._tenures, self._positions)),
                    group.create_task(self._wake_at(stop)),
                    group.create_task(self._wake_regularly()),
                ]
                tasks += [
                    group.create_task(follow_market(wiring.bus, market))
                    for market in self._markets.values()
                ]
                for desk in self._desks.values():
                    tasks.append(group.create_task(self._read(desk)))
                    tasks.append(group.create_task(settle(desk, wiring.signer)))
                    tasks.append(group.create_task(self._listen(desk)))
                    tasks.extend(
                        group.create_task(sender) for sender in desk.senders(wiring.concurrency_max)
                    )
                await self._pump(stop)
                for task in tasks:
                    task.cancel()
        finally:
            await writer.close()
            for _, venue in wiring.accounts.values():
                await venue.close()

    async def _open(self, writer: Writer) -> dict[Partition, int]:
        """Take the partitions, fold what was said and done, then say that we are ready."""
        wiring = self._wiring
        names = (topics.SIGNED, topics.EVENTS, topics.ACCOUNT_EVENTS, *CONTROL_TOPICS)
        ids = await check_partition_counts(
            wiring.bus, {name: topics.BY_NAME[name].partitions for name in names}
        )
        # Nothing it sends follows from these; a list of people that is not the others' shows.
        settings = {
            "mode": wiring.mode,
            "endpoint": wiring.endpoint,
            "people": wiring.halts.people.digest,
        }
        holder = Holder(role=_ROLE, instance=wiring.instance, topic_ids=ids, settings=settings)
        self._desks |= await at_once({n: self._take(writer, holder, n) for n in wiring.accounts})
        # To ends of after the fences: what was said before them is known when we are ready.
        words = await wiring.halts.read(wiring.bus)
        await self._ear.open(wiring.bus, [desk.lane.lease for desk in self._desks.values()])
        for desk in self._desks.values():
            desk.pending.extend(desk.lane.begin(wiring.mode, wiring.endpoint, desk.now()))
            await desk.append()
            logger().info(
                "ready",
                account=desk.lane.account,
                epoch=desk.tenure.epoch,
                position=desk.lane.inbox.position,
                unknown=len(desk.lane.orders.unknown),
            )
        if wiring.mode is TradingMode.PAPER:
            for market in self._markets.values():
                # Now, so that the first order finds a book.
                market.wanted.set()
        wiring.ready.set()
        return words

    async def _take(self, writer: Writer, holder: Holder, number: int) -> Desk:
        output, wiring = Partition(topics.EVENTS, number), self._wiring
        tenure = await take(wiring.bus, writer, output, holder=holder, clock=wiring.clock)
        return await self._opening.desk(number, tenure, holder.topic_ids)

    async def _listen(self, desk: Desk) -> None:
        """Follow what the account feed says; runs until cancelled."""
        news = desk.news
        positions = {news.partition: news.next_offset}
        await follow(
            self._wiring.bus, positions, desk.hear, partitions=[news.partition], pace=Pace.SIDE
        )

    async def _read(self, desk: Desk) -> None:
        inbox = desk.lane.inbox
        reader = await self._wiring.bus.reader({inbox.partition: inbox.position}, Pace.HOT)
        try:
            while True:
                records = await reader.read(_READ_WAIT_MS)
                if records:
                    self._arrived.extend(records)
                    self._wake.set()
        finally:
            await reader.close()

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()

    async def _wake_regularly(self) -> None:
        """Have persons' words about a breaker heard, though no request comes."""
        while True:
            await asyncio.sleep(_TURN_S_MAX)
            self._wake.set()

    async def _pump(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._wake.wait()
            self._wake.clear()
            records, self._arrived = self._arrived, []
            for record in records:
                self._desks[record.partition.number].take(record)
            for desk in self._desks.values():
                await desk.turn(may_claim=True)
                desk.keep()
        try:
            async with asyncio.timeout(_DRAIN_S_MAX):
                await self._drain()
        except TimeoutError:
            logger().warning("stopped_with_open_claims")

    async def _drain(self) -> None:
        while not all(desk.is_quiet for desk in self._desks.values()):
            for desk in self._desks.values():
                await desk.turn(may_claim=False)
            if not all(desk.is_quiet for desk in self._desks.values()):
                await self._wake.wait()
                self._wake.clear()

    def _open_orders(self) -> frozenset[str]:
        now_ns = self._wiring.clock.wall_ns()
        lanes = [desk.lane for desk in self._desks.values()]
        return frozenset(order for lane in lanes for order in open_orders(lane, now_ns))

    def _tenures(self) -> list[Tenure]:
        return [desk.tenure for desk in self._desks.values()]

    def _positions(self) -> dict[str, int]:
        inboxes = [desk.lane.inbox for desk in self._desks.values()]
        read = {str(inbox.partition): inbox.position for inbox in inboxes}
        return read | self._wiring.halts.positions
