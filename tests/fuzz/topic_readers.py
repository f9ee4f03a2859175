"""
Readers of topics: the codec, tags, and what each stage folds beside its input.

Records are good ones that were broken, good ones of the wrong topic, and events of any
type whose values are random. What cannot be read changes no state, but on `control.halt` halts.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

from pydantic import TypeAdapter

from spark import topics
from spark.audit_chain import Audited, Chain, digest_of, line_of
from spark.bus.port import Headers, Partition, Record
from spark.codec import decode, encode
from spark.consumers import sentinel_state
from spark.consumers.feed_rows import READERS as FEED_READERS
from spark.consumers.guardrail_state import GuardState
from spark.consumers.projector_batch import SOURCES
from spark.consumers.projector_rows import dump
from spark.consumers.sentinel_state import SentinelState, Surroundings
from spark.consumers.signer_state import SignerState
from spark.errors import GapError, MalformedError, TagError
from spark.events import Event
from spark.ledger.control import fold_control
from spark.ledger.control_state import Control
from spark.ledger.fold import Orders, fold_event
from spark.names import Role, TradingMode
from spark.signing import find_tag
from spark.worker.cache import Kept
from spark.worker.contract import Place
from spark.worker.fence import NO_SEQ
from spark.worker.resume import fold_record
from tests import keyed
from tests.fuzz.campaign import Harness, Reader
from tests.fuzz.event_maker import KINDS, EventMaker
from tests.fuzz.mutator import TEXTS, Mutator
from tests.hops import guardrail, signer
from tests.made import NOW_NS
from tests.projection import projected, random_past

_EXAMPLES: Final = Path(__file__).resolve().parents[2] / "schemas" / "examples"
_NS_PER_MS: Final = 1_000_000
_NOW_MS: Final = NOW_NS // _NS_PER_MS
_FRESH: Final = 400
_BROKEN: Final = 0.4
#: A bus gives names as text, with what is no UTF-8 replaced.
_NAMES: Final = tuple(text.encode("utf-8", "replace").decode() for text in TEXTS)


def examples() -> tuple[bytes, ...]:
    """Give an example of every event."""
    return tuple(
        line
        for path in sorted(_EXAMPLES.glob("*.jsonl"))
        for line in path.read_bytes().splitlines()
    )


EXAMPLES: Final = examples()
_ANY: Final = EventMaker()


def body_of(random: Random, maker: EventMaker = _ANY) -> bytes:
    """Make a record's value: an event, mostly whole."""
    if random.random() < _BROKEN:
        return Mutator(random, EXAMPLES).case()
    try:
        body = encode(maker.event(random))
    except (TypeError, ValueError):
        # A value that no record holds, which encoding refuses to its writer.
        return b""
    return Mutator(random, EXAMPLES).mutated(body) if random.random() < _BROKEN else body


def record_on(topic: str, random: Random, body: bytes | None, *, offset: int = 0) -> Record:
    """Put a value on a topic."""
    number = random.randrange(topics.BY_NAME[topic].partitions)
    return Record(Partition(topic, number), offset, _NOW_MS + offset, None, body, ())


def _codec() -> Iterator[Harness]:
    def read(body: bytes) -> bool:
        found = decode(body)
        assert encode(found) == body, "not canonical"
        assert decode(encode(found)) == found, "does not come back as it went"
        return True

    yield Harness(body_of, read)


def _made() -> Iterator[Harness]:
    def case(random: Random) -> Event:
        return _ANY.event(random)

    def read(event: Event) -> bool:
        # What its writer can encode every reader can read.
        try:
            body = encode(event)
        except (TypeError, ValueError) as error:
            raise MalformedError(f"a writer is told: {error}") from None
        assert encode(decode(body)) == body
        return True

    yield Harness(case, read)


