"""
Runs a Transform: exactly one output for each valid input, whatever happens.

One wake-up is one batch: one fetch, one pass through the pure steps, one
produce. The state runs ahead of the acknowledgement, which is safe because any
failed produce ends the process, and the next one folds the log.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from spark import topics as table
from spark.bus.port import Bus, Outgoing, Pace, Partition, Record, Writer
from spark.clock import Clock
from spark.codec import encode, type_name
from spark.crash_points import Point, reach
from spark.events import Event, Refusal, Stamp
from spark.log import logger
from spark.metrics import Metrics
from spark.names import Role
from spark.signing import TagChecker, Tagger, short_digest
from spark.worker import resume
from spark.worker.at_once import at_once
from spark.worker.confirm import Confirmer
from spark.worker.contract import Given, Place, Tick, Transform
from spark.worker.crew import Crew
from spark.worker.fence import Reigns
from spark.worker.halts import CONTROL_TOPICS, Halts
from spark.worker.inbox import Accepted, Inbox
from spark.worker.keeper import Keeper
from spark.worker.pulse import Pulse
from spark.worker.quarantine import Quarantine
from spark.worker.sides import follow
from spark.worker.tenure import Holder, Tenure, take

_S = TypeVar("_S")
_READ_WAIT_MS: Final = 200
#: So often that a restart fits between a pulse and the end of what it is good for.
_PULSE_S: Final = 0.5
_NS_PER_S: Final = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What a stage is given by the command line."""

    bus: Bus
    clock: Clock
    metrics: Metrics
    halts: Halts
    tagger: Tagger
    checker: TagChecker
    #: Distinguishes two processes of one role in fences and pulses.
    instance: str
    partitions: Sequence[int]
    #: Set once the log is folded and inputs are being served.
    ready: asyncio.Event
    #: Where states are kept between runs; None keeps none.
    state_dir: Path | None = None


@dataclass(slots=True)
class _Lane(Generic[_S]):
    """One partition at work."""

    state: _S
    inbox: Inbox
    tenure: Tenure
    keeper: Keeper[_S]
    #: Batches begun, and whether the last of them is still being written down.
    batches: int = 0
    is_writing: bool = False

    def keep(self, *, is_idle: bool, now_ns: int) -> None:
        """Keep the state, if it is time."""
        self.keeper.keep(self.state, self.tenure, is_idle=is_idle, now_ns=now_ns)


