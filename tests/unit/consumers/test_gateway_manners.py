"""
How the gateway treats an exchange: what waits, what ends, and what goes all the same.
"""

from dataclasses import replace

import pytest

from spark.consumers.gateway_intake import Now, Opened
from spark.consumers.gateway_manners import Manners, VenueRules
from spark.errors import VenueUnavailable
from spark.events import Refusal
from spark.exchanges.port import Answer, Outcome
from spark.exchanges.proof import Times, cancel_rejected, refused, rejected
from spark.ledger.budget import Rules
from spark.ledger.dispatch import Ready
from spark.names import Action, BreakerState, ClientOrderId, Reason, TradingMode
from tests.hops import Chain, intent_written, opened
from tests.made import NOW_NS, SECOND_NS, place
from tests.mannered import manners

NOW = Now(NOW_NS, 0)
LIFE_NS = 5 * SECOND_NS
TAKEN = Outcome(answer=Answer.DEFINITE)
SILENT = Outcome(answer=Answer.UNKNOWN, cause="timeout")


def _model() -> Ready:
    chain = Chain()
    _, out = chain.sign(chain.decide(intent_written(place())))
    found = opened(out)
    assert isinstance(found, Opened)
    sealed = replace(found.sealed, not_after_ns=NOW_NS + LIFE_NS)
    return Ready(
        sealed=sealed,
        approval=found.approval,
        request=found.request,
        offset=0,
        appended_ns=NOW_NS,
        too_old_ns=LIFE_NS,
    )


MODEL = _model()


def request(
    number: int, *, action: Action = Action.PLACE, mode: TradingMode = TradingMode.LIVE
) -> Ready:
    """A request that lives for 5 s from NOW on."""
    name = ClientOrderId(f"o{number}")
    sealed = replace(MODEL.sealed, client_order_id=name, action=action, mode=mode)
    return replace(MODEL, sealed=sealed, offset=number)


def cancel(number: int) -> Ready:
    return request(number, action=Action.CANCEL)


def later(by_ns: int) -> Now:
    return Now(NOW.wall_ns + by_ns, NOW.monotonic_ns + by_ns)


def refused_with(code: str, status: int, *, is_place: bool = True) -> Outcome:
    """A definite refusal, of a place or of a cancel."""
    about, times = MODEL.about(), Times(1, 2)
    if is_place:
        return refused(rejected(about, code, status=status, times=times))
    return refused(cancel_rejected(about, code, status=status, times=times))


def limited(seconds: float, *, of_address: bool = True) -> Outcome:
    """A definite refusal for too many requests."""
    found = refused_with("RATE_LIMIT", 429)
    return replace(found, retry_after_s=seconds, is_address_limited=of_address)


def leaves(at: Manners, ready: Ready, now: Now = NOW) -> Refusal | str | None:
    """Let a request try: None where it is sent, why where it ends, `waits` where it stays."""
    at.begin(None, now)
    if not at.may_leave(ready, now):
        return "waits"
    refusal = at.refusal(ready, now)
    if refusal is None:
        at.claims(ready)
    else:
        at.drop(ready, now)
    return refusal


def code(found: Refusal | str | None) -> Reason:
    assert isinstance(found, Refusal)
    return found.code


@pytest.mark.parametrize("of_address", [True, False])
def test_trap_14_nothing_goes_before_retry_after_is_over_and_then_it_goes(
    *, of_address: bool
) -> None:
    """Trap 14, A4: places and cancels wait to the letter; the gateway wakes when it is over."""
    at = manners(1)
    at.claims(request(1))
    at.answered(request(1), limited(3, of_address=of_address), NOW)
    for ready in (request(2), cancel(3)):
        assert leaves(at, ready, later(3 * SECOND_NS - 1)) == "waits"
        assert at.due_ns() == 3 * SECOND_NS
        assert leaves(at, ready, later(3 * SECOND_NS)) is None


def test_a4_what_would_expire_while_it_waits_ends_at_once() -> None:
    """A4, A11: whoever asked learns it now, not when the ban is over."""
    at = manners(1)
    at.answered(request(1), limited(30), NOW)
    for ready in (request(2), cancel(3)):
        refusal = leaves(at, ready)
        assert code(refusal) is Reason.VENUE_BACKING_OFF
        assert isinstance(refusal, Refusal)
        assert refusal.found == "30 s"