def _tags() -> Iterator[Harness]:
    tagger = keyed.tagger("strategy-demo", Role.GUARDRAIL, Role.SIGNER)
    checker = keyed.checker(Role.GUARDRAIL, {"strategy-demo", "op-local"})

    def case(random: Random) -> tuple[bytes, Headers]:
        body = random.choice(EXAMPLES)
        headers = list(tagger.headers(topics.INTENTS, "place_order", body))
        for _ in range(random.randint(0, 2)):
            at = random.randrange(len(headers)) if headers else 0
            choice = random.randrange(5)
            name, value = headers[at] if headers else ("tag.guardrail", b"")
            match choice:
                case 0:
                    headers[at:] = [(name, Mutator(random).broken_bytes(value))]
                case 1:
                    headers.append((name, value))
                case 2:
                    headers[at : at + 1] = []
                case 3:
                    headers[at:] = [(random.choice((*_NAMES, "tag.signer")), value)]
                case _:
                    headers.append(("other", random.randbytes(random.randrange(80))))
        return body, tuple(headers)

    def read(given: tuple[bytes, Headers]) -> bool:
        body, headers = given
        digest_of(None, body, headers)
        find_tag(headers, "tag.guardrail")
        return (
            checker.writer_of(topics.INTENTS, "place_order", body, headers=headers)
            == "strategy-demo"
        )

    yield Harness(case, read)


def _sides(
    state_type: type[Any],
    make: Callable[[], Any],
    fold: Callable[[Any, Place, Event], None],
    *,
    names: Sequence[str],
) -> Callable[[], Iterator[Harness]]:
    """Fold side topics into a state; it can be kept and read again whatever was folded."""
    kept: TypeAdapter[Any] = TypeAdapter(Kept[state_type])  # type: ignore[valid-type]

    def opened() -> Iterator[Harness]:
        state, offsets = make(), dict.fromkeys(names, 0)
        makers = {
            name: EventMaker([KINDS[kind] for kind in topics.BY_NAME[name].events])
            for name in names
        }

        def case(random: Random) -> tuple[str, Random]:
            return random.choice(names), random

        def read(given: tuple[str, Random]) -> bool:
            topic, random = given
            body = body_of(random, makers[topic] if random.random() < 0.9 else _ANY)
            record = record_on(topic, random, body, offset=offsets[topic])
            offsets[topic] += 1
            before = repr(state)
            folded: list[Event] = []

            def each(place: Place, event: Event) -> None:
                folded.append(event)
                fold(state, place, event)

            fold_record(record, each)
            assert folded or repr(state) == before, "what cannot be read changed the state"
            return bool(folded)

        yield Harness(case, read)
        whole = Kept(state=state, marks=(), topic_ids={}, epoch=0, seq=NO_SEQ, last=None)
        body = kept.dump_json(whole)
        # As values: sets of one content may be written in two orders.
        assert kept.validate_json(body) == whole, "a state that cannot be kept"

    return opened


def _orders_fold(state: Orders, place: Place, event: Event) -> None:
    fold_event(state, event, place.offset, place.appended_ns)


def _control_fold(state: Control, place: Place, event: Event) -> None:
    fold_control(
        state,
        event,
        topic=place.topic,
        offset=place.offset,
        appended_ns=place.appended_ns,
        people=keyed.people(),
        start_mode=TradingMode.LIVE,
    )


def _sentinel_fold(state: SentinelState, place: Place, event: Event) -> None:
    sentinel_state.fold(state, Surroundings(), place=place, event=event)


def _projector() -> Iterator[Harness]:
    past = random_past(Random("past"), 60)
    records = past.records()
    makers = {
        name: EventMaker([KINDS[kind] for kind in topics.BY_NAME[name].events]) for name in SOURCES
    }
    good = {name: [record.value or b"" for record in records[name]] for name in SOURCES}

    def case(random: Random) -> list[Record]:
        chosen: list[Record] = []
        offsets = dict.fromkeys(SOURCES, 0)
        for _ in range(random.randint(1, 12)):
            topic = random.choice(SOURCES)
            body = random.choice(good[topic])
            if random.random() < 0.6:
                body = body_of(random, makers[topic])
            chosen.append(
                Record(Partition(topic, 0), offsets[topic], _NOW_MS, None, body or None, ())
            )
            offsets[topic] += 1
        return chosen

    def read(chosen: list[Record]) -> bool:
        lines = projected(iter(chosen))
        dump([line for found in lines.values() for line in found])
        return any(found for name, found in lines.items() if name != "rejects")

    yield Harness(case, read)