class TransformLoop(Generic[_S]):
    """One process of a Transform."""

    def __init__(self, transform: Transform[_S], wiring: Wiring) -> None:
        self._transform = transform
        self._wiring = wiring
        self._lanes: dict[int, _Lane[_S]] = {}
        self._side_positions: dict[Partition, int] = {}
        self._reigns = Reigns()
        # Kills and resumes concern every stage, whether its own state holds them or not.
        self._sides = tuple(dict.fromkeys((*transform.sides, *CONTROL_TOPICS)))
        self._quarantine = Quarantine(transform.role)
        self._log = logger()

    async def run(self, stop: asyncio.Event) -> None:
        """
        Work until told to stop.

        Raises:
            ExitError: fenced, or a write failed; a restart is the recovery.
            HaltError: the log is not what it was; a person has to look.

        """
        transform, wiring = self._transform, self._wiring
        dead = f"dlq.{transform.role}"
        writer = await wiring.bus.writer([transform.output, dead, table.CONTROL_PULSE])
        who, halts = (transform.role, wiring.instance, writer), wiring.halts
        # A gateway places only while it hears the guardrail, and believes nobody else (S9).
        tagger = wiring.tagger if transform.role == Role.GUARDRAIL else None
        pulse = Pulse(
            *who, clock=wiring.clock, halts=halts.listed, period_s=_PULSE_S, tagger=tagger
        )
        confirmer = Confirmer(*who, clock=wiring.clock, halts=halts)
        try:
            await self._open(writer, pulse)
            words, rest = _apart(self._side_positions)
            async with Crew() as group:
                beside = [
                    group.create_task(self._follow(words, Pace.HOT)),
                    group.create_task(self._follow(rest, Pace.SIDE)),
                    group.create_task(pulse.beat(self._tenures, self._positions)),
                    group.create_task(confirmer.watch(self._tenures, self._open_batches)),
                ]
                serving = [self._serve(lane, stop) for lane in self._lanes.values()]
                await asyncio.gather(*map(group.create_task, serving))
                for task in beside:
                    task.cancel()
        finally:
            await writer.close()

    async def _open(self, writer: Writer, pulse: Pulse) -> None:
        transform, wiring = self._transform, self._wiring
        names = [transform.source, transform.output, *self._sides]
        ids = await resume.check_partition_counts(
            wiring.bus, {name: table.BY_NAME[name].partitions for name in names}
        )
        holder = _holder(transform, wiring.instance, ids)
        known: dict[Partition, int] = {}
        takes = {n: self._take(writer, holder, n, known=known) for n in wiring.partitions}
        self._lanes |= await at_once(takes)
        sides = _side_partitions(self._sides, wiring.partitions)
        self._side_positions = await resume.read_sides(
            wiring.bus, sides, self._take_side, known=known
        )
        # Heard before the first decision.
        await pulse.say(self._tenures(), self._positions())
        self._wiring.ready.set()
        self._log.info(
            "ready",
            epochs={n: lane.tenure.epoch for n, lane in self._lanes.items()},
            positions={n: lane.inbox.position for n, lane in self._lanes.items()},
        )

    async def _take(
        self, writer: Writer, holder: Holder, number: int, *, known: dict[Partition, int]
    ) -> _Lane[_S]:
        """Fence a partition and fold its output; `known` learns what the kept state holds."""
        transform, wiring = self._transform, self._wiring
        source, output = Partition(transform.source, number), Partition(transform.output, number)
        tenure = await take(wiring.bus, writer, output, holder=holder, clock=wiring.clock)
        keeper = Keeper(transform, wiring.state_dir, partition=number, topic_ids=holder.topic_ids)
        kept = await keeper.load(wiring.bus, tenure.epoch)
        state = transform.initial(number) if kept is None else kept.state

        def fold(place: Place, event: Event) -> None:
            transform.fold(state, place, event)

        before = resume.Known()
        if kept is not None:
            before = resume.Known(kept.position(output), kept.epoch, kept.seq, kept.last)
            known.update({p: kept.position(p) for p in _own_sides(transform.sides, number)})
        point = await resume.fold_output(
            wiring.bus, (source, output), tenure.epoch, fold=fold, known=before
        )
        inbox = Inbox(
            source,
            position=point.offset,
            lineage=point.lineage if _is_stamped(transform.source) else None,
            checker=wiring.checker,
            bytes_max=_bytes_max(transform.source),
        )
        return _Lane(state, inbox, tenure, keeper)

    def _take_side(self, record: Record) -> None:
        if record.partition.topic in table.HELD and self._reigns.is_void(record):
            return
        if record.partition.topic in CONTROL_TOPICS:
            self._wiring.halts.take(record)
        if record.partition.topic not in self._transform.sides:
            return
        resume.fold_record(record, self._fold_side)
        lane = self._lanes.get(record.partition.number)
        if lane is not None:
            lane.keeper.folded(record)

    def _fold_side(self, place: Place, event: Event) -> None:
        if table.BY_NAME[place.topic].partitions > 1:
            self._transform.fold(self._lanes[place.partition].state, place, event)
            return
        for lane in self._lanes.values():
            self._transform.fold(lane.state, place, event)

    async def _follow(self, partitions: Sequence[Partition], pace: Pace) -> None:
        # Folding beside the serving task is safe: it never awaits between taking
        # its tick and finishing its steps.
        positions, bus = self._side_positions, self._wiring.bus
        await follow(bus, positions, self._take_side, partitions=partitions, pace=pace)

    async def _serve(self, lane: _Lane[_S], stop: asyncio.Event) -> None:
        # A reader for each partition: one that is busy never makes another wait.
        source, clock = lane.inbox.partition, self._wiring.clock
        hot = await self._wiring.bus.reader({source: lane.inbox.position}, Pace.HOT)
        try:
            while not stop.is_set():
                records = await hot.read(_READ_WAIT_MS)
                if records:
                    await self._handle(lane, records)
                lane.keep(is_idle=not records, now_ns=clock.monotonic_ns())
        finally:
            await hot.close()

    async def _handle(self, lane: _Lane[_S], records: Sequence[Record]) -> None:
        reach(Point.CONSUMED)
        tick = _tick(self._transform.sides, self._wiring, self._side_positions)
        lane.batches += 1
        lane.is_writing = True
        outputs: list[Outgoing] = []
        letters: list[Outgoing] = []
        appended_ns: list[int] = []
        for record in records:
            accepted = lane.inbox.accept(record)
            if accepted is None:
                continue
            given = accepted.given
            if given.fault is not None:
                letter = _letter(self._quarantine, lane.inbox, given, now_ns=tick.now_ns)
                self._wiring.metrics.dead_letters.labels(given.fault.reason).inc()
                self._wiring.metrics.dead_letters_muted.inc(letter is None)
                letters += [] if letter is None else [letter]
            outputs.append(self._step(lane, accepted, tick))
            appended_ns.append(given.appended_ns)
        if letters:
            # First, so that a crash between the two repeats a letter and loses none.
            await lane.tenure.writer.write(letters)
        reach(Point.STEPPED)
        offsets = await lane.tenure.write(outputs)
        reach(Point.PRODUCED)
        lane.is_writing = False
        lane.keeper.wrote(outputs, offsets)
        _measure(self._wiring.metrics, lane.inbox, appended_ns, now_ns=self._wiring.clock.wall_ns())

    def _step(self, lane: _Lane[_S], accepted: Accepted, tick: Tick) -> Outgoing:
        given = accepted.given
        stamp = Stamp(
            epoch=lane.tenure.epoch,
            seq=accepted.seq,
            src_offset=given.offset,
            src_epoch=accepted.epoch,
            src_digest=short_digest(given.body),
        )
        output = self._transform.step(lane.state, given, tick, stamp)
        place = Place(lane.tenure.partition.topic, given.partition, -1, tick.now_ns)
        self._transform.fold(lane.state, place, output)
        lane.keeper.last = stamp
        body = encode(output)
        headers = self._wiring.tagger.headers(place.topic, type_name(type(output)), body)
        _count(self._wiring.metrics, output)
        return Outgoing(lane.tenure.partition, _key_of(output), body, headers)

    def _open_batches(self) -> frozenset[str]:
        """Name the batches whose outputs are decided and may not stand yet."""
        lanes = self._lanes.items()
        return frozenset(f"{n}:{lane.batches}" for n, lane in lanes if lane.is_writing)

    def _tenures(self) -> list[Tenure]:
        return [lane.tenure for lane in self._lanes.values()]

    def _positions(self) -> dict[str, int]:
        inputs = {str(lane.inbox.partition): lane.inbox.position for lane in self._lanes.values()}
        return inputs | {str(p): offset for p, offset in self._side_positions.items()}