def test_a4_an_address_is_shared_and_an_account_is_not() -> None:
    """A4: per account and per address."""
    one = manners(1)
    two = Manners(account=one.account, epoch=1, address=one.address)
    one.answered(request(1), limited(3, of_address=False), NOW)
    assert leaves(one, request(2)) == "waits"
    assert leaves(two, request(2)) is None
    one.answered(request(3), limited(3), NOW)
    assert leaves(two, request(4)) == "waits"


def test_a4_a_refusal_stops_what_stands_at_the_door_already() -> None:
    """A4: asked again right before the first byte: a sibling may have been refused meanwhile."""
    at = manners(1)
    assert leaves(at, request(1)) is None
    assert leaves(at, request(2)) is None
    at.answered(request(1), limited(30), NOW)
    assert code(at.refusal(request(2), NOW)) is Reason.VENUE_BACKING_OFF


def test_a4_a_question_that_was_refused_holds_orders_too() -> None:
    """A4: the address does not care who asked."""
    at = manners(1)
    at.stay_away_for(VenueUnavailable("x", retry_after_s=3, is_address_limited=True), NOW)
    assert leaves(at, request(1)) == "waits"
    assert at.ask_wait_ns(NOW) == 3 * SECOND_NS
    other = manners(1)
    other.stay_away_for(VenueUnavailable("x"), NOW)
    assert leaves(other, request(1)) is None


def test_b10_a_burst_of_429_lowers_concurrency_to_1_by_itself() -> None:
    """B10, A4: at once, before the sentinel says so; what it says stays the stricter."""
    at = manners(1)
    for number in range(3):
        assert at.concurrency_max(None, NOW) is None
        at.answered(request(number), limited(1), NOW)
    assert at.concurrency_max(None, NOW) == 1
    assert at.concurrency_max(None, later(90 * SECOND_NS)) is None
    assert at.concurrency_max(1, later(90 * SECOND_NS)) == 1


def test_a4_the_budget_is_for_orders_first() -> None:
    """A4, fault V3: questions stop at their part, places at theirs, cancels go on."""
    at = manners(1, VenueRules(budget=Rules(weight_per_minute=100)))
    asked = sum(at.ask_wait_ns(NOW) == 0 for _ in range(100))
    placed = [leaves(at, request(number)) for number in range(60)]
    assert asked == 50
    assert placed.count(None) == 40
    # More than their life until the minute is over.
    assert code(placed[-1]) is Reason.VENUE_BACKING_OFF
    assert leaves(at, cancel(100)) is None


def test_a4_an_order_that_is_accepted_for_nothing_costs_nothing() -> None:
    """A4, exchanges.md §2.3: accepted places and cancels have no weight at Binance; others do."""
    at = manners(1, VenueRules(budget=Rules(weight_per_minute=10, is_success_free=True)))
    for number in range(100):
        assert leaves(at, request(number)) is None
        at.answered(request(number), TAKEN, NOW)
    assert at.address.budget.spent == 0
    assert leaves(at, request(200)) is None
    at.answered(request(200), SILENT, NOW)
    assert at.address.budget.spent == 1


def test_trap_14_the_exchanges_own_count_is_believed_where_it_is_higher() -> None:
    """Trap 14: others on the address spend too; what the reply's header says counts."""
    at = manners(1, VenueRules(budget=Rules(weight_per_minute=100)))
    at.answered(request(1), replace(TAKEN, weight_used=95), NOW)
    assert code(leaves(at, request(2))) is Reason.VENUE_BACKING_OFF
    assert leaves(at, cancel(3)) is None


def test_a4_an_open_breaker_ends_places_and_lets_cancels_and_questions_go() -> None:
    """A4: not claimed, not a byte; getting out is never cut off."""
    at = manners(1)
    for number in range(5):
        assert leaves(at, request(number)) is None
        at.answered(request(number), SILENT, NOW)
    (change,) = at.take_changes()
    assert (change.state, change.cause, change.epoch) == (BreakerState.OPEN, "failures", 1)
    assert change.evidence["in_a_row"] == "5"
    assert code(leaves(at, request(9))) is Reason.BREAKER_OPEN
    assert code(at.refusal(request(9), NOW)) is Reason.BREAKER_OPEN
    assert leaves(at, cancel(10)) is None
    assert at.ask_wait_ns(NOW) == 0


