"""
Every bad input has its reason, its place in the order, and no effect on the next record.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from spark import topics
from spark.bus.port import Headers, Partition, Record
from spark.codec import encode
from spark.errors import GapError
from spark.events import Event, IntentRefused, OrderApproved, PartitionFenced
from spark.names import Reason, Role, StrategyId
from spark.worker.fence import Lineage
from spark.worker.inbox import Inbox
from tests import keyed
from tests.hops import Chain, intent_written, stood, written
from tests.made import NOW_NS, place

INTENTS = Partition(topics.INTENTS, 0)
DECISIONS = Partition(topics.DECISIONS, 0)
GOOD = intent_written(place())
BODY = GOOD.value


def intents(position: int = 0) -> Inbox:
    return Inbox(
        INTENTS,
        position=position,
        lineage=None,
        checker=keyed.strategies(Role.GUARDRAIL),
        bytes_max=topics.INTENT_BYTES_MAX,
    )


def decisions() -> Inbox:
    return Inbox(
        DECISIONS,
        position=0,
        lineage=Lineage(str(DECISIONS)),
        checker=keyed.checker(Role.SIGNER, {Role.GUARDRAIL}),
        bytes_max=topics.BY_NAME[topics.DECISIONS].message_bytes_max,
    )


def record(body: bytes | None, headers: Headers = (), offset: int = 0) -> Record:
    return Record(INTENTS, offset, NOW_NS // 1_000_000, b"binance:main", body, headers)


def tagged(body: bytes, kind: str = "place_order", by: str = "strategy-demo") -> Record:
    tagger = keyed.tagger(by, Role.GUARDRAIL, Role.SIGNER)
    return record(body, tagger.headers(topics.INTENTS, kind, body))


def header(change: Callable[[bytes], bytes]) -> Record:
    """An ordinary intent whose tags for the guardrail were changed."""
    name = f"tag.{Role.GUARDRAIL}"
    headers = tuple((n, change(v) if n == name else v) for n, v in GOOD.headers)
    return record(BODY, headers)


def test_a_good_intent_is_taken_with_its_writer_and_its_number() -> None:
    """An intent's number is its offset; the writer is proven, not claimed."""
    accepted = intents().accept(stood(GOOD))
    assert accepted is not None
    assert (accepted.seq, accepted.epoch) == (0, -1)
    assert (accepted.given.event, accepted.given.fault) == (place(), None)
    assert accepted.given.writer == "strategy-demo"
    assert accepted.given.appended_ns == NOW_NS


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (record(None, GOOD.headers), Reason.MALFORMED),
        (record(b"", GOOD.headers), Reason.MALFORMED),
        (tagged(b"{"), Reason.MALFORMED),
        (tagged(b"\xff"), Reason.MALFORMED),
        (tagged(BODY.replace(b'"0.01"', b"0.01")), Reason.MALFORMED),
        (tagged(BODY.replace(b'"0.01"', b"NaN")), Reason.MALFORMED),
        (tagged(BODY.replace(b'"0.01"', b"true")), Reason.MALFORMED),
        (tagged(BODY.replace(b'"side"', b'"side":"buy","side"')), Reason.MALFORMED),
        (tagged(BODY.replace(b'"side"', b'"sida":1,"side"')), Reason.MALFORMED),
        (tagged(BODY.replace(b"place_order", b"place_ordex")), Reason.MALFORMED),
        (tagged(BODY.replace(b'"v":1', b'"v":2')), Reason.UNKNOWN_SCHEMA_VERSION),
        (tagged(BODY.replace(b'"v":1', b'"v":2,"w":3')), Reason.UNKNOWN_SCHEMA_VERSION),
        (tagged(BODY + b" " * 10_000_000), Reason.MALFORMED),
        (tagged(encode(place(symbol="x" * topics.INTENT_BYTES_MAX))), Reason.MALFORMED),
        (record(BODY), Reason.TAG_MISSING),
        (record(BODY, (("tag.auditor", b"x"),)), Reason.TAG_MISSING),
        (record(BODY, GOOD.headers + GOOD.headers), Reason.TAG_INVALID),
        (header(lambda _: b""), Reason.TAG_INVALID),
        (header(lambda tag: tag[:-1]), Reason.TAG_INVALID),
        (header(lambda tag: tag + b"x"), Reason.TAG_INVALID),
        (header(lambda tag: tag[:-1] + bytes([tag[-1] ^ 1])), Reason.TAG_INVALID),
        (header(lambda tag: tag.replace(b"\0", b"", 1)), Reason.TAG_INVALID),
        (header(lambda tag: b"\xff" + tag), Reason.TAG_INVALID),
        (header(lambda tag: b"op-local:1" + tag[tag.index(b"\0") :]), Reason.TAG_INVALID),
        (header(lambda tag: b"nobody:1" + tag[tag.index(b"\0") :]), Reason.TAG_INVALID),
        (tagged(BODY, kind="cancel_order"), Reason.TAG_INVALID),
        (tagged(BODY, by="gateway"), Reason.TAG_INVALID),
        (record(BODY.replace(b"60000", b"60001"), GOOD.headers), Reason.TAG_INVALID),
    ],
)
def test_r6_each_bad_input_keeps_its_place_with_its_reason(bad: Record, reason: Reason) -> None:
    """R6, fault K9: the issue's bad input, one by one; exactly one output can be made of each."""
    inbox = intents()
    accepted = inbox.accept(bad)
    assert accepted is not None
    given = accepted.given
    assert given.event is None
    assert given.fault is not None
    assert given.fault.reason is reason
    assert (given.offset, given.writer) == (0, "")
    assert len(given.fault.detail) < 200
    after = inbox.accept(stood(GOOD, 1))
    assert after is not None
    assert after.given.event == place()


