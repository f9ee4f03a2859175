"""
Sentinel: says once a second what accounts are worth, and stops what goes wrong.

Reads   orders.decisions, orders.events, account.events, control, control.halt, venue.marks,
        the feeds' marks, venue.state; its own risk.equity of the last day at start
Writes  risk.equity, keyed by account: one record for each account and book a second;
        control.halt: kills and demotions, nothing that goes back towards risk; the latch
Owns    a kept state, which is a cache; the log is what it knows
Fails   closed: without it equity grows old, and the guardrail refuses on it

It is the one writer of risk.equity and fences it, as every single writer does: an
instance that lost the topic finds the fence with its next sample and ends, before it says
anything on control.halt (F4).
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spark import topics
from spark.bus.port import Bus, Outgoing, Pace, Partition, Record, Writer
from spark.clock import Clock
from spark.codec import decode, encode
from spark.consumers.sentinel_keep import SentinelKeeper
from spark.consumers.sentinel_state import (
    Rules,
    Sample,
    SentinelState,
    Surroundings,
    findings,
    fold,
    samples,
)
from spark.crash_points import Point, reach
from spark.errors import MalformedError
from spark.events import EquityMarked
from spark.ledger.equity import DAY_NS, refold_peaks
from spark.ledger.protection import halt_prefix, reaction
from spark.ledger.protection_case import Finding
from spark.log import logger
from spark.metrics import Metrics
from spark.names import Role
from spark.worker.crew import Crew
from spark.worker.fence import Reigns
from spark.worker.halts import CONTROL_TOPICS, Halts
from spark.worker.latch_pull import pull_latch
from spark.worker.pulse import Pulse
from spark.worker.resume import check_partition_counts, fold_record, read_sides
from spark.worker.sides import follow
from spark.worker.spans import read_through
from spark.worker.tenure import Holder, Tenure, take

_ROLE: Final = Role.SENTINEL.value
_OUTPUT: Final = Partition(topics.RISK_EQUITY, 0)
#: Their past is kept for ever and long, so what was folded of it is kept on disk.
_KEPT: Final = (topics.DECISIONS, topics.EVENTS, topics.ACCOUNT_EVENTS)
#: Of these the last records tell all that is true.
_ANEW: Final = (
    topics.VENUE_STATE,
    topics.VENUE_MARKS,
    topics.BINANCE_MARKS,
    topics.BTCTURK_MARKS,
)
#: Between two samples.
PERIOD_S: Final = 1.0
#: A day's samples of some accounts and books; what is older tells nothing of the peak.
_PAST_MAX: Final = 300_000
_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SentinelWiring:
    """What the sentinel is given by the command line."""

    bus: Bus
    clock: Clock
    metrics: Metrics
    #: What people and protections have said.
    halts: Halts
    #: Where a kill's file goes.
    latch_dir: Path
    rules: Rules
    instance: str
    #: Set once the past is folded.
    ready: asyncio.Event
    #: Where the state is kept between runs; None keeps none.
    state_dir: Path | None = None
    period_s: float = PERIOD_S


class Sentinel:
    """One process."""

    def __init__(self, wiring: SentinelWiring) -> None:
        self._wiring = wiring
        self._state = SentinelState()
        self._around = Surroundings()
        #: Why an account has no equity, so that it is said once.
        self._missing: dict[tuple[str, str], str] = {}
        #: Reactions that were written and not read back yet, by their prefix.
        self._pending: dict[str, int] = {}
        self._keeper = SentinelKeeper(None, {})
        self._reigns = Reigns()

    async def run(self, stop: asyncio.Event) -> None:
        """
        Watch until told to stop.

        Raises:
            ExitError: fenced, or a write failed.
            HaltError: a topic is not what it was.

        """
        wiring = self._wiring
        names = [topics.RISK_EQUITY, topics.CONTROL_HALT, topics.CONTROL_PULSE]
        writer = await wiring.bus.writer(names)
        pulse = Pulse(_ROLE, wiring.instance, writer, clock=wiring.clock)
        try:
            tenure = await self._take(writer)
            positions = await self._fold_past(tenure)
            control = await wiring.halts.read(wiring.bus)
            wiring.ready.set()
            logger().info("ready", epoch=tenure.epoch)
            async with Crew() as group:
                tasks = [
                    group.create_task(pulse.beat(lambda: [tenure], lambda: _texts(positions))),
                    group.create_task(wiring.halts.follow(wiring.bus, control)),
                    group.create_task(self._follow(positions)),
                    group.create_task(self._watch(tenure, writer)),
                ]
                await stop.wait()
                for task in tasks:
                    task.cancel()
            self._keeper.keep(self._state, tenure)
        finally:
            await writer.close()

    async def _take(self, writer: Writer) -> Tenure:
        wiring = self._wiring
        read = (*_KEPT, *_ANEW, *CONTROL_TOPICS, topics.RISK_EQUITY)
        counts = {name: topics.BY_NAME[name].partitions for name in read}
        topic_ids = await check_partition_counts(wiring.bus, counts)
        state_dir = wiring.state_dir
        path = None if state_dir is None else state_dir / f"{_ROLE}.state"
        self._keeper = SentinelKeeper(path, topic_ids)
        holder = Holder(
            role=_ROLE,
            instance=wiring.instance,
            topic_ids=topic_ids,
            settings=_settings(wiring.rules),
        )
        return await take(wiring.bus, writer, _OUTPUT, holder=holder, clock=wiring.clock)

    async def _fold_past(self, tenure: Tenure) -> dict[Partition, int]:
        """Fold what was before; returns where the inputs go on."""
        bus = self._wiring.bus
        self._state, known = await self._keeper.load(bus)
        await self._fold_own_past(tenure, known.get(_OUTPUT, 0))
        partitions = [
            Partition(name, number)
            for name in (*_KEPT, *_ANEW)
            for number in range(topics.BY_NAME[name].partitions)
        ]
        return await read_sides(bus, partitions, self._fold, known=known)

    async def _fold_own_past(self, tenure: Tenure, known: int) -> None:
        bus = self._wiring.bus
        start = (await bus.starts([_OUTPUT]))[_OUTPUT]
        first = max(start, known, tenure.epoch - _PAST_MAX)
        oldest_ms = (self._wiring.clock.wall_ns() - DAY_NS) // _NS_PER_MS

        def each(record: Record) -> None:
            if record.timestamp_ms < oldest_ms:
                return
            with suppress(MalformedError):
                event = decode(record.value or b"")
                if isinstance(event, EquityMarked):
                    refold_peaks(self._state.peaks, event)

        await read_through(bus, {_OUTPUT: (first, tenure.epoch)}, each)

    def _fold(self, record: Record) -> None:
        if record.partition.topic in topics.HELD and self._reigns.is_void(record):
            return
        fold_record(
            record,
            lambda place, event: fold(self._state, self._around, place=place, event=event),
        )
        if record.partition.topic in _KEPT:
            self._keeper.folded(record)

    async def _follow(self, positions: dict[Partition, int]) -> None:
        await follow(
            self._wiring.bus,
            positions,
            self._fold,
            partitions=list(positions),
            pace=Pace.SIDE,
        )

    async def _watch(self, tenure: Tenure, writer: Writer) -> None:
        while True:
            await self.look(tenure, writer)
            await asyncio.sleep(self._wiring.period_s)

    async def look(self, tenure: Tenure, writer: Writer) -> None:
        """
        Mark everything once, and react to what is found.

        Raises:
            FencedError: another instance took over; nothing was said on control.halt.

        """
        wiring = self._wiring
        now_ns = wiring.clock.wall_ns()
        control = wiring.halts.control
        found = samples(self._state, self._around, control, rules=wiring.rules, now_ns=now_ns)
        records = [_outgoing(one.marked) for one in found if one.marked is not None]
        if records:
            await tenure.write(records)
            self._keeper.wrote(records[-1], tenure.expected)
        else:
            await tenure.check()
        # Samples of an older epoch tell of the same accounts; the next ones say it better.
        tenure.take_foreign()
        self._show(found)
        due = findings(self._state, self._around, control, rules=wiring.rules, now_ns=now_ns)
        for finding in due:
            await self._react(finding, writer, now_ns)
        if self._keeper.is_due():
            self._state.peaks.forget(now_ns)
            self._keeper.keep(self._state, tenure)

    async def _react(self, finding: Finding, writer: Writer, now_ns: int) -> None:
        prefix = halt_prefix(finding.rule, finding.account)
        read = self._wiring.halts.control.next_offsets.get(topics.CONTROL_HALT, 0)
        if self._pending.get(prefix, -1) >= read:
            return
        said = reaction(finding, now_ns)
        reach(Point.PROTECTION_DECIDED)
        if finding.is_kill:
            self._pull(said[0].halt, f"{_ROLE}: {finding.reason}\n".encode())
        partition = Partition(topics.CONTROL_HALT, 0)
        offsets = await writer.write(
            [Outgoing(partition, one.account.encode(), encode(one)) for one in said]
        )
        self._pending[prefix] = offsets[-1]
        self._wiring.metrics.protections.labels(finding.rule).inc()
        logger().error(
            "protected",
            rule=finding.rule,
            account=finding.account,
            reason=finding.reason,
            **finding.evidence,
        )

    def _pull(self, halt: str, text: bytes) -> None:
        try:
            pull_latch(self._wiring.latch_dir, halt, text)
        except OSError as error:
            # The log kills as well; who cannot read that has no new orders either.
            logger().error("latch_not_pulled", why=error.strerror)

    def _show(self, found: Sequence[Sample]) -> None:
        metrics = self._wiring.metrics
        for one in found:
            labels = (one.account, one.book.value)
            metrics.equity_missing.labels(*labels).set(one.marked is None)
            # The numbers in a reason change each second; what is missing does not.
            why = " ".join(one.why.split()[:2])
            if why != self._missing.get(labels, ""):
                self._missing[labels] = why
                logger().warning("equity_unknown", account=labels[0], book=labels[1], why=one.why)
            if one.marked is None:
                continue
            told = {"": one.marked.total} | one.marked.strategies
            for strategy, equity in told.items():
                metrics.equity.labels(*labels, strategy).set(float(equity.equity_usd))
                lost = equity.peak_usd - equity.equity_usd
                part = float(lost / equity.peak_usd) if equity.peak_usd > 0 else float(lost > 0)
                metrics.drawdown.labels(*labels, strategy).set(part)


def _outgoing(event: EquityMarked) -> Outgoing:
    return Outgoing(_OUTPUT, event.account.encode(), encode(event))


def _texts(positions: dict[Partition, int]) -> dict[str, int]:
    return {str(partition): offset for partition, offset in positions.items()}


def _settings(rules: Rules) -> dict[str, str]:
    return {
        "capital_usd": str(rules.capital_usd),
        "mode": rules.mode.value,
        "nonce_part_max": str(rules.thresholds.nonce_part_max),
        "limited_per_s_max": str(rules.thresholds.limited_per_s_max),
    }
