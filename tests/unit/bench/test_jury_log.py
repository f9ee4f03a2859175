"""The jury's reading of the log: every loss and every second time is found."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from spark.bench.jury.log import Topics
from spark.bus.port import Record
from spark.codec import encode
from spark.events import Decision, Event, OrderApproved, PartitionFenced, Signed
from spark.names import Action, Reason
from spark.signing import short_digest
from tests.hops import Chain, intent_written, stood
from tests.made import ACCOUNT, NOW_NS, SECOND_NS, Life, origin, place

_NAMES: Final = ("one", "two")
_FENCE: Final = PartitionFenced(role="r", instance="i", topic_ids={}, settings={}, fenced_ns=NOW_NS)
#: Offsets of the records below: a fence is at 0.
_EPOCH: Final = 0


def hops() -> tuple[list[Record], list[Decision], list[Signed]]:
    """Carry two intents as far as the signer does, in an epoch that begins at offset 0."""
    chain = Chain()
    asked = [place(name, quantity=Decimal(1 + n) / 1000) for n, name in enumerate(_NAMES)]
    written = [intent_written(intent) for intent in asked]
    decisions = [chain.decide(out, offset=n) for n, out in enumerate(written)]
    signed = [chain.sign(decision)[0] for decision in decisions]
    decided = [in_epoch(one, n) for n, one in enumerate(decisions)]
    return (
        [stood(out, n) for n, out in enumerate(written)],
        decided,
        [
            about(in_epoch(one, n), offset, decided[n])
            for n, (offset, one) in enumerate(enumerate(signed, 1))
        ],
    )


def about(event: Any, offset: int, decision: Decision) -> Any:  # noqa: ANN401  (as it came)
    digest = short_digest(encode(decision))
    stamp = replace(event.stamp, src_offset=offset, src_epoch=_EPOCH, src_digest=digest)
    return replace(event, stamp=stamp)


def in_epoch(event: Any, seq: int, epoch: int = _EPOCH) -> Any:  # noqa: ANN401  (as it came)
    return replace(event, stamp=replace(event.stamp, epoch=epoch, seq=seq))


def told(
    decisions: list[Decision], signed: list[Signed], events: list[Event], records: list[Record]
) -> Topics:
    made = Topics(ACCOUNT)
    for record in records:
        made.intent(record)
    for offset, decided in enumerate([_FENCE, *decisions]):
        made.decision(offset, decided, short_digest(encode(decided)))
    for offset, sealed in enumerate([_FENCE, *signed]):
        made.signature(offset, sealed)
    for offset, event in enumerate([_FENCE, *events]):
        made.event(offset, event)
    return made


def lives(decisions: list[Decision]) -> list[list[Event]]:
    found: list[list[Event]] = []
    for offset, decision in enumerate(decisions, 1):
        assert isinstance(decision, OrderApproved)
        life = Life(_NAMES[offset - 1])
        claimed = replace(life.claimed(_EPOCH), origin=origin(offset))
        found.append([claimed, life.acked()])
    return found


def test_two_whole_lives_leave_nothing_to_say() -> None:
    """R6: each intent decided, signed, claimed and answered once."""
    records, decisions, signed = hops()
    first, second = lives(decisions)
    found = told(decisions, signed, [*first, *second], records)
    assert list(found.losses()) == []
    assert found.unanswered() == []
    assert len(found.approved) == len(_NAMES)


def test_what_is_missing_at_any_hop_is_named() -> None:
    """R6: an intent without a decision, a decision without a signature, a signature without."""
    records, decisions, signed = hops()
    first, second = lives(decisions)
    said = [*first, *second]
    assert list(told(decisions[:1], signed[:1], first, records).losses())
    assert list(told(decisions, signed[:1], first, records).losses())
    assert list(told(decisions, signed, first, records).losses())
    assert list(told(decisions[1:], signed, said, records).losses())
    assert told(decisions, signed, [first[0], *second], records).unanswered()


def test_a_signature_of_another_decision_is_named() -> None:
    """R1: each signed record says which decision it is about, and there is that one."""
    records, decisions, signed = hops()
    first, second = lives(decisions)
    for offset in (1, 2):
        wrong = [signed[0], about(signed[1], offset, decisions[0])]
        assert list(told(decisions, wrong, [*first, *second], records).losses())


def test_what_arrives_long_after_its_approval_is_named() -> None:
    """A11: whatever slept and woke up sends nothing old."""
    records, decisions, signed = hops()
    first, second = lives(decisions)
    found = told(decisions, signed, [*first, *second], records)
    order = next(iter(found.approved.values()))
    line = {"method": "POST", "path": "/api/v3/order", "client_order_id": order.client_order_id}
    for late_s, count in ((4, 0), (6, 1)):
        at_ns = order.expires_ns + late_s * SECOND_NS
        assert len(found.late([line | {"at_ns": at_ns}])) == count


def test_what_is_there_twice_is_named() -> None:
    """R1, R2: two claims that count, and two requests of one id."""
    records, decisions, signed = hops()
    first, second = lives(decisions)
    twice = told(decisions, signed, [*first, *first, *second], records)
    assert list(twice.losses())
    key = Life(_NAMES[0]).client_order_id
    line = {"method": "POST", "path": "/api/v3/order", "client_order_id": key}
    once = told(decisions, signed, [*first, *second], records)
    assert once.claims[Action.PLACE, key] == 1
    assert once.requests_too_many([line]) == []
    assert once.requests_too_many([line, line])
    unclaimed = told(decisions, signed, second, records)
    assert unclaimed.requests_too_many([line])


def test_records_of_an_epoch_that_is_over_count_for_nothing() -> None:
    """R3: a zombie's decision is dropped, its approval with it."""
    records, decisions, _ = hops()
    zombie = in_epoch(decisions[1], 1, epoch=-1)
    found = told([decisions[0], zombie], [], [], records)
    assert found.decided.void == 1
    assert len(found.approved) == 1


def test_an_end_without_a_byte_is_an_answer() -> None:
    """R10: claimed and then not sent is one end, and nothing is open."""
    records, decisions, signed = hops()
    first, second = lives(decisions)
    ended = replace(
        Life(_NAMES[0]).not_sent(Reason.SIGNATURE_EXPIRED, epoch=_EPOCH), origin=origin(1)
    )
    found = told(decisions, signed, [first[0], ended, *second], records)
    assert list(found.losses()) == []
    assert found.unanswered() == []
