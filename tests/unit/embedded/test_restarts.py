"""When a child is started again."""

import pytest

from spark.embedded.restarts import HALTING_CODES, PAUSE_S_MAX, SETTLED_S, Restarts


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
