"""
Reads what people and protections have said off the log: in force, waiting, ignored and why.

Folded here as each stage folds it, so that a command shows what is obeyed and not what
somebody wrote beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from spark.bus.port import Bus, Pace, Partition, Record
from spark.codec import decode
from spark.consumers.guardrail_start import Start, read_start
from spark.errors import MalformedError
from spark.events import (
    LimitValues,
    PartitionFenced,
    ProcessPulsed,
    Proposal,
    ProposalSigned,
    SetLimits,
)
from spark.ledger.control import Control, fold_body, problem_of, proposal_id
from spark.names import Role, TradingMode
from spark.people import People
from spark.topics import CONTROL, CONTROL_HALT, CONTROL_PULSE, DECISIONS
from spark.worker.spans import read_between, read_through

_CONTROL: Final = Partition(CONTROL, 0)
_PARTITIONS: Final = (_CONTROL, Partition(CONTROL_HALT, 0))
_PULSE: Final = Partition(CONTROL_PULSE, 0)
_NS_PER_MS: Final = 1_000_000
#: Some seconds' worth of pulses, with every process beating once a second.
_PULSES: Final = 200
#: Who has not beaten for so long says nothing about now.
_PULSE_NS_MAX: Final = 5_000_000_000
_READ_WAIT_MS: Final = 200
#: Who obeys words of people, each by its own reading.
OBEYING: Final = (Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY)


@dataclass(frozen=True, slots=True)
class Signature:
    """One person's word under a proposal, as it counted."""

    person: str
    offset: int
    appended_ns: int


@dataclass(slots=True, kw_only=True)
class Word:
    """A proposal, who signed it, and what became of it."""

    proposal_id: str
    body: bytes
    proposal: Proposal
    signatures: list[Signature] = field(default_factory=list)
    #: Where it came into force; None while it waits, or for ever.
    applied_at: int | None = None
    #: Of limits: what was in force before its last signature.
    before: LimitValues = field(default_factory=LimitValues)


@dataclass(frozen=True, slots=True)
class Ignored:
    """A record that says nothing."""

    topic: str
    offset: int
    appended_ns: int
    #: Who seems to speak; proved by nothing.
    person: str
    why: str


@dataclass(slots=True)
class ControlLog:
    """All that was said, and what of it is in force."""

    people: People
    start_mode: TradingMode
    control: Control = field(default_factory=Control)
    #: By `proposal_id`, in the order of the log.
    words: dict[str, Word] = field(default_factory=dict)
    ignored: list[Ignored] = field(default_factory=list)

    @property
    def next_offset(self) -> int:
        """Say where the next word will stand on `control`."""
        return self.control.next_offsets.get(CONTROL, 0)

    def take(self, record: Record) -> None:
        """Fold one record of `control` or `control.halt`."""
        topic, offset = record.partition.topic, record.offset
        appended_ns = record.timestamp_ms * _NS_PER_MS
        said = _signed(record)
        word = None if said is None else self._word(said)
        before = None if word is None else self._limits(word.proposal)
        fold_body(
            self.control,
            record.value,
            topic=topic,
            offset=offset,
            appended_ns=appended_ns,
            people=self.people,
            start_mode=self.start_mode,
        )
        person = "" if said is None else said.person
        why = self.control.ignored.get(topic, {}).get(offset)
        if why is not None:
            self.ignored.append(Ignored(topic, offset, appended_ns, person, why))
        elif word is not None:
            self._count(word, Signature(person, offset, appended_ns))
            word.before = before or word.before

    def state(self, word: Word, now_ns: int) -> str:
        """Say how a proposal stands: `done`, `waits`, `expired`, or why it is void."""
        if word.applied_at is not None:
            return "done"
        if word.proposal.expires_ns <= now_ns:
            return "expired"
        return problem_of(self.control, word.proposal) or "waits"

    def _limits(self, proposal: Proposal) -> LimitValues | None:
        if not isinstance(proposal, SetLimits):
            return None
        return self.control.limit_values(proposal.account, proposal.strategy)

    def _word(self, said: ProposalSigned) -> Word | None:
        body = said.proposal.encode()
        known = self.words.get(proposal_id(body))
        if known is not None:
            return known
        try:
            proposal = decode(body)
        except MalformedError:
            return None
        if not isinstance(proposal, Proposal):
            return None
        return Word(proposal_id=proposal_id(body), body=body, proposal=proposal)

    def _count(self, word: Word, signature: Signature) -> None:
        self.words[word.proposal_id] = word
        word.signatures.append(signature)
        voices = self.control.proposals.get(word.proposal_id)
        word.applied_at = None if voices is None else voices.applied_at


