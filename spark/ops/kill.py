"""
Kills, and waits until every process that could let an order through says that it obeys.

Who has to say so follows from the log alone: the holders of the latest fences of
`orders.decisions`, `orders.signed` and `orders.events`, as their pulses name them. One
that is silent is named as unconfirmed, never left out (R10).
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from spark.bus.port import Bus, Pace, Partition, Record
from spark.codec import decode
from spark.errors import BusUnavailable, MalformedError, RetryError, WriteError
from spark.events import HaltConfirmed, ProcessPulsed
from spark.ledger.control_state import ALL_ACCOUNTS
from spark.names import Role
from spark.producers.kills import Kill, pull_latch, say_kill
from spark.topics import (
    CONTROL_CONFIRMED,
    CONTROL_HALT,
    CONTROL_PULSE,
    DECISIONS,
    EVENTS,
    SIGNED,
)
from spark.worker.latch import PREFIX
from spark.worker.spans import read_through

_PULSE: Final = Partition(CONTROL_PULSE, 0)
_CONFIRMED: Final = Partition(CONTROL_CONFIRMED, 0)
#: Some minutes of everybody's heartbeats.
_PULSES_MAX: Final = 5_000
_READ_WAIT_MS: Final = 50
_NS_PER_MS: Final = 1_000_000
#: Whose word is waited for, by the topic that it alone writes.
_WRITER_OF: Final[Mapping[str, str]] = {
    DECISIONS: Role.GUARDRAIL,
    SIGNED: Role.SIGNER,
    EVENTS: Role.GATEWAY,
}


class Holder(NamedTuple):
    """One instance that holds the latest fence of a partition."""

    role: str
    instance: str


@dataclass(slots=True)
class Confirmed:
    """How far one instance obeys; times from the act on, None where it has not said so."""

    halted_ms: int | None = None
    drained_ms: int | None = None
    #: By its own clock; 0 where it has not said so.
    halted_at_ns: int = 0
    drained_at_ns: int = 0
    #: Client order ids that were claimed and unanswered when it stopped.
    in_flight: tuple[str, ...] = ()


@dataclass(slots=True)
class KillReport:
    """What became of a kill."""

    kill: Kill
    #: Its latch file; None where the kill is one account's.
    latch: Path | None
    #: Its offset on `control.halt`; None where Kafka did not take it.
    offset: int | None = None
    #: Why Kafka did not.
    kafka_down: str = ""
    holders: dict[Holder, Confirmed] = field(default_factory=dict)
    #: Topics that nobody has held for some minutes.
    unheld: tuple[str, ...] = ()

    @property
    def unconfirmed(self) -> list[str]:
        """Name everything that is not known to have stopped and drained."""
        if self.kafka_down:
            return sorted(set(_WRITER_OF.values()))
        silent = [
            f"{holder.role} {holder.instance}: "
            + ("silent" if one.halted_ms is None else "halted, not drained")
            for holder, one in self.holders.items()
            if one.drained_ms is None
        ]
        return silent + [f"{_WRITER_OF[topic]}: nobody holds {topic}" for topic in self.unheld]


class Confirmations:
    """Heartbeats and confirmations, read into who holds what and who obeys which kill."""

    def __init__(self, kill: Kill) -> None:
        self._kill = kill
        #: Highest epoch of each partition, and who holds it.
        self._held: dict[str, tuple[int, Holder]] = {}
        self._said: dict[tuple[Holder, str], HaltConfirmed] = {}
        self._said_ms: dict[tuple[Holder, str], int] = {}

    def take(self, record: Record) -> None:
        """Take one record of `control.pulse` or `control.confirmed`."""
        try:
            event = decode(record.value or b"")
        except MalformedError:
            return
        if not isinstance(event, ProcessPulsed | HaltConfirmed):
            return
        if isinstance(event, HaltConfirmed) and record.partition != _CONFIRMED:
            # Everybody may write pulses; that nothing leaves any more, only who could let it.
            return
        holder = Holder(event.role, event.instance)
        for partition, epoch in event.epochs.items():
            # Everybody may write here; only its one writer's word on a topic counts.
            is_its = _WRITER_OF.get(partition.partition("/")[0]) == event.role
            if is_its and epoch >= self._held.get(partition, (-1, holder))[0]:
                self._held[partition] = (epoch, holder)
        if isinstance(event, HaltConfirmed) and any(map(self._is_ours, event.halts)):
            key = (holder, event.stage)
            if key not in self._said:
                self._said[key] = event
                self._said_ms[key] = record.timestamp_ms - self._kill.at_ns // _NS_PER_MS

    def confirmed(self) -> dict[Holder, Confirmed]:
        """Say how far each holder of a latest fence obeys."""
        return {holder: self._one(holder) for _, holder in self._held.values()}

    def unheld(self) -> tuple[str, ...]:
        """Name topics without a holder."""
        held = {partition.partition("/")[0] for partition in self._held}
        return tuple(topic for topic in _WRITER_OF if topic not in held)

    @property
    def is_complete(self) -> bool:
        """Tell whether everybody has drained."""
        drained = all(one.drained_ms is not None for one in self.confirmed().values())
        return drained and not self.unheld()

    @property
    def are_halted(self) -> bool:
        """Tell whether everybody has stopped."""
        halted = all(one.halted_ms is not None for one in self.confirmed().values())
        return halted and not self.unheld()

    def _one(self, holder: Holder) -> Confirmed:
        halted, drained = self._said.get((holder, "halted")), self._said.get((holder, "drained"))
        return Confirmed(
            halted_ms=self._said_ms.get((holder, "halted")),
            drained_ms=self._said_ms.get((holder, "drained")),
            halted_at_ns=0 if halted is None else halted.at_ns,
            drained_at_ns=0 if drained is None else drained.at_ns,
            in_flight=() if halted is None else tuple(halted.in_flight),
        )

    def _is_ours(self, halt: str) -> bool:
        return halt == self._kill.halt or halt.startswith(f"{PREFIX}{self._kill.halt}@")


def pull(latch_dir: Path, kill: Kill) -> KillReport:
    """
    Do what needs nobody: put the kill's file into the latch directory.

    One account's kill has no file, because a file stops them all.

    Raises:
        SettingError: the latch file cannot be written.

    """
    return KillReport(kill, pull_latch(latch_dir, kill) if kill.account == ALL_ACCOUNTS else None)


async def say_and_wait(bus: Bus, report: KillReport, *, wait_s: float) -> None:
    """
    Put the kill on the log, and wait for `halted` and `drained` of every latest holder.

    Whatever fails here is told in the report: the file stands, and so does the kill.

    Raises:
        BusUnavailable: one account's kill, which has no file, and Kafka does not take it.

    """
    confirmations = Confirmations(report.kill)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await _say(bus, report)
                await _hear(bus, confirmations)
        if report.offset is None:
            report.kafka_down = f"Kafka does not answer within {wait_s:g} s"
    except (RetryError, WriteError) as error:
        report.kafka_down = str(error)
    if report.offset is None and report.latch is None:
        raise BusUnavailable(f"nothing is killed: {report.kafka_down}; kill every account instead")
    report.holders = confirmations.confirmed()
    report.unheld = confirmations.unheld()


async def _say(bus: Bus, report: KillReport) -> None:
    writer = await bus.writer([CONTROL_HALT])
    try:
        report.offset = await say_kill(writer, report.kill)
    finally:
        await writer.close()


async def _hear(bus: Bus, confirmations: Confirmations) -> None:
    both = [_PULSE, _CONFIRMED]
    starts, ends = await bus.starts(both), await bus.ends(both)
    firsts = {one: (max(starts[one], ends[one] - _PULSES_MAX), ends[one]) for one in both}
    await read_through(bus, firsts, confirmations.take)
    reader = await bus.reader(ends, Pace.HOT)
    try:
        while not confirmations.is_complete:
            for record in await reader.read(_READ_WAIT_MS):
                confirmations.take(record)
    finally:
        await reader.close()