def test_another_topics_tag_is_no_tag_here() -> None:
    """§3: a tag is bound to the topic and to the log, so no record can be carried over."""
    for tagger, topic in (
        (keyed.tagger("strategy-demo", Role.GUARDRAIL), topics.DECISIONS),
        (keyed.tagger("strategy-demo", Role.GUARDRAIL, log_epoch="another"), topics.INTENTS),
    ):
        accepted = intents().accept(record(BODY, tagger.headers(topic, "place_order", BODY)))
        assert accepted is not None
        assert accepted.given.fault is not None
        assert accepted.given.fault.reason is Reason.TAG_INVALID


def test_a_claimed_name_is_not_the_proven_one() -> None:
    """S2: what the record says of its strategy changes nothing about who wrote it."""
    body = encode(place(strategy=StrategyId("op-local")))
    accepted = intents().accept(tagged(body))
    assert accepted is not None
    assert accepted.given.writer == "strategy-demo"


@pytest.mark.parametrize("offset", [0, 1, 4, 6, 100])
def test_a_missing_offset_halts(offset: int) -> None:
    """Nothing is skipped in silence: an intent out of its place ends the stage."""
    with pytest.raises(GapError, match=f"at 5 comes offset {offset}"):
        intents(position=5).accept(stood(GOOD, offset))


# --- a stamped topic ---------------------------------------------------------------


def fence(offset: int) -> Record:
    event = PartitionFenced(
        role="guardrail", instance="g", topic_ids={}, settings={}, fenced_ns=NOW_NS
    )
    return decided(event, offset)


def decided(event: Event, offset: int) -> Record:
    tagger = keyed.tagger(Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY)
    return stood(written(event, topics.DECISIONS, tagger), offset)


def decision(epoch: int, seq: int) -> IntentRefused:
    made = Chain().decide(intent_written(place(ttl_ns=0)))
    assert isinstance(made, IntentRefused)
    return replace(made, stamp=replace(made.stamp, epoch=epoch, seq=seq, src_offset=seq))


def test_r3_a_zombies_decision_is_dropped_and_counted() -> None:
    """R3, fault K5: two guardrails after each other: the older one's late decision is void."""
    inbox = decisions()
    assert inbox.accept(fence(0)) is None
    first = inbox.accept(decided(decision(0, 0), 1))
    assert inbox.accept(fence(2)) is None
    assert inbox.accept(decided(decision(0, 1), 3)) is None
    second = inbox.accept(decided(decision(2, 1), 4))
    assert first is not None
    assert second is not None
    assert ((first.seq, first.epoch), (second.seq, second.epoch)) == ((0, 0), (1, 2))
    assert (inbox.void, inbox.position) == (1, 5)


def test_f2_a_decision_left_out_halts() -> None:
    """F2: the signer never signs past a decision that it did not get."""
    inbox = decisions()
    inbox.accept(fence(0))
    with pytest.raises(GapError, match="after seq -1 comes 1"):
        inbox.accept(decided(decision(0, 1), 1))


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", None, encode(place())])
def test_what_has_no_stamp_has_no_place_in_the_chain(body: bytes | None) -> None:
    """
    Bytes that nobody can read are void; if they were a decision, its number is missed next.

    Fault K9.
    """
    inbox = decisions()
    inbox.accept(fence(0))
    assert inbox.accept(Record(DECISIONS, 1, 0, None, body, ())) is None
    assert inbox.void == 1
    assert inbox.accept(decided(decision(0, 0), 2)) is not None
    inbox.accept(Record(DECISIONS, 3, 0, None, body, ()))
    with pytest.raises(GapError, match="after seq 0 comes 2"):
        inbox.accept(decided(decision(0, 2), 4))


def test_r6_a_decision_with_a_wrong_tag_keeps_its_place() -> None:
    """R6: it is valid by the log, so it has one output: a skip that says why."""
    made = Chain().decide(intent_written(place()))
    assert isinstance(made, OrderApproved)
    inbox = decisions()
    inbox.accept(fence(0))
    accepted = inbox.accept(decided(made, 1)._replace(headers=()))
    assert accepted is not None
    assert accepted.seq == 0
    assert accepted.given.fault is not None
    assert accepted.given.fault.reason is Reason.TAG_MISSING
