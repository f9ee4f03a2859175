"""
Makes recorded decisions again from the log, and compares bytes (R15, spec I).

A decision says what it was made on: its clock reading, how far each topic had been seen,
the kills outside the log; the fence before it says what the guardrail started from. With
the records themselves that is everything, so the same bytes must come out again.

Who wrote an intent is the one thing taken on the decision's word: tags are proved with
keys that only the guardrail holds.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Final

from spark import topics
from spark.bus.port import Bus, Headers, Pace, Partition, Reader, Record
from spark.codec import decode, encode
from spark.consumers.guardrail import Guardrail
from spark.consumers.guardrail_start import read_start
from spark.consumers.guardrail_state import GuardState
from spark.errors import BusUnavailable, MalformedError, PositionError, TagError
from spark.events import Decision, IntentRefused, PartitionFenced
from spark.ledger.control_state import Control
from spark.names import Reason
from spark.people import People
from spark.worker.contract import Tick
from spark.worker.fence import Lineage, Reigns, Verdict
from spark.worker.inbox import Inbox
from spark.worker.resume import Fold, fold_record, place_of

_READ_WAIT_MS: Final = 500
_SILENT_READS_MAX: Final = 30
_NS_PER_MS: Final = 1_000_000
_OUTSIDERS: Final = frozenset({Reason.TAG_MISSING, Reason.TAG_INVALID})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first decision that came out otherwise."""

    offset: int
    intent_id: str
    #: Field -> (recorded, made again); only those that differ.
    fields: dict[str, tuple[str, str]]
    cause: str


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a replay of one partition found."""

    partition: int
    decisions: int = 0
    identical: int = 0
    approved: int = 0
    refused: int = 0
    #: Guardrails that took the partition: starts and restarts.
    fences: int = 0
    first: Difference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which decisions are made again: those of intents appended within it."""

    since_ns: int = 0
    until_ns: int = 2**63 - 1


async def replay_partition(
    bus: Bus, people: People, number: int, *, window: Window, progress: Callable[[int], None]
) -> Outcome:
    """
    Make the decisions of one partition again.

    Args:
        progress: told how many more decisions were read.

    Raises:
        PositionError: records that decisions were made on are gone.
        BusUnavailable: records do not come.

    """
    replay = _Replay(bus, people, number)
    try:
        async for record in replay.decisions():
            await replay.take(record, window)
            progress(1)
    finally:
        await replay.close()
    return replay.outcome