@dataclass(frozen=True, slots=True)
class Beat:
    """The latest pulse of a role, and its append time."""

    pulse: ProcessPulsed
    appended_ns: int


async def read_control(bus: Bus, people: People, start_mode: TradingMode) -> ControlLog:
    """
    Fold both topics to their ends of now.

    Raises:
        BusUnavailable: Kafka does not answer.

    """
    log = ControlLog(people, start_mode)
    ends = await bus.ends(_PARTITIONS)
    await read_through(bus, {partition: (0, ends[partition]) for partition in ends}, log.take)
    return log


async def read_beats(bus: Bus) -> dict[str, Beat]:
    """Read the latest pulse of each role that beats; of several instances the last one's."""
    beats: dict[str, Beat] = {}
    ends, starts = await bus.ends([_PULSE]), await bus.starts([_PULSE])
    end = ends[_PULSE]
    await read_through(
        bus,
        {_PULSE: (max(starts[_PULSE], end - _PULSES), end)},
        lambda record: _beat(beats, record),
    )
    latest_ns = max((beat.appended_ns for beat in beats.values()), default=0)
    return {
        role: beat for role, beat in beats.items() if beat.appended_ns >= latest_ns - _PULSE_NS_MAX
    }


async def follow_beats(
    bus: Bus, is_done: Callable[[dict[str, Beat]], bool], wait_s: float
) -> dict[str, Beat]:
    """
    Read pulses as they come, until they say enough or the time is up.

    Returns: the latest of each role.
    """
    beats = await read_beats(bus)
    deadline = monotonic() + wait_s
    reader = await bus.reader(await bus.ends([_PULSE]), Pace.HOT)
    try:
        while not is_done(beats) and monotonic() < deadline:
            for record in await reader.read(_READ_WAIT_MS):
                _beat(beats, record)
    finally:
        await reader.close()
    return beats


async def read_start_values(bus: Bus, beats: dict[str, Beat]) -> Start | None:
    """
    Read the environment's values as the guardrail has them: they stand in its fence.

    Returns: None where no guardrail runs, or its fence is not of this version.
    """
    beat = beats.get(Role.GUARDRAIL)
    for lane, epoch in sorted({} if beat is None else beat.pulse.epochs.items()):
        topic, _, number = lane.rpartition("/")
        if topic != DECISIONS:
            continue
        partition = Partition(topic, int(number))
        (record,) = await read_between(bus, partition, start=epoch, end=epoch + 1)
        fence = _event(record)
        if isinstance(fence, PartitionFenced):
            try:
                return read_start(fence.settings)
            except ValueError:
                return None
    return None


def _beat(beats: dict[str, Beat], record: Record) -> None:
    event = _event(record)
    if isinstance(event, ProcessPulsed):
        beats[event.role] = Beat(event, record.timestamp_ms * _NS_PER_MS)


def _signed(record: Record) -> ProposalSigned | None:
    event = _event(record)
    return event if isinstance(event, ProposalSigned) and record.partition == _CONTROL else None


def _event(record: Record) -> object:
    try:
        return decode(record.value or b"")
    except MalformedError:
        return None
