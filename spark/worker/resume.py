"""
Finding one's place: everything a transform knows comes out of the log (design §3).

After the fence, the own output up to the fence is folded and gives the last
valid record; the input goes on right after the record that it names. Side
inputs are folded up to ends taken after the fence. Positions are checked, so a
topic that was created again or cut halts instead of being read from elsewhere.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from spark.bus.port import Bus, Partition, Record
from spark.codec import decode, type_name
from spark.errors import MalformedError, PartitionError, PositionError
from spark.events import Event, PartitionFenced, Stamp
from spark.ledger.control_words import read_word
from spark.signing import short_digest
from spark.topics import BY_NAME, KEEP_MS
from spark.worker.contract import Place
from spark.worker.fence import NO_EPOCH, NO_SEQ, Lineage, Verdict
from spark.worker.incarnations import REMEDY
from spark.worker.incarnations import check_topic_ids as check_topic_ids  # noqa: PLC0414
from spark.worker.spans import read_between, read_through

_NS_PER_MS: Final = 1_000_000

Fold = Callable[[Place, Event], None]


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where the input goes on, and how the output stands."""

    offset: int
    #: Validity of the input as known before `offset`.
    lineage: Lineage
    #: The last valid record of the output.
    last: Stamp | None


def place_of(record: Record) -> Place:
    """Say where a record stands."""
    return Place(
        record.partition.topic,
        record.partition.number,
        record.offset,
        record.timestamp_ms * _NS_PER_MS,
    )


@dataclass(frozen=True, slots=True)
class Known:
    """What a kept state already holds of the output (cache.py)."""

    offset: int = 0
    epoch: int = NO_EPOCH
    seq: int = NO_SEQ
    last: Stamp | None = None


async def fold_output(
    bus: Bus, lane: tuple[Partition, Partition], fence: int, *, fold: Fold, known: Known
) -> ResumePoint:
    """
    Fold the own output below the fence and find where the input goes on.

    Args:
        lane: the input and the output partition.
        known: where the kept state ends.

    Raises:
        PositionError: the log does not hold what the output says it was made from
            (R8, R18).

    """
    source, output = lane
    starts = await bus.starts([source, output])
    if starts[output] > 0:
        raise PositionError(f"{output}: records below {starts[output]} are gone; {REMEDY}")
    lineage = Lineage(str(output), known.epoch, known.seq)
    last = known.last
    own_ids: dict[str, str] = {}

    def each(record: Record) -> None:
        nonlocal last
        event = _decoded(record)
        if isinstance(event, PartitionFenced):
            # The first word counts: a start that halted had fenced with today's ids.
            own_ids.update(event.topic_ids | own_ids)
            lineage.fence(record.offset)
            return
        stamp: Stamp | None = getattr(event, "stamp", None)
        if event is None or stamp is None or lineage.judge(stamp) is Verdict.VOID:
            return
        last = stamp
        fold(place_of(record), event)

    await read_through(bus, {output: (known.offset, fence)}, each)
    await check_topic_ids(bus, own_ids)
    if last is None:
        if starts[source] > 0:
            raise PositionError(
                f"{output} is empty, but {source} starts at {starts[source]}: "
                f"what was decided before is lost; {REMEDY}"
            )
        return ResumePoint(0, Lineage(str(source)), None)
    await _check_input(bus, source, last)
    lineage = Lineage(str(source), last.src_epoch, last.seq)
    return ResumePoint(last.src_offset + 1, lineage, last)


async def read_sides(
    bus: Bus,
    partitions: Sequence[Partition],
    each: Callable[[Record], None],
    *,
    known: Mapping[Partition, int],
) -> dict[Partition, int]:
    """
    Read side inputs to their ends of now: from their start, or the tail that the table names.

    Args:
        known: the next offset to read, of those that a kept state holds.

    Returns: the next offset of each.

    Raises:
        PositionError: records that the state needs are gone (R8).

    """
    starts = await bus.starts(partitions)
    ends = await bus.ends(partitions)
    for partition, start in starts.items():
        if _needs_all(partition) and start > known.get(partition, 0):
            raise PositionError(f"{partition}: records below {start} are gone; {REMEDY}")
    firsts = {p: known.get(p) or _first(p, starts[p], ends[p]) for p in partitions}
    await read_through(bus, {p: (firsts[p], ends[p]) for p in partitions}, each)
    return ends


def _needs_all(partition: Partition) -> bool:
    topic = BY_NAME[partition.topic]
    return topic.retention_ms == KEEP_MS and not topic.tail_records


def _first(partition: Partition, start: int, end: int) -> int:
    tail = BY_NAME[partition.topic].tail_records
    return max(start, end - tail) if tail else start


async def check_partition_counts(bus: Bus, expected: Mapping[str, int]) -> dict[str, str]:
    """
    Compare partition counts with the table.

    Returns: the id of each topic.

    Raises:
        PartitionError: a topic is missing or has another count (R16).

    """
    states = await bus.topics(list(expected))
    for topic, count in expected.items():
        if topic not in states:
            raise PartitionError(f"{topic} is not there: deleted, or hidden from us? {REMEDY}")
        found = states[topic].partitions
        if found != count:
            raise PartitionError(f"{topic} has {found} partitions, the table says {count}")
    return {topic: states[topic].topic_id for topic in expected}


async def _check_input(bus: Bus, source: Partition, last: Stamp) -> None:
    end = (await bus.ends([source]))[source]
    if last.src_offset >= end:
        raise PositionError(
            f"{source} ends at {end}, but {last.src_offset} was read before; {REMEDY}"
        )
    record = (await read_between(bus, source, start=last.src_offset, end=last.src_offset + 1))[0]
    if short_digest(record.value or b"") != last.src_digest:
        raise PositionError(
            f"{source}: offset {last.src_offset} is not the record it was; {REMEDY}"
        )


def _decoded(record: Record) -> Event | None:
    try:
        return decode(record.value or b"")
    except MalformedError:
        return None


def fold_record(record: Record, fold: Fold) -> None:
    """
    Fold one record; bytes that nobody can read change no state, but on `control.halt` they halt.

    Nor does an event on a topic that is not its own: each topic has its writers, and who may
    say prices must not say equity (S17).
    """
    place = place_of(record)
    topic, offset, appended_ns = place.topic, place.offset, place.appended_ns
    try:
        event = read_word(record.value, topic=topic, offset=offset, appended_ns=appended_ns)
    except MalformedError:
        return
    if _is_at_home(topic, event):
        fold(place, event)


def _is_at_home(topic: str, event: Event) -> bool:
    return type_name(type(event)) in BY_NAME[topic].events
