"""
The circuit breaker: what opens it, how it cools, and whom it obeys.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.ledger.breaker import COOL_NS, Breaker, Change
from spark.names import BreakerState, ClientOrderId

_S = 1_000_000_000
CLOSED, OPEN, HALF = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
ONE, TWO = ClientOrderId("one"), ClientOrderId("two")


def ends(breaker: Breaker, pattern: str, *, every_ns: int = _S) -> list[str]:
    """Let places end, `x` badly; gives the causes of what changed."""
    causes = []
    for number, letter in enumerate(pattern):
        change = breaker.ended(is_bad=letter == "x", now_ns=number * every_ns, place=ONE)
        causes += [] if change is None else [change.cause]
    return causes


def opened() -> Breaker:
    """One that failures opened at 4 s."""
    breaker = Breaker()
    assert ends(breaker, "xxxxx") == ["failures"]
    return breaker


@pytest.mark.parametrize(
    ("pattern", "state"),
    [
        ("xxxx", CLOSED),
        ("xxxxx", OPEN),
        ("xxxx.xxxx", CLOSED),
        ("xxxx.xxxx.x", OPEN),
        (".x.x.x.x.x.x.x", CLOSED),
        (".xx.xx.xx.xx", OPEN),
        ("." * 30, CLOSED),
    ],
)
def test_a4_too_much_without_an_answer_opens_it(pattern: str, state: BreakerState) -> None:
    """A4: five in a row, or more than half of ten within half a minute."""
    breaker = Breaker()
    ends(breaker, pattern)
    assert breaker.state is state


def test_a4_what_ended_long_ago_counts_no_more() -> None:
    """A4: the window slides; two failures in ten minutes are none."""
    breaker = Breaker()
    assert ends(breaker, "xx..xx..xx..xx.." * 3, every_ns=20 * _S) == []


def test_a4_it_cools_and_one_probe_decides() -> None:
    """A4: closed → open → half open; one place goes, and its answer closes or opens it."""
    breaker = opened()
    assert breaker.holds(ONE)
    assert breaker.look(4 * _S + COOL_NS - 1) is None
    assert breaker.cool_wait_ns(4 * _S + COOL_NS - 1) == 1
    cooled = breaker.look(4 * _S + COOL_NS)
    assert isinstance(cooled, Change)
    assert (cooled.state, cooled.cause) == (HALF, "cooled")
    assert not breaker.holds(ONE)
    breaker.claims(ONE)
    assert breaker.holds(TWO)
    assert not breaker.holds(ONE)
    failed = breaker.ended(is_bad=True, now_ns=20 * _S, place=ONE)
    assert failed is not None
    assert (failed.state, failed.cause) == (OPEN, "probe_failed")
    breaker.look(20 * _S + COOL_NS)
    breaker.claims(TWO)
    answered = breaker.ended(is_bad=False, now_ns=40 * _S, place=TWO)
    assert answered is not None
    assert (answered.state, answered.cause) == (CLOSED, "probe_answered")


def test_a_probe_that_never_left_gives_its_place_to_another() -> None:
    """A4: a halt at the last moment must not leave the breaker waiting for no answer."""
    breaker = opened()
    breaker.look(60 * _S)
    breaker.claims(ONE)
    breaker.unsent(ONE)
    assert not breaker.holds(TWO)


def test_a_cancel_proves_nothing_about_places() -> None:
    """A4: an exchange that only takes cancels is not back; its failures count all the same."""
    breaker = opened()
    breaker.look(60 * _S)
    breaker.claims(ONE)
    assert breaker.ended(is_bad=False, now_ns=61 * _S, place=None) is None
    assert breaker.state is HALF
    other = Breaker()
    for _ in range(5):
        other.ended(is_bad=True, now_ns=0, place=None)
    assert other.state is OPEN


def test_a4_a_persons_word_holds_it() -> None:
    """A4: operable: open stays open, closed stays closed, until it is left to itself."""
    breaker = Breaker()
    said = breaker.told(OPEN, 0)
    assert said is not None
    assert (said.state, said.cause) == (OPEN, "person")
    assert breaker.told(OPEN, 1) is None
    assert breaker.look(1_000 * _S) is None
    assert breaker.cool_wait_ns(1_000 * _S) == 0
    assert breaker.told(None, 1_000 * _S) is None
    cooled = breaker.look(1_000 * _S)
    assert cooled is not None
    assert cooled.state is HALF
    closed = breaker.told(CLOSED, 1_001 * _S)
    assert closed is not None
    assert ends(breaker, "x" * 20) == []
    assert breaker.state is CLOSED


@pytest.mark.parametrize("before", [CLOSED, HALF])
def test_a_refused_key_opens_it_at_once(before: BreakerState) -> None:
    """Fault V7: one is enough, of a place, of a probe or of a cancel; then it cools as always."""
    breaker = Breaker(state=before)
    breaker.claims(ONE)
    change = breaker.key_refused("REJECTED_MBX_KEY, HTTP 401", _S)
    assert change is not None
    assert (change.state, change.cause) == (OPEN, "key_refused")
    assert change.evidence["said"] == "REJECTED_MBX_KEY, HTTP 401"
    assert change.evidence["in_a_row"] == "0", "an answer is no failure"
    assert breaker.key_refused("REJECTED_MBX_KEY, HTTP 401", 2 * _S) is None, "once said"
    cooled = breaker.look(_S + COOL_NS)
    assert cooled is not None
    assert cooled.state is HALF
    assert not breaker.holds(TWO)


def test_a_refused_key_obeys_a_persons_word() -> None:
    """A4, V7: held closed by a person, it stays so; the sentinel kills all the same."""
    breaker = Breaker()
    breaker.told(CLOSED, 0)
    assert breaker.key_refused("UNAUTHORIZED, HTTP 401", 1) is None
    assert breaker.state is CLOSED


def test_a_clock_that_was_set_back_does_not_keep_it_open() -> None:
    """A4, C1, fault C1: it cools for as long as it cools."""
    breaker = Breaker(state=OPEN, since_ns=3_600 * _S)
    assert breaker.look(0) is None
    assert breaker.look(COOL_NS) is not None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20 * _S)), max_size=200))
def test_a4_while_open_no_place_goes_and_while_half_open_one(
    acts: list[tuple[bool, int]],
) -> None:
    """A4: whatever happens, never two probes at a time, and never a place while open."""
    breaker, now_ns, flying = Breaker(), 0, set[ClientOrderId]()
    for number, (is_bad, pause_ns) in enumerate(acts):
        now_ns += pause_ns
        breaker.look(now_ns)
        place = ClientOrderId(str(number))
        if not breaker.holds(place):
            assert breaker.state is not OPEN
            assert breaker.state is CLOSED or breaker.probe is None
            breaker.claims(place)
            flying.add(place)
        if flying and pause_ns % 2:
            breaker.ended(is_bad=is_bad, now_ns=now_ns, place=flying.pop())
