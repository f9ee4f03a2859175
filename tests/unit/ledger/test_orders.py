"""
The order state table, whole.
"""

import itertools

import pytest

from spark.ledger.orders import (
    CLOSED,
    EVIDENCE,
    OPEN,
    TABLE,
    ImpossibleTransitionError,
    Seen,
    is_odd,
    step,
)
from spark.names import OrderState as State

PAIRS = list(itertools.product(State, Seen))

#: Spec A6, word for word; `claimed` is in flight, between pending and submitted.
SPEC = [
    (State.PENDING, State.CLAIMED),
    (State.CLAIMED, State.SUBMITTED),
    (State.SUBMITTED, State.FILLED),
    (State.FILLED, State.SETTLED),
    (State.PENDING, State.REJECTED),
    (State.PENDING, State.EXPIRED),
    (State.PENDING, State.CANCELLED),
    (State.SUBMITTED, State.REJECTED),
    (State.SUBMITTED, State.EXPIRED),
    (State.SUBMITTED, State.CANCELLED),
    (State.SUBMITTED, State.PARTIALLY_FILLED),
    (State.PARTIALLY_FILLED, State.FILLED),
    (State.PARTIALLY_FILLED, State.CANCELLED),
    (State.CLAIMED, State.UNKNOWN),
    (State.UNKNOWN, State.SUBMITTED),
    (State.UNKNOWN, State.PARTIALLY_FILLED),
    (State.UNKNOWN, State.FILLED),
    (State.UNKNOWN, State.CANCELLED),
    (State.UNKNOWN, State.REJECTED),
    (State.UNKNOWN, State.EXPIRED),
    (State.UNKNOWN, State.NOT_FOUND),
]


@pytest.mark.parametrize(("state", "seen"), PAIRS, ids=lambda one: one.value)
def test_each_pair_is_foreseen_applied_as_odd_or_impossible(state: State, seen: Seen) -> None:
    """
    A6, R5: there is no pair without an answer, and evidence is never without effect.

    Fault V5.
    """
    if (state, seen) in TABLE:
        assert step(state, seen) is TABLE[state, seen]
        assert not is_odd(state, seen)
    elif seen in EVIDENCE:
        assert is_odd(state, seen)
        step(state, seen)
    else:
        assert not is_odd(state, seen)
        with pytest.raises(ImpossibleTransitionError, match=f"{state.value} .*{seen.value}"):
            step(state, seen)


@pytest.mark.parametrize(("before", "after"), SPEC, ids=lambda one: one.value)
def test_every_transition_of_the_specification_has_a_way(before: State, after: State) -> None:
    """A6: whatever the specification draws can happen."""
    assert after in {TABLE.get((before, seen)) for seen in Seen}


def test_nothing_leaves_pending_but_our_own_word() -> None:
    """Before the claim no request exists, so the table foresees no evidence there."""
    assert {seen for state, seen in TABLE if state is State.PENDING}.isdisjoint(EVIDENCE)


def test_an_unknown_is_left_by_evidence_or_a_final_denial_alone() -> None:
    """A8: no opinion of ours settles an unknown; the denial is the exchange's."""
    leaving = {seen for (state, seen), to in TABLE.items() if state is State.UNKNOWN is not to}
    assert leaving == EVIDENCE | {Seen.DENIAL}


def test_a_denial_is_reopened_by_every_evidence() -> None:
    """R5: `not_found` is the exchange's word of one moment; what it shows later counts."""
    assert {seen for state, seen in TABLE if state is State.NOT_FOUND} == EVIDENCE
    assert step(State.NOT_FOUND, Seen.ACK) is State.SUBMITTED


@pytest.mark.parametrize("seen", sorted(EVIDENCE))
def test_what_traded_stays_traded(seen: Seen) -> None:
    """R5: no straggling evidence takes a whole fill back."""
    assert step(State.FILLED, seen) is State.FILLED
    assert step(State.SETTLED, seen) is State.SETTLED


@pytest.mark.parametrize("state", [one for one in State if one is not State.SETTLED])
def test_a_whole_fill_is_believed_in_every_state(state: State) -> None:
    """R5: a fill before its ack, after a cancel or after a denial still moved money."""
    assert step(state, Seen.FULL_FILL) is State.FILLED


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("seen", sorted(EVIDENCE))
def test_the_same_evidence_twice_changes_nothing(state: State, seen: Seen) -> None:
    """R4: two epochs may write the same proof."""
    once = step(state, seen)
    assert step(once, seen) is once


def test_every_state_is_before_open_or_closed() -> None:
    """The two sets divide the states, so that nothing is forgotten or kept by accident."""
    assert frozenset(State) == OPEN | CLOSED | {State.PENDING}
    assert OPEN.isdisjoint(CLOSED)


def test_every_state_can_be_reached() -> None:
    """A state that nothing leads to would be a word without a meaning."""
    assert set(TABLE.values()) | {State.PENDING} == set(State)