def test_a4_no_connection_is_a_failure_and_a_halt_at_the_door_is_none() -> None:
    """A4: only the exchange's silence counts, not our own reasons."""
    at = manners(1)
    for number in range(9):
        at.unsent(request(number), Reason.KILL_SWITCH_ACTIVE, NOW)
    assert at.take_changes() == []
    for number in range(5):
        at.unsent(request(number), Reason.CONNECTION_UNAVAILABLE, NOW)
    assert [one.state for one in at.take_changes()] == [BreakerState.OPEN]


def test_a4_a_refusal_and_a_duplicate_are_answers() -> None:
    """A4: an exchange that says no is there."""
    at = manners(1)
    for number in range(20):
        at.answered(request(number), limited(0.5), NOW)
        doubt = Outcome(answer=Answer.UNKNOWN, cause="duplicate")
        at.answered(request(number), doubt, NOW)
    assert at.take_changes() == []


@pytest.mark.parametrize(
    ("code", "status", "is_place"),
    [
        ("REJECTED_MBX_KEY", 401, True),
        ("REJECTED_MBX_KEY", 400, True),
        ("BAD_API_KEY_FMT", 401, False),
        ("INVALID_SIGNATURE", 400, True),
        ("INVALID_REQUEST", 401, False),
    ],
)
def test_a_refused_key_stops_places_at_once_and_no_cancel(
    code: str, status: int, *, is_place: bool
) -> None:
    """Fault V7: whichever request it was, the next place ends unsent; getting out goes on."""
    at = manners(1)
    first = request(1) if is_place else cancel(1)
    assert leaves(at, first) is None
    assert leaves(at, request(2)) is None
    at.answered(first, refused_with(code, status, is_place=is_place), NOW)
    (change,) = at.take_changes()
    assert (change.state, change.cause) == (BreakerState.OPEN, "key_refused")
    assert change.evidence["said"] == f"{code}, HTTP {status}"
    at_the_door = at.refusal(request(2), NOW)
    assert at_the_door is not None
    assert at_the_door.code is Reason.BREAKER_OPEN
    refusal = leaves(at, request(3))
    assert isinstance(refusal, Refusal)
    assert refusal.code is Reason.BREAKER_OPEN
    assert leaves(at, cancel(4)) is None


@pytest.mark.parametrize(
    ("code", "status"),
    [("INSUFFICIENT_BALANCE", 400), ("INVALID_NONCE", 401), ("-1021", 400), ("RATE_LIMIT", 429)],
)
def test_a_refusal_that_is_not_about_the_key_leaves_it_closed(code: str, status: int) -> None:
    """A4, V7: the order, our clock and our rate have reactions of their own."""
    at = manners(1)
    at.answered(request(1), refused_with(code, status), NOW)
    assert at.take_changes() == []


def test_a4_after_it_cooled_one_place_goes_as_a_probe() -> None:
    """A4: half open: the second place ends, the probe's answer closes it."""
    at = manners(1)
    for number in range(5):
        at.answered(request(number), SILENT, NOW)
    at.take_changes()
    at.begin(None, NOW)
    assert at.due_ns() == 10 * SECOND_NS, "the gateway looks again when it has cooled"
    cool = later(10 * SECOND_NS)
    probe, second = (
        replace(
            request(number),
            too_old_ns=60 * SECOND_NS,
            sealed=replace(request(number).sealed, not_after_ns=NOW_NS + 60 * SECOND_NS),
        )
        for number in (11, 12)
    )
    assert leaves(at, probe, cool) is None
    assert code(leaves(at, second, cool)) is Reason.BREAKER_OPEN
    assert at.refusal(probe, cool) is None
    at.answered(probe, TAKEN, cool)
    assert leaves(at, second, cool) is None
    causes = [one.cause for one in at.take_changes()]
    assert causes == ["cooled", "probe_answered"]


def test_b1_orders_on_paper_are_nobodys_weight_and_no_breakers() -> None:
    """B1: nothing of them goes to the exchange, so nothing of it holds them."""
    at = manners(1, VenueRules(budget=Rules(weight_per_minute=1)))
    at.answered(request(0), limited(30), NOW)
    at.begin(BreakerState.OPEN, NOW)
    for number in range(20):
        ready = request(number, mode=TradingMode.PAPER)
        assert at.may_leave(ready, NOW)
        assert at.refusal(ready, NOW) is None
        at.claims(ready)
        at.answered(ready, SILENT, NOW)
    assert at.address.budget.spent == 0
    assert [one.cause for one in at.take_changes()] == ["person"]