def _apart(sides: Iterable[Partition]) -> tuple[list[Partition], list[Partition]]:
    """Tell what people and protections say from the rest."""
    words = [p for p in sides if p.topic in CONTROL_TOPICS]
    return words, [p for p in sides if p.topic not in CONTROL_TOPICS]


def _tick(sides: Sequence[str], wiring: Wiring, read: Mapping[Partition, int]) -> Tick:
    return Tick(
        now_ns=wiring.clock.wall_ns(),
        seen={str(p): offset for p, offset in read.items() if p.topic in sides},
        halts=wiring.halts.outside(),
    )


def _holder(transform: Transform[_S], instance: str, ids: dict[str, str]) -> Holder:
    settings = dict(transform.settings)
    return Holder(role=transform.role, instance=instance, topic_ids=ids, settings=settings)


def _side_partitions(sides: Sequence[str], numbers: Sequence[int]) -> list[Partition]:
    return [
        Partition(name, number)
        for name in sides
        for number in (numbers if table.BY_NAME[name].partitions > 1 else (0,))
    ]


def _letter(quarantine: Quarantine, inbox: Inbox, given: Given, *, now_ns: int) -> Outgoing | None:
    """Write a dead letter for an input with a fault; None where its writer is muted."""
    assert given.fault is not None
    return quarantine.letter(
        inbox.partition, given.offset, given.body, fault=given.fault, now_ns=now_ns
    )


def _own_sides(sides: Sequence[str], number: int) -> list[Partition]:
    """List the side partitions that belong to one lane alone."""
    return [Partition(name, number) for name in sides if table.BY_NAME[name].partitions > 1]


def _is_stamped(topic: str) -> bool:
    return topic != table.INTENTS


def _bytes_max(topic: str) -> int:
    return (
        table.INTENT_BYTES_MAX if topic == table.INTENTS else table.BY_NAME[topic].message_bytes_max
    )


def _measure(metrics: Metrics, inbox: Inbox, appended_ns: Sequence[int], *, now_ns: int) -> None:
    hop = metrics.hop.labels(metrics.role)
    for appended in appended_ns:
        hop.observe(max(0, now_ns - appended) / _NS_PER_S)
    metrics.void_records.labels(inbox.partition.topic).inc(inbox.void)
    inbox.void = 0


def _count(metrics: Metrics, output: Event) -> None:
    metrics.decisions.labels(type_name(type(output))).inc()
    reasons: Sequence[Refusal] = getattr(output, "reasons", ())
    for refusal in reasons:
        metrics.risk_block.labels(refusal.code).inc()


def _key_of(output: Event) -> bytes:
    account: str = getattr(output, "account", "")
    return account.encode()
