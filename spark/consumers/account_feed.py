"""
Account feed: says what an exchange says of our account, and whether the log agrees (A9, S9).

Reads   the exchange's private stream and its answers; orders.events, venue.state, control;
        its own account.events at start, and beside its work for what is kept
Writes  account.events: evidence of orders and trades, balances, what differs, and when the
        account was reconciled; it fences its partitions as the gateway does its own
Owns    the read key's questions, which the signer signs; no key; a kept past, which is a cache
Fails   closed: without it, or its stream, an account is not reconciled, and the guardrail
        approves nothing there; it never ends an order because it is absent (R14)
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spark import topics
from spark.bus.port import Bus, Pace, Partition, Record, Writer
from spark.clock import Clock
from spark.consumers.account_feed_ask import AccountEnds, Asker
from spark.consumers.account_feed_desk import START, AccountDesk
from spark.consumers.account_feed_keep import PastKeeper
from spark.consumers.account_feed_look import Looker
from spark.consumers.account_feed_past import NAMES, AccountPast, read_past
from spark.consumers.read_key import Signs
from spark.ledger.reconcile import Book
from spark.log import logger
from spark.metrics import Metrics, at_scrape
from spark.names import Role
from spark.worker.cache import StateCache
from spark.worker.crew import Crew
from spark.worker.fence import Reigns
from spark.worker.halts import Halts
from spark.worker.pulse import Pulse
from spark.worker.resume import check_partition_counts, read_sides
from spark.worker.sides import follow
from spark.worker.tenure import Holder, Tenure, take

_ROLE: Final = Role.ACCOUNT_FEED.value
_CONTROL: Final = Partition(topics.CONTROL, 0)
_STATE: Final = Partition(topics.VENUE_STATE, 0)
#: How long a stop waits for the last records to be written.
_FLUSH_S_MAX: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFeedWiring:
    """What the account feed is given by the command line."""

    bus: Bus
    clock: Clock
    metrics: Metrics
    #: What people have said; of protections' words it reads none.
    halts: Halts
    signer: Signs
    #: By partition.
    accounts: Mapping[int, AccountEnds]
    #: From one comparison in the background to the next.
    period_s: float
    instance: str
    #: Set once the log is folded and the streams are being opened.
    ready: asyncio.Event
    #: Where the accounts' pasts are kept between runs; None keeps none.
    state_dir: Path | None = None


class AccountFeed:
    """One process."""

    def __init__(self, wiring: AccountFeedWiring) -> None:
        self._wiring = wiring
        self._desks: dict[int, AccountDesk] = {}
        self._keepers: dict[int, PastKeeper] = {}
        self._positions: dict[Partition, int] = {}
        self._reigns = Reigns()

    async def run(self, stop: asyncio.Event) -> None:
        """
        Work until told to stop.

        Raises:
            ExitError: fenced, or a write failed; a restart is the recovery.
            HaltError: the log is not what it was; a person has to look.

        """
        wiring = self._wiring
        writer = await wiring.bus.writer([topics.ACCOUNT_EVENTS, topics.CONTROL_PULSE])
        pulse = Pulse(_ROLE, wiring.instance, writer, clock=wiring.clock)
        try:
            await self._open(writer)
            async with Crew() as group:
                tasks = [
                    group.create_task(pulse.beat(self._tenures, self._texts)),
                    group.create_task(self._follow(Pace.HOT)),
                ]
                for desk in self._desks.values():
                    looker = Looker(desk=desk, period_s=wiring.period_s)
                    tasks += [
                        group.create_task(desk.write()),
                        group.create_task(desk.listen()),
                        group.create_task(looker.run()),
                    ]
                tasks += [group.create_task(keeper.run()) for keeper in self._keepers.values()]
                await stop.wait()
                for task in tasks:
                    task.cancel()
            await self._flush()
        finally:
            await writer.close()
            for ends in wiring.accounts.values():
                await ends.stream.close()
                await ends.venue.close()

    async def _open(self, writer: Writer) -> None:
        """Take the partitions, fold what was said and done, and doubt until it is compared."""
        wiring = self._wiring
        ids = await check_partition_counts(
            wiring.bus, {name: topics.BY_NAME[name].partitions for name in NAMES}
        )
        holder = Holder(role=_ROLE, instance=wiring.instance, topic_ids=ids)
        for number, ends in wiring.accounts.items():
            output = Partition(topics.ACCOUNT_EVENTS, number)
            tenure = await take(wiring.bus, writer, output, holder=holder, clock=wiring.clock)
            desk = self._desks[number] = self._desk(ends, tenure)
            age, account = desk.reconciled_age_s, ends.account
            at_scrape(wiring.metrics.reconciled_age, age, account)
        await self._fold_past(ids)
        for desk in self._desks.values():
            desk.book.epoch = desk.tenure.epoch
            desk.doubt(START)
            desk.book.doubted = START
            await desk.append()
            logger().info("ready", account=desk.ends.account, epoch=desk.tenure.epoch)
        wiring.ready.set()

    def _desk(self, ends: AccountEnds, tenure: Tenure) -> AccountDesk:
        wiring = self._wiring
        return AccountDesk(
            ends=ends,
            book=Book(ends.account),
            tenure=tenure,
            asker=Asker(ends, wiring.signer, wiring.clock),
            control=wiring.halts.control,
            clock=wiring.clock,
            metrics=wiring.metrics,
        )

    async def _fold_past(self, ids: Mapping[str, str]) -> None:
        """
        Fold what was before: each account's two topics by time, then what people said.

        Raises:
            PositionError: records are gone that the state needs, or others stand there (R8, R18).

        """
        bus = self._wiring.bus
        self._positions = await read_sides(bus, [_STATE], self._take, known={})
        for number, desk in self._desks.items():
            orders, own = Partition(topics.EVENTS, number), desk.tenure.partition
            keeper = self._keepers[number] = self._keeper(desk, (orders, own), ids)
            # After the fence: whoever held the account before adds nothing below these.
            ends = await bus.ends([orders])
            account, spans = desk.ends.account, ends | {own: desk.tenure.epoch}
            desk.book = (await read_past(bus, account, spans, kept=await keeper.load())).book
            self._positions |= ends
        self._positions |= await read_sides(bus, [_CONTROL], self._take, known={})

    def _keeper(
        self, desk: AccountDesk, lane: tuple[Partition, ...], ids: Mapping[str, str]
    ) -> PastKeeper:
        directory, cache = self._wiring.state_dir, None
        if directory is not None:
            path = directory / f"{_ROLE}.{desk.tenure.partition.number}.state"
            cache = StateCache(path, AccountPast)
        return PastKeeper(
            bus=self._wiring.bus,
            clock=self._wiring.clock,
            account=desk.ends.account,
            cache=cache,
            lane=lane,
            topic_ids={partition.topic: ids[partition.topic] for partition in lane},
        )

    def _take(self, record: Record) -> None:
        if record.partition == _CONTROL:
            self._wiring.halts.take(record)
            for desk in self._desks.values():
                desk.attention.set()
        elif record.partition == _STATE:
            if self._reigns.is_void(record):
                return
            for desk in self._desks.values():
                desk.take(record)
        else:
            self._desks[record.partition.number].take(record)

    async def _follow(self, pace: Pace) -> None:
        partitions = list(self._positions)
        await follow(
            self._wiring.bus, self._positions, self._take, partitions=partitions, pace=pace
        )

    async def _flush(self) -> None:
        try:
            async with asyncio.timeout(_FLUSH_S_MAX):
                for desk in self._desks.values():
                    await desk.append()
        except TimeoutError:
            logger().warning("stopped_with_unwritten_evidence")

    def _tenures(self) -> list[Tenure]:
        return [desk.tenure for desk in self._desks.values()]

    def _texts(self) -> dict[str, int]:
        return {str(partition): offset for partition, offset in self._positions.items()}