def _feed_rows() -> Iterator[Harness]:
    rows = {
        name: [line for line in EXAMPLES if f'"{topics.BY_NAME[name].events[0]}"'.encode() in line]
        + [line for line in EXAMPLES if b'"feed_gapped"' in line]
        for name in FEED_READERS
    }

    def case(random: Random) -> Record:
        topic = random.choice(tuple(FEED_READERS))
        samples = rows[topic]
        body = Mutator(random, samples).case()
        if b"binance" in body and "btcturk" in topic:
            body = body.replace(b"binance", b"btcturk")
        return Record(Partition(topic, 0), 5, _NOW_MS, None, body, ())

    def read(record: Record) -> bool:
        found = FEED_READERS[record.partition.topic].read(record, oldest_ns=0, newest_ns=2**63 - 1)
        assert found.text or found.rejects, "neither a row nor a reason"
        for reject in found.rejects:
            assert reject.reason
            assert reject.line(record).count(b"\n") == 1
        for line in found.text.splitlines():
            assert b"\x00" not in line
        return bool(found.text)

    yield Harness(case, read)


def _audit_lines() -> Iterator[Harness]:
    chain = Chain()

    def case(random: Random) -> Audited:
        body = None if random.random() < 0.02 else body_of(random)
        headers = ((random.choice(("tag.gateway", "é", "")), random.randbytes(40)),)
        topic = random.choice(topics.AUDITED)
        return Audited(topic, 0, random.choice((0, 1, 2**62)), _NOW_MS, None, body, headers)

    def read(record: Audited) -> bool:
        line = line_of(record)
        most = topics.BY_NAME[topics.AUDIT].message_bytes_max
        page = chain.page([line], NOW_NS)
        # As a checkpoint does, under which they are kept.
        chain.heads.clear()
        assert decode(encode(page)) == page
        # A page of the most lines, each as long as this one.
        assert len(encode(line)) * 500 < most, f"a line of {len(encode(line))} bytes"
        return bool(line.kind)

    yield Harness(case, read)


def _readers() -> Iterator[Reader]:
    refusals = (MalformedError, TagError, GapError)
    for name, opened in (
        ("codec", _codec),
        ("codec-made", _made),
        ("tags", _tags),
        ("projector", _projector),
        ("feed-rows", _feed_rows),
        ("audit-lines", _audit_lines),
    ):
        yield Reader(name, contextmanager(opened), weight=3, refusals=refusals)
    guard, sign = guardrail(), signer()
    sentinel = (topics.DECISIONS, topics.EVENTS, topics.ACCOUNT_EVENTS, topics.VENUE_STATE,
                topics.VENUE_MARKS)  # fmt: skip
    both = (topics.EVENTS, topics.ACCOUNT_EVENTS)
    words = (topics.CONTROL, topics.CONTROL_HALT)
    for name, opened_sides in (
        (
            "guardrail-sides",
            _sides(GuardState, lambda: guard.initial(0), guard.fold, names=guard.sides),
        ),
        ("signer-sides", _sides(SignerState, lambda: sign.initial(0), sign.fold, names=sign.sides)),
        ("sentinel-sides", _sides(SentinelState, SentinelState, _sentinel_fold, names=sentinel)),
        ("orders", _sides(Orders, Orders, _orders_fold, names=both)),
        ("control-words", _sides(Control, Control, _control_fold, names=words)),
    ):
        yield Reader(name, contextmanager(opened_sides), weight=3, fresh_every=_FRESH)


READERS: Final = tuple(_readers())
