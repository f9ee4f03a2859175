"""
Readers of the order path: what a strategy, a guardrail and a signer may write, stage by stage.

Each record has exactly one output, whatever it is, and every output fits its topic (R6, R20).
What is decided is pure: a step leaves the state as it was.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Final

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from spark import topics
from spark.bus.kafka_records import LenientRecords
from spark.bus.port import Outgoing, Partition, Record
from spark.codec import decode, encode, type_name
from spark.consumers.gateway_intake import Opened
from spark.consumers.gateway_news import News
from spark.errors import GapError, MalformedError
from spark.events import (
    CancelApproved,
    Decision,
    Event,
    IntentRefused,
    OrderApproved,
    RequestSealed,
    Signed,
)
from spark.ledger.fold import Orders, fold_event
from spark.names import Role
from spark.worker.contract import Fault, Given, Place
from spark.worker.inbox import Inbox
from spark.worker.quarantine import Quarantine
from tests import keyed
from tests.fuzz.campaign import Harness, Reader
from tests.fuzz.event_maker import KINDS, EventMaker
from tests.fuzz.mutator import TEXTS, Mutator
from tests.fuzz.topic_readers import EXAMPLES, body_of, record_on
from tests.hops import Chain, given, intent_written, opened, stamp, stood, tick
from tests.made import NOW_NS, STRATEGY, cancel, place

_FRESH: Final = 300
_INTENTS: Final = EventMaker([KINDS["place_order"], KINDS["cancel_order"]])
_DECISIONS: Final = EventMaker([KINDS[kind] for kind in topics.BY_NAME[topics.DECISIONS].events])
_SIGNED: Final = EventMaker([KINDS[kind] for kind in topics.BY_NAME[topics.SIGNED].events])
_WRITERS: Final = sorted(topics.BY_NAME[topics.INTENTS].writers)
_GOOD: Final = (
    encode(place()),
    encode(place("two", price=None, order_type="market", time_in_force=None)),
    encode(cancel(place())),
)
#: What a produce adds to a record, generously.
_OVERHEAD_BYTES: Final = 8 * 1024


def fits(event: Event, topic: str) -> None:
    """Check that an output is written at all: below what its topic takes (R20)."""
    body = encode(event)
    assert decode(body) == event
    most = topics.BY_NAME[topic].message_bytes_max
    assert len(body) + _OVERHEAD_BYTES < most, f"{len(body)} bytes for {topic}"


def _tagged(random: Random, topic: str, body: bytes, *, writer: str) -> Outgoing:
    """Tag bytes as they are, with the right key, a wrong one or none."""
    verifiers = {
        topics.INTENTS: (Role.GUARDRAIL, Role.SIGNER),
        topics.DECISIONS: (Role.SIGNER, Role.GATEWAY),
        topics.SIGNED: (Role.GATEWAY,),
    }[topic]
    log = keyed.LOG_EPOCH if random.random() < 0.95 else "another log"
    tagger = keyed.tagger(writer, *verifiers, log_epoch=log)
    headers = tagger.headers(topic, _kind(body), body)
    if random.random() < 0.03:
        headers = headers[: random.randrange(3)] + random.choice(((), headers))
    return Outgoing(Partition(topic, 0), b"k", body, headers)


def _kind(body: bytes) -> str:
    try:
        return type_name(type(decode(body)))
    except MalformedError:
        return "place_order"


class _Path:
    """The order path with its states, and a count of what came in."""

    def __init__(self) -> None:
        self.chain = Chain()
        self.offset = 0
        self.dead = Quarantine("guardrail")

    def decided(self, out: Outgoing) -> Decision:
        """Let the guardrail decide; give what it says."""
        chain = self.chain
        read = given(stood(out, self.offset), Role.GUARDRAIL, _WRITERS)
        before = repr(chain.guard_state)
        decision = chain.guardrail.step(chain.guard_state, read, tick(), stamp(read))
        assert repr(chain.guard_state) == before, "a step changed the state"
        assert isinstance(decision, IntentRefused) or read.fault is None, "a fault was approved"
        fits(decision, topics.DECISIONS)
        if read.fault is not None:
            self._buried(read, read.fault)
            assert isinstance(decision, IntentRefused)
            assert decision.reasons[0].found, "refused without a reason in words"
        spot = Place(topics.DECISIONS, 0, self.offset, NOW_NS)
        chain.guardrail.fold(chain.guard_state, spot, decision)
        self.offset += 1
        return decision

    def _buried(self, read: Given, fault: Fault) -> None:
        source = Partition(topics.INTENTS, 0)
        letter = self.dead.letter(source, read.offset, read.body, fault=fault, now_ns=NOW_NS)
        if letter is not None:
            most = topics.BY_NAME["dlq.guardrail"].message_bytes_max
            assert len(letter.value or b"") + _OVERHEAD_BYTES < most

    def signed(self, out: Outgoing, seq: int) -> Signed:
        """Let the signer sign; give what it says."""
        chain = self.chain
        read = given(stood(out, seq), Role.SIGNER, [Role.GUARDRAIL], epoch=0)
        before = repr(chain.signer_state)
        signed = chain.signer.step(chain.signer_state, read, tick(), stamp(read))
        assert repr(chain.signer_state) == before, "a step changed the state"
        fits(signed, topics.SIGNED)
        assert not isinstance(signed, RequestSealed) or read.fault is None, "a fault was signed"
        chain.signer.fold(chain.signer_state, Place(topics.SIGNED, 0, seq, NOW_NS), signed)
        return signed

    def sent(self, out: Outgoing, seq: int) -> bool:
        """Let the gateway open it; True where it may be sent."""
        found = opened(out, seq=seq)
        if isinstance(found, Opened):
            return True
        assert found, "refused without a reason"
        body = encode(found)
        most = topics.BY_NAME[topics.EVENTS].message_bytes_max
        assert len(body) + _OVERHEAD_BYTES < most, f"{len(body)} bytes of reasons"
        return False


def _intents() -> Iterator[Harness]:
    path = _Path()

    def case(random: Random) -> Outgoing:
        chance = random.random()
        fresh = encode(place(f"{random.getrandbits(32):08x}"))
        if chance < 0.2:
            body = fresh
        elif chance < 0.6:
            body = Mutator(random, _GOOD).mutated(random.choice((fresh, *_GOOD)), is_sorted=True)
        else:
            body = body_of(random, _INTENTS)
        writer = STRATEGY if random.random() < 0.8 else random.choice(_WRITERS)
        return _tagged(random, topics.INTENTS, body, writer=writer)

    def read(out: Outgoing) -> bool:
        decision = path.decided(out)
        tagger = keyed.tagger(Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY)
        body = encode(decision)
        headers = tagger.headers(topics.DECISIONS, type_name(type(decision)), body)
        record = Outgoing(Partition(topics.DECISIONS, 0), b"k", body, headers)
        seq = decision.stamp.seq
        signed = path.signed(record, seq)
        sealed = encode(signed)
        tags = keyed.tagger(Role.SIGNER, Role.GATEWAY).headers(
            topics.SIGNED, type_name(type(signed)), sealed
        )
        path.sent(Outgoing(Partition(topics.SIGNED, 0), b"k", sealed, tags), seq)
        return isinstance(decision, OrderApproved | CancelApproved)

    yield Harness(case, read)


def _hop(
    topic: str,
    writer: Role,
    maker: EventMaker,
    *,
    good: Callable[[_Path], bytes],
    through: Callable[[_Path, Outgoing, int], bool],
) -> Callable[[], Iterator[Harness]]:
    """Feed a stage with what its writer gone wrong might write, under good tags."""

    def opening() -> Iterator[Harness]:
        path = _Path()
        sample = good(path)

        def case(random: Random) -> Outgoing:
            if random.random() < 0.6:
                body = Mutator(random, (sample,)).mutated(sample, is_sorted=True)
            else:
                body = body_of(random, maker)
            return _tagged(random, topic, body, writer=writer)

        def read(out: Outgoing) -> bool:
            found: Event | None = None
            with suppress(MalformedError):
                found = decode(out.value)
            mark = getattr(found, "stamp", None)
            if mark is None or mark.epoch != 0 or mark.seq < 0:
                # Void, or a gap: the inbox drops it, or halts, before any stage sees it.
                return False
            return through(path, out, mark.seq)

        yield Harness(case, read)

    return opening


def _good_decision(path: _Path) -> bytes:
    return encode(path.decided(intent_written(place())))


def _good_signed(path: _Path) -> bytes:
    decision = path.decided(intent_written(place()))
    signed, _ = path.chain.sign(decision)
    return encode(signed)


def _through_signer(path: _Path, out: Outgoing, seq: int) -> bool:
    return isinstance(path.signed(out, seq), RequestSealed)


def _through_gateway(path: _Path, out: Outgoing, seq: int) -> bool:
    return path.sent(out, seq)


def _news() -> Iterator[Harness]:
    """The gateway folds what the account feed says, beside its own log."""
    maker = EventMaker([KINDS[kind] for kind in topics.BY_NAME[topics.ACCOUNT_EVENTS].events])
    own = EventMaker([KINDS[kind] for kind in topics.BY_NAME[topics.EVENTS].events])
    orders, news = Orders(), News(Partition(topics.ACCOUNT_EVENTS, 0))
    offset = 0

    def case(random: Random) -> tuple[bytes, Event]:
        return body_of(random, maker), own.event(random)

    def read(told: tuple[bytes, Event]) -> bool:
        nonlocal offset
        body, event = told
        fold_event(orders, event, offset, NOW_NS)
        record = record_on(topics.ACCOUNT_EVENTS, Random(0), body, offset=offset)
        offset += 1
        heard = news.take(record, orders)
        return heard is not None

    yield Harness(case, read)


_NAME: Final = "HEADERNAME"


def _batches() -> Iterator[Harness]:
    """What the broker hands over: header names of any bytes, values or none."""

    def case(random: Random) -> bytes:
        builder = DefaultRecordBatchBuilder(2, 0, 0, 0, 0, 0, 1 << 20)
        for offset in range(random.randint(1, 3)):
            value = random.choice((None, b"", random.choice(EXAMPLES)))
            held = random.choice((None, b"", b"strategy-demo:1\x00" + random.randbytes(32)))
            builder.append(offset, NOW_NS // 10**6, None, value, [(_NAME, held), ("tag.x", b"1")])
        made = bytes(builder.build())
        chosen = random.choice((*TEXTS, "é" * 5)).encode("utf-8", "surrogatepass")
        junk = (chosen if random.random() < 0.5 else random.randbytes(10))[:10].ljust(10, b"\xff")
        return made.replace(_NAME.encode(), junk)

    def read(raw: bytes) -> bool:
        records = LenientRecords(raw)
        count = 0
        while records.has_next():
            for record in records.next_batch():
                count += 1
                for name, _ in record.headers:
                    name.encode()
        assert count, "a record was lost"
        return True

    yield Harness(case, read)


def _records() -> Iterator[Harness]:
    """Tombstones, and records in another place than the next one."""
    checker = keyed.strategies(Role.GUARDRAIL)

    def case(random: Random) -> Record:
        body = None if random.random() < 0.2 else body_of(random, _INTENTS)
        at = random.choice((0, 0, 0, 0, 1, -1))
        return Record(Partition(topics.INTENTS, 0), at, NOW_NS // 10**6, None, body, ())

    def read(record: Record) -> bool:
        inbox = Inbox(
            record.partition, position=0, lineage=None, checker=checker, bytes_max=8 * 1024
        )
        accepted = inbox.accept(record)
        assert accepted is not None
        assert accepted.given.fault is not None, "nobody signed it"
        assert accepted.given.fault.detail
        return False

    yield Harness(case, read)


def _readers() -> Iterator[Reader]:
    signing = _hop(
        topics.DECISIONS,
        Role.GUARDRAIL,
        _DECISIONS,
        good=_good_decision,
        through=_through_signer,
    )
    sending = _hop(topics.SIGNED, Role.SIGNER, _SIGNED, good=_good_signed, through=_through_gateway)
    for name, opening in (
        ("order-path-intents", _intents),
        ("signer-decisions", signing),
        ("gateway-signed", sending),
        ("gateway-news", _news),
    ):
        yield Reader(name, contextmanager(opening), weight=3, fresh_every=_FRESH)
    yield Reader("record-batches", contextmanager(_batches))
    yield Reader("inbox", contextmanager(_records), refusals=(GapError,))


READERS: Final = tuple(_readers())
