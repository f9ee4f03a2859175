"""
Automatic protection: each reaction at its limit, its evidence, once until a person resumes.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest
from pydantic import TypeAdapter

from spark import topics
from spark.codec import decode, encode
from spark.events import TradingDemoted, TradingHalted
from spark.ledger.health import Health, p95_class, sums
from spark.ledger.protection import halt_prefix, in_force, reaction
from spark.ledger.protection_case import Finding, Rule
from spark.names import AccountId, Reason, TradingMode
from tests.faring import FARED_NS, Told, health_of, judged, key_refused, overfilled
from tests.made import ACCOUNT, SECOND_NS
from tests.persons import LOCAL, SECOND, Room, resume, signed

_MINUTE: Final = 60 * SECOND_NS


def obeyed(room: Room, finding: Finding, at_ns: int) -> None:
    """Let what a reaction says come into force."""
    room.now_ns = at_ns
    for event in reaction(finding, at_ns):
        room.stop(event)


def resumed(room: Room, at_ns: int) -> None:
    """Let two persons resume after everything that is in force."""
    room.now_ns = at_ns
    halts = [(halt.halt, halt.offset) for halt in room.control.halts_in_force()]
    proposal = resume(*halts, expires_ns=at_ns + _MINUTE)
    for person in (LOCAL, SECOND):
        assert room.say(signed(proposal, person)) == ""


def nonce_errors(errors: int, good: int) -> Told:
    told = Told()
    told.many(good, FARED_NS - 2 * _MINUTE)
    for _ in range(errors):
        told.refused(FARED_NS - _MINUTE, "-1021")
    return told


def limited(count: int) -> Told:
    told = Told()
    for number in range(count):
        told.refused(FARED_NS - _MINUTE + number * SECOND_NS, "RATE_LIMIT", 429)
    told.many(2_000, FARED_NS - 50 * _MINUTE)
    return told


def slow(minutes: int, took_ms: int, per_minute: int = 2) -> Told:
    """So many whole minutes of acknowledgements before now."""
    told = Told()
    for minute in range(minutes, 0, -1):
        told.many(per_minute, FARED_NS - minute * _MINUTE + SECOND_NS, took_ms)
    return told


def failing(errors: int, good: int) -> Told:
    told = Told()
    told.many(good, FARED_NS - 30 * _MINUTE)
    for _ in range(errors):
        told.unanswered(FARED_NS - _MINUTE)
    return told


def late_fill() -> Told:
    told = Told()
    life = told.refused(FARED_NS - _MINUTE, "INSUFFICIENT_BALANCE")
    told.ends(life, life.filled("1", "1", "t"), FARED_NS - SECOND_NS)
    return told


_UNDER: Final[dict[str, Callable[[], Told]]] = {
    "nothing": Told,
    "one of a hundred nonces": lambda: nonce_errors(1, 10),
    "nonces at the limit": lambda: nonce_errors(2, 198),
    "rate limits at the limit": lambda: limited(9),
    "P95 of 2 s": lambda: slow(12, 2_000),
    "slow for nine minutes": lambda: slow(9, 2_500),
    "slow, but too few orders": lambda: slow(5, 2_500, 1),
    "errors at the limit": lambda: failing(5, 995),
    "few errors of few": lambda: failing(4, 10),
}
_OVER: Final[dict[str, tuple[Callable[[], Told], Rule]]] = {
    "nonces": (lambda: nonce_errors(2, 197), Rule.NONCE),
    "rate limits": (lambda: limited(10), Rule.RATE_LIMIT),
    "slow for eleven minutes": (lambda: slow(11, 2_001), Rule.PLACE_ACK),
    "no answers": (lambda: failing(5, 994), Rule.ERROR_BUDGET),
    "a fill after the end": (late_fill, Rule.LATE_FILL),
    "more filled than ordered": (overfilled, Rule.OVERFILL),
    "a refused key": (key_refused, Rule.KEY_REFUSED),
}


@pytest.mark.parametrize("name", list(_UNDER))
def test_at_the_limit_nothing_happens(name: str) -> None:
    """B10: each threshold is to be exceeded, and by more than a mishap."""
    assert judged(_UNDER[name]()) == []


@pytest.mark.parametrize("name", list(_OVER))
def test_above_the_limit_the_reaction_is_due_with_its_evidence(name: str) -> None:
    """B10, fault V3: what was found, the limit and the window stand in the record."""
    told, rule = _OVER[name]

    (finding,) = judged(told())

    assert finding.rule is rule
    assert {"found", "limit", "window"} <= finding.evidence.keys()
    assert all(finding.evidence.values())
    for event in reaction(finding, FARED_NS):
        assert decode(encode(event)) == event
        assert event.halt.startswith(halt_prefix(rule, ACCOUNT))


def test_each_reaction_is_the_one_that_the_specification_names() -> None:
    """B10: nonce -> one order a minute; 429 -> one at a time; the others -> kill and paper."""
    found = {rule: reaction(judged(told())[0], FARED_NS) for told, rule in _OVER.values()}

    (nonce,), (burst,) = found[Rule.NONCE], found[Rule.RATE_LIMIT]
    assert isinstance(nonce, TradingDemoted)
    assert (nonce.orders_per_minute_max, nonce.concurrency_max, nonce.mode) == (1, None, None)
    assert isinstance(burst, TradingDemoted)
    assert (burst.orders_per_minute_max, burst.concurrency_max, burst.mode) == (None, 1, None)
    kills = (
        Rule.PLACE_ACK,
        Rule.ERROR_BUDGET,
        Rule.LATE_FILL,
        Rule.OVERFILL,
        Rule.KEY_REFUSED,
    )
    for rule in kills:
        kill, paper = found[rule]
        assert isinstance(kill, TradingHalted)
        assert kill.account == ""
        assert isinstance(paper, TradingDemoted)
        assert (paper.account, paper.mode) == (ACCOUNT, TradingMode.PAPER)


@pytest.mark.parametrize("name", list(_OVER))
def test_a_reaction_comes_once_until_a_person_resumes(name: str) -> None:
    """B10: only a person goes back; after that, what was before the resume counts no more."""
    told, rule = _OVER[name]
    room = Room()
    obeyed(room, judged(told())[0], FARED_NS)

    assert in_force(room.control, rule, ACCOUNT)
    assert judged(told(), FARED_NS + SECOND_NS, room.control) == []
    resumed(room, FARED_NS + 2 * SECOND_NS)
    assert not in_force(room.control, rule, ACCOUNT)
    assert judged(told(), FARED_NS + 3 * SECOND_NS, room.control) == []


def test_the_same_again_after_a_resume_is_found_again() -> None:
    """B10: a resume forgives the past, not the future."""
    told, room = nonce_errors(2, 10), Room()
    obeyed(room, judged(told)[0], FARED_NS)
    resumed(room, FARED_NS)
    for _ in range(2):
        told.refused(FARED_NS + _MINUTE, "-1021")

    (finding,) = judged(told, FARED_NS + 2 * _MINUTE, room.control)

    assert finding.evidence["found"] == "2 of 2 requests, 100.00%"


def test_nonce_errors_that_last_kill() -> None:
    """B10: still above 1 % five minutes after the first reaction: kill and paper."""
    told, room = nonce_errors(2, 10), Room()
    obeyed(room, judged(told)[0], FARED_NS)
    told.acked(FARED_NS + _MINUTE)
    told.refused(FARED_NS + 4 * _MINUTE, "-1021")

    assert judged(told, FARED_NS + 5 * _MINUTE - 1, room.control) == []
    (finding,) = judged(told, FARED_NS + 5 * _MINUTE, room.control)

    assert (finding.rule, finding.is_kill) == (Rule.NONCE_LASTS, True)
    assert finding.evidence["found"] == "1 of 2 requests, 50.00%"
    assert finding.evidence["exchange_clock"].startswith("3000 ms ahead, within 4 ms")


def test_nonce_errors_that_ended_do_not_kill() -> None:
    """B10: the errors of before the reaction are no proof that it did not help."""
    told, room = nonce_errors(20, 10), Room()
    obeyed(room, judged(told)[0], FARED_NS)
    for minute in range(1, 6):
        told.acked(FARED_NS + minute * _MINUTE)

    assert judged(told, FARED_NS + 6 * _MINUTE, room.control) == []


def test_a_budget_that_was_spent_and_burns_no_more_does_not_kill() -> None:
    """B10: the last five minutes must be bad as well."""
    told = failing(5, 10)
    told.many(10, FARED_NS + 8 * _MINUTE)

    assert judged(told, FARED_NS + 10 * _MINUTE) == []


def test_one_good_minute_ends_a_slow_spell() -> None:
    """B10: ten minutes without a break."""
    told = Told()
    for minute in range(25, 0, -1):
        told.many(2, FARED_NS - minute * _MINUTE + SECOND_NS, 2_500)
        if minute == 4:
            told.many(60, FARED_NS - minute * _MINUTE + 2 * SECOND_NS, 20)

    assert judged(told) == []
    assert judged(slow(25, 2_500))[0].rule is Rule.PLACE_ACK


def test_a_place_without_an_answer_is_a_slow_one() -> None:
    """B10: an exchange that says nothing is not fast."""
    told = Told()
    for minute in range(11, 0, -1):
        told.unanswered(FARED_NS - minute * _MINUTE + SECOND_NS)
        told.many(200, FARED_NS - minute * _MINUTE + 2 * SECOND_NS, 2_500)

    rules = [finding.rule for finding in judged(told)]

    assert rules == [Rule.PLACE_ACK]
    assert p95_class(health_of(told).slots[FARED_NS // (10 * SECOND_NS) - 6].latencies) == 9


@pytest.mark.parametrize("mode", [TradingMode.PAPER, TradingMode.SHADOW])
def test_what_trades_for_nobody_kills_nothing(mode: TradingMode) -> None:
    """A10: paper and shadow orders do not count."""
    told = Told(mode=mode)
    for _ in range(20):
        told.refused(FARED_NS - _MINUTE, "-1021")
        told.unanswered(FARED_NS - _MINUTE)

    assert judged(told) == []
    assert sums(health_of(told), after_ns=0, now_ns=FARED_NS).ended == 0


def test_what_is_told_twice_counts_once() -> None:
    """R4: a repeated answer, and one of an epoch that is over."""
    told = Told()
    life = told.unanswered(FARED_NS - _MINUTE)
    told.ends(life, life.unknown(told.epoch), FARED_NS - _MINUTE)
    other = told.claimed(FARED_NS - _MINUTE)
    told.ends(other, other.unknown(told.epoch + 99), FARED_NS - _MINUTE)
    told.ends(other, other.acked(), FARED_NS - _MINUTE)
    told.ends(other, other.acked(), FARED_NS - _MINUTE)

    found = sums(health_of(told), after_ns=0, now_ns=FARED_NS)

    assert (found.ended, found.unknown, sum(found.latencies)) == (2, 1, 2)


def test_the_order_between_topics_does_not_matter() -> None:
    """R15: decisions read before or after the events, the latencies are the same."""
    told = slow(11, 2_500)
    decisions = [one for one in told.records if one[0] == topics.DECISIONS]
    events = [one for one in told.records if one[0] != topics.DECISIONS]

    first = health_of(told, [*decisions, *events])
    last = health_of(told, [*events, *decisions])

    assert first.slots == last.slots
    assert not last.acked_ns
    assert not first.asked_ns


def test_cancels_count_as_requests() -> None:
    """B10: a cancel that the exchange limits is a rate limit, too."""
    told = Told()
    life = told.acked(FARED_NS - _MINUTE)
    told.ends(life, life.claimed(told.epoch, cancel_of="c1"), FARED_NS - _MINUTE)
    refused = replace(life.cancel_rejected("c1"), code="RATE_LIMIT", http_status=429)
    told.ends(life, refused, FARED_NS - _MINUTE)

    found = sums(health_of(told), after_ns=0, now_ns=FARED_NS)

    assert (found.ended, found.limited) == (2, 1)


def test_a_request_that_was_not_sent_is_no_request() -> None:
    """B10: what ended before its first byte says nothing of the exchange."""
    told = Told()
    life = told.claimed(FARED_NS - _MINUTE)
    told.ends(life, life.not_sent(Reason.SIGNATURE_EXPIRED, epoch=told.epoch), FARED_NS - _MINUTE)

    health = health_of(told)

    assert sums(health, after_ns=0, now_ns=FARED_NS).ended == 0
    assert not health.asked_ns


def test_a_restart_of_our_own_is_no_error_of_the_exchange() -> None:
    """B10: what was in flight when the gateway ended is unknown, and settled by asking."""
    told = Told()
    for _ in range(20):
        told.unanswered(FARED_NS - _MINUTE, cause="restart")

    assert judged(told) == []
    assert not health_of(told).asked_ns


def test_memory_is_that_of_an_hour() -> None:
    """The slots of an hour, however long it goes on; a straggler counts nowhere."""
    told = Told()
    for minute in range(0, 300, 3):
        told.acked(FARED_NS + minute * _MINUTE)
    told.acked(FARED_NS)

    health = health_of(told)

    assert len(health.slots) <= 361
    assert min(health.slots) > FARED_NS // (10 * SECOND_NS)


def test_health_survives_being_kept() -> None:
    """R8: plain values."""
    adapter, health = TypeAdapter(Health), health_of(slow(11, 2_500))

    assert adapter.validate_json(adapter.dump_json(health)) == health


def test_another_accounts_reaction_is_not_mine() -> None:
    """B10: each account is judged by its own."""
    room = Room()
    finding = replace(judged(nonce_errors(2, 10))[0], account=AccountId("btcturk:main"))
    obeyed(room, finding, FARED_NS)

    assert judged(nonce_errors(2, 10), FARED_NS, room.control) != []
