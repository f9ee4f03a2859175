"""When a child is started again."""

import pytest

from spark.embedded.restarts import (
    FENCED_MAX,
    FENCED_SETTLED_S,
    HALTING_CODES,
    PAUSE_S_MAX,
    SETTLED_S,
    Restarts,
)
from spark.errors import FencedError


def test_a_first_end_is_healed_at_once() -> None:
    """
    A stage killed once works again within its own start-up time.
    """
    assert Restarts().pause_s_after(-9, 100.0) == 0.0


def test_pauses_grow_up_to_their_cap() -> None:
    """
    A child that cannot run does not eat the machine.
    """
    restarts = Restarts()
    pauses = [restarts.pause_s_after(1, 0.1) for _ in range(40)]
    assert pauses[0] == 0.0
    assert all(pause is not None for pause in pauses)
    grown = [pause for pause in pauses if pause is not None]
    assert grown == sorted(grown)
    assert grown[-1] == PAUSE_S_MAX


def test_a_child_that_had_settled_starts_afresh() -> None:
    """
    An old crash loop is not held against a child that has run well since.
    """
    restarts = Restarts()
    for _ in range(10):
        restarts.pause_s_after(1, 0.1)
    assert restarts.pause_s_after(1, SETTLED_S) == 0.0


@pytest.mark.parametrize("code", sorted(HALTING_CODES))
def test_a_child_that_wants_a_person_is_left_alone(code: int) -> None:
    """
    A halt repeated three times is not started for ever.
    """
    restarts = Restarts()
    assert restarts.pause_s_after(code, 0.1) is not None
    assert restarts.pause_s_after(code, 0.1) is not None
    assert restarts.pause_s_after(code, 0.1) is None


def test_another_end_in_between_is_no_halt() -> None:
    """
    Only halts in a row count: a kill between them says nothing about the child.
    """
    restarts = Restarts()
    for code in (7, 7, -9, 7, 7):
        assert restarts.pause_s_after(code, 0.1) is not None


def test_f4_two_supervisors_do_not_fence_each_other_for_ever() -> None:
    """
    F4, I17: each restart takes over from the other; after a few one side is left alone.

    Fault P10.
    """
    sides = [Restarts(), Restarts()]
    turns = 0
    while True:
        pause_s = sides[turns % 2].pause_s_after(FencedError.exit_code, SETTLED_S + 1)
        turns += 1
        if pause_s is None:
            break
    assert turns == 2 * FENCED_MAX - 1
    assert sides[turns % 2].fenced == FENCED_MAX - 1, "the other side's child works"


def test_p10_a_take_over_is_forgiven_after_a_while() -> None:
    """Fault P10: who took over on purpose, and held for long, may be taken over again."""
    restarts = Restarts()
    for _ in range(3 * FENCED_MAX):
        assert restarts.pause_s_after(FencedError.exit_code, FENCED_SETTLED_S) is not None


def test_f4_another_end_in_between_forgives_nothing() -> None:
    """F4: a crash between two take-overs is no sign that there is one instance alone."""
    restarts = Restarts()
    for code in (*(FencedError.exit_code, -9) * (FENCED_MAX - 1), 1):
        assert restarts.pause_s_after(code, SETTLED_S) is not None
    assert restarts.pause_s_after(FencedError.exit_code, SETTLED_S) is None