class _Replay:
    """One partition's past, as far as it was folded."""

    def __init__(self, bus: Bus, people: People, number: int) -> None:
        self._bus = bus
        self._people = people
        self._number = number
        self._streams: dict[Partition, _Stream] = {}
        output = Partition(topics.DECISIONS, number)
        self._output = output
        self._lineage = Lineage(str(output))
        self._guardrail: Guardrail | None = None
        self._settings: Mapping[str, str] = {}
        self._state = GuardState(number)
        self._reigns = Reigns()
        #: What people and protections had said so far.
        self._words: list[Record] = []
        self._word = _Word()
        self._inbox = Inbox(
            Partition(topics.INTENTS, number),
            position=0,
            lineage=None,
            checker=self._word,
            bytes_max=topics.INTENT_BYTES_MAX,
        )
        self.outcome = Outcome(partition=number)

    async def decisions(self) -> AsyncIterator[Record]:
        """Read every record of the output, up to its end of now."""
        stream = await self._stream(self._output)
        while stream.next_offset < stream.end:
            for record in await stream.below(stream.next_offset + 1):
                yield record

    async def take(self, record: Record, window: Window) -> None:
        """Fold one record of the output, made again if it is within the window."""
        try:
            event = decode(record.value or b"")
        except MalformedError:
            return
        if isinstance(event, PartitionFenced):
            self._lineage.fence(record.offset)
            self._start(event.settings)
            return
        if not isinstance(event, Decision) or self._guardrail is None:
            return
        if self._lineage.judge(event.stamp) is Verdict.VOID:
            return
        place = place_of(record)
        if window.since_ns <= event.basis.appended_ns < window.until_ns:
            await self._make_again(self._guardrail, event, record)
        self._guardrail.fold(self._state, place, event)

    def _start(self, settings: Mapping[str, str]) -> None:
        self._guardrail = Guardrail(read_start(settings), self._people)
        self._settings = settings
        self.outcome.fences += 1
        # Another mode, or other persons, judge people's words otherwise: from the first on.
        self._state.control = Control()
        for record in self._words:
            fold_record(record, self._fold(self._guardrail))

    async def close(self) -> None:
        """Let go of the readers."""
        for stream in self._streams.values():
            await stream.reader.close()

    async def _make_again(self, guardrail: Guardrail, event: Decision, record: Record) -> None:
        basis = event.basis
        for name, offset in basis.seen.items():
            topic, _, number = name.rpartition("/")
            partition = Partition(topic, int(number))
            is_others = topics.BY_NAME[topic].partitions > 1 and partition.number != self._number
            if topic not in guardrail.sides or is_others:
                continue
            stream = await self._stream(partition)
            for side in await stream.below(offset):
                if topic in topics.HELD and self._reigns.is_void(side):
                    continue
                fold_record(side, self._fold(guardrail))
                if topic in {topics.CONTROL, topics.CONTROL_HALT}:
                    self._words.append(side)
        intents = await self._stream(self._inbox.partition)
        found = (await intents.below(event.stamp.src_offset + 1))[-1]
        self._inbox.position = found.offset
        self._word.decision = event
        accepted = self._inbox.accept(found)
        assert accepted is not None, "each intent counts"
        tick = Tick(now_ns=basis.decided_ns, seen=basis.seen, halts=basis.halts)
        again = guardrail.step(self._state, accepted.given, tick, event.stamp)
        self._compare(event, again, record)

    def _fold(self, guardrail: Guardrail) -> Fold:
        return partial(guardrail.fold, self._state)

    def _compare(self, recorded: Decision, again: Decision, record: Record) -> None:
        outcome = self.outcome
        outcome.decisions += 1
        if isinstance(recorded, IntentRefused):
            outcome.refused += 1
        else:
            outcome.approved += 1
        if encode(again) == record.value:
            outcome.identical += 1
        elif outcome.first is None:
            outcome.first = Difference(
                offset=record.offset,
                intent_id=recorded.intent_id,
                fields=differences(recorded, again),
                cause=self._cause(recorded, again),
            )

    def _cause(self, recorded: Decision, again: Decision) -> str:
        if self._settings.get("people") != self._people.digest:
            return "operators.toml is not the one that this guardrail started with"
        for partition, stream in self._streams.items():
            if stream.start > 0:
                return f"{partition}: records below {stream.start} are gone, kept for days"
        if recorded.basis.policy != again.basis.policy:
            return "the guards or limits of this version are not those of the decision"
        return "this version decides otherwise, or a record that it was made on was changed"

    async def _stream(self, partition: Partition) -> "_Stream":
        found = self._streams.get(partition)
        if found is None:
            start = (await self._bus.starts([partition]))[partition]
            end = (await self._bus.ends([partition]))[partition]
            reader = await self._bus.reader({partition: start}, Pace.BULK)
            found = _Stream(partition, reader, start, end, start)
            self._streams[partition] = found
        if found.start > 0 and topics.BY_NAME[partition.topic].retention_ms == topics.KEEP_MS:
            raise PositionError(f"{partition}: records below {found.start} are gone")
        return found


@dataclass(slots=True)
class _Stream:
    """One partition, read on demand and in order."""

    partition: Partition
    reader: Reader
    start: int
    end: int
    next_offset: int
    buffered: deque[Record] = field(default_factory=deque)

    async def below(self, offset: int) -> list[Record]:
        """
        Take the records below an offset that were not taken yet.

        Raises:
            BusUnavailable: they do not come.

        """
        taken: list[Record] = []
        silent = 0
        while self.next_offset < offset:
            if not self.buffered:
                self.buffered.extend(await self.reader.read(_READ_WAIT_MS))
                silent = 0 if self.buffered else silent + 1
                if silent > _SILENT_READS_MAX:
                    raise BusUnavailable(f"{self.partition}: records do not come")
                continue
            taken.append(self.buffered.popleft())
            self.next_offset = taken[-1].offset + 1
        return taken


class _Word:
    """Who wrote an intent, as its decision says."""

    def __init__(self) -> None:
        self.decision: Decision | None = None

    def writer_of(self, topic: str, type_name: str, body: bytes, *, headers: Headers) -> str:
        """Take the decision's word; raises TagError where it found none."""
        del topic, type_name, headers
        assert self.decision is not None
        reasons = self.decision.reasons if isinstance(self.decision, IntentRefused) else ()
        first = reasons[0] if reasons else None
        # With an intent in it, a missing tag is the one for the signer, found behind this one.
        if first is not None and first.code in _OUTSIDERS and not self.decision.intent_id:
            raise TagError(first.found or "")
        if first is not None and first.code is Reason.STRATEGY_MISMATCH:
            return first.limit or ""
        strategy: str = getattr(decode(body), "strategy", "")
        return strategy


def differences(recorded: Decision, again: Decision) -> dict[str, tuple[str, str]]:
    """Name the fields that differ, one level deep."""
    before, after = _flat(recorded), _flat(again)
    return {
        name: (before.get(name, "—"), after.get(name, "—"))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }


def _flat(decision: Decision) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in asdict(decision).items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": str(one) for inner, one in value.items()}
        else:
            found[name] = str(value)
    return found
