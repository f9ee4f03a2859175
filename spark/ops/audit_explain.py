"""
An order's whole life off the log: every record about it, in words, in the order of time.
"""

from dataclasses import dataclass, field
from typing import Final

from spark import topics
from spark.bus.port import Bus, Partition, Record
from spark.codec import decode
from spark.errors import MalformedError
from spark.events import (
    CancelApproved,
    CancelOrder,
    Event,
    OrderApproved,
    OrderResolved,
    OutcomeUnknown,
    PlaceOrder,
    ProposalSigned,
    ResolveUnknown,
    TradingDemoted,
    TradingHalted,
)
from spark.ledger.control_words import read_word
from spark.ops.audit_words import words_of
from spark.ops.order_reader import partitions_of, take
from spark.ops.order_view import SOURCES, OrderView
from spark.worker.spans import read_through

_NS_PER_MS: Final = 1_000_000
_CONTROL: Final = (
    Partition(topics.CONTROL, 0),
    Partition(topics.CONTROL_HALT, 0),
    Partition(topics.CONTROL_KEYS, 0),
)
#: Where a tie in time is broken by.
_ORDER: Final = (topics.CONTROL, topics.CONTROL_HALT, *SOURCES, topics.CONTROL_KEYS)
#: What says by itself what became of an order.
_EVIDENCE: Final = frozenset(
    {
        "order_acked", "order_rejected", "order_filled", "order_cancelled", "order_expired",
        "order_resolved",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """One record of the life."""

    appended_ns: int
    place: str
    kind: str
    words: str
    under: list[str]


@dataclass(slots=True)
class Life:
    """What became of an intent, from its first record to its last."""

    intent_id: str
    account: str = ""
    client_order_id: str = ""
    state: str = ""
    told: list[Told] = field(default_factory=list)
    #: How each unknown came to its end, in words.
    unknowns: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Found:
    event: Event
    record: Record

    @property
    def key(self) -> tuple[int, int, int]:
        topic = self.record.partition.topic
        return self.record.timestamp_ms, _ORDER.index(topic), self.record.offset


async def explain(bus: Bus, intent_id: str) -> Life | None:
    """
    Read the life of an intent; its client order id will do as well.

    Returns: None where nothing on the log is about it.

    Raises:
        BusUnavailable: Kafka does not answer.

    """
    found = await _about(bus, intent_id)
    if found is None:
        return None
    life, needles = found
    records = await _read(bus, partitions_of(SOURCES), needles)
    mine = [one for one in records if _is_about(one.event, life)]
    if not mine:
        return None
    asked = min(one.record.timestamp_ms for one in mine)
    last = max(one.record.timestamp_ms for one in mine)
    said = await _read(bus, list(_CONTROL), ())
    mine += [one for one in said if _touches(one, life, (asked, last))]
    mine.sort(key=lambda one: one.key)
    life.told = [_told(one) for one in mine]
    life.unknowns = _settled(mine)
    view = OrderView()
    for one in mine:
        if one.record.partition.topic in SOURCES:
            take(view, one.record)
    row = view.rows.get(life.intent_id)
    life.state = "" if row is None else row.state.value
    return life


async def intent_of(bus: Bus, name: str) -> str:
    """Find the intent of a client order id; anything else is an intent's own id."""
    found = await _about(bus, name)
    return name if found is None else found[0].intent_id


async def _about(bus: Bus, name: str) -> tuple[Life, tuple[bytes, ...]] | None:
    partitions = partitions_of((topics.INTENTS, topics.DECISIONS))
    life = Life(name)
    is_known = False
    for one in await _read(bus, partitions, (name.encode(),)):
        match one.event:
            case OrderApproved() if name in {one.event.intent_id, one.event.client_order_id}:
                life.intent_id = one.event.intent_id
                life.account, life.client_order_id = one.event.account, one.event.client_order_id
                is_known = True
            case CancelApproved() if name == one.event.intent_id:
                life.account = one.event.account
                is_known = True
            case PlaceOrder() | CancelOrder() if name == one.event.intent_id:
                life.account = one.event.account
                is_known = True
            case _:
                is_known |= getattr(one.event, "intent_id", "") == name
    if not is_known:
        return None
    needles = {life.intent_id, life.client_order_id} - {""}
    return life, tuple(needle.encode() for needle in needles)


async def _read(bus: Bus, partitions: list[Partition], needles: tuple[bytes, ...]) -> list[_Found]:
    found: list[_Found] = []

    def see(record: Record) -> None:
        body = record.value or b""
        # Most records are not about it; decoding each of them would take minutes.
        if needles and not any(needle in body for needle in needles):
            return
        try:
            found.append(_Found(_read_event(record), record))
        except MalformedError:
            return

    starts, ends = await bus.starts(partitions), await bus.ends(partitions)
    await read_through(bus, {one: (starts[one], ends[one]) for one in partitions}, see)
    return found


def _read_event(record: Record) -> Event:
    appended_ns = record.timestamp_ms * _NS_PER_MS
    topic, offset = record.partition.topic, record.offset
    return read_word(record.value, topic=topic, offset=offset, appended_ns=appended_ns)


def _is_about(event: Event, life: Life) -> bool:
    ids = (
        getattr(event, "intent_id", ""),
        getattr(event, "target_intent_id", ""),
        getattr(event, "cancel_intent_id", ""),
    )
    client = getattr(event, "client_order_id", "")
    return life.intent_id in ids or bool(client and client == life.client_order_id)


def _touches(one: _Found, life: Life, span_ms: tuple[int, int]) -> bool:
    """Tell whether somebody's act was about the order, or came while it lived."""
    event = one.event
    is_meanwhile = span_ms[0] <= one.record.timestamp_ms <= span_ms[1]
    if isinstance(event, TradingHalted | TradingDemoted):
        return is_meanwhile and event.account in {"", life.account}
    if isinstance(event, ProposalSigned):
        try:
            proposal = decode(event.proposal.encode())
        except MalformedError:
            return False
        if isinstance(proposal, ResolveUnknown):
            return proposal.client_order_id == life.client_order_id
        return is_meanwhile and getattr(proposal, "account", life.account) == life.account
    client = getattr(event, "client_order_id", "")
    return bool(client) and client == life.client_order_id


def _told(one: _Found) -> Told:
    words, under = words_of(one.event)
    record = one.record
    return Told(
        appended_ns=record.timestamp_ms * _NS_PER_MS,
        place=f"{record.partition}@{record.offset}",
        kind=one.event.type,
        words=words,
        under=under,
    )


def _settled(found: list[_Found]) -> list[str]:
    told: list[str] = []
    for index, one in enumerate(found):
        if not isinstance(one.event, OutcomeUnknown):
            continue
        ends = (later for later in found[index + 1 :] if later.event.type in _EVIDENCE)
        end = next(ends, None)
        if end is None:
            told.append(f"unknown since {one.event.cause}, and not settled")
            continue
        span_s = (end.record.timestamp_ms - one.record.timestamp_ms) / 1000
        how = "word" if isinstance(end.event, OrderResolved) else "evidence"
        place = f"{end.record.partition}@{end.record.offset}"
        told.append(
            f"unknown by {one.event.cause}, settled after {span_s:.1f} s by the {how} of "
            f"{end.event.type} at {place}"
        )
    return told
