"""
The weight budget: spent before it is refused, orders before questions.
"""

from hypothesis import given
from hypothesis import strategies as st

from spark.ledger.budget import Budget, Rules, Use, Window

_S = 1_000_000_000
_MINUTE = 60 * _S


def test_a4_a_budget_is_spent_before_it_is_refused() -> None:
    """A4: what does not fit into the minute waits until it does, and then goes."""
    budget = Budget(Rules(weight_per_minute=100))
    assert [budget.take(1, 0, use=Use.CANCEL) for _ in range(100)] == [0] * 100
    wait_ns = budget.take(1, 5 * _S, use=Use.CANCEL)
    assert wait_ns > 0
    assert budget.take(1, 5 * _S + wait_ns - 1, use=Use.CANCEL) > 0
    assert budget.take(1, 5 * _S + wait_ns, use=Use.CANCEL) == 0


def test_a4_questions_leave_a_reserve_to_orders_and_places_one_to_cancels() -> None:
    """A4, fault V3: orders before polling, and nothing keeps a cancel in but the whole budget."""
    budget = Budget(Rules(weight_per_minute=100))
    asked = sum(budget.take(1, 0) == 0 for _ in range(200))
    placed = sum(budget.take(1, 0, use=Use.PLACE) == 0 for _ in range(200))
    cancelled = sum(budget.take(1, 0, use=Use.CANCEL) == 0 for _ in range(200))
    assert (asked, placed, cancelled) == (50, 40, 10)


def test_trap_14_what_others_spend_on_the_address_counts() -> None:
    """Trap 14: the exchange's own count of the address raises ours, and never lowers it."""
    budget = Budget(Rules(weight_per_minute=100))
    budget.take(10, 0)
    budget.correct(60, 1 * _S)
    assert budget.spent == 60
    assert budget.take(1, 1 * _S) > 0
    # A new minute over there is not one here.
    budget.correct(2, 30 * _S)
    assert budget.spent == 60


def test_an_accepted_order_that_costs_nothing_is_given_back() -> None:
    """A4: what the exchange does not count is there to be spent again."""
    budget = Budget(Rules(weight_per_minute=10, is_success_free=True))
    for second in range(1_000):
        assert budget.take(1, second * _S // 100, use=Use.PLACE) == 0
        budget.give_back(1, second * _S // 100, use=Use.PLACE)
    assert budget.spent == 0


def test_order_windows_hold_places_and_cancels_apart() -> None:
    """A4, exchanges.md §1.8: ten places a second, and ten cancels beside them."""
    budget = Budget(Rules(weight_per_minute=600, order_windows=((10, _S), (300, _MINUTE))))
    assert sum(budget.take(1, 0, use=Use.PLACE) == 0 for _ in range(20)) == 10
    assert sum(budget.take(1, 0, use=Use.CANCEL) == 0 for _ in range(20)) == 10
    assert budget.take(1, 0) == 0
    budget.give_back(1, 0, use=Use.PLACE, is_unsent=True)
    assert budget.take(1, 0, use=Use.PLACE) == 0


@given(st.lists(st.tuples(st.integers(0, 3 * _S), st.integers(1, 8)), max_size=120))
def test_a4_no_stretch_of_a_period_holds_more_than_the_limit(
    asked: list[tuple[int, int]],
) -> None:
    """A4: wherever the exchange's minute begins, it never holds more than is allowed."""
    window = Window(20, 10 * _S)
    now_ns, sent = 0, list[tuple[int, int]]()
    for pause_ns, cost in asked:
        now_ns += pause_ns
        if window.wait_ns(cost, now_ns) == 0:
            window.spend(cost, now_ns)
            sent.append((now_ns, cost))
        since = [cost for at_ns, cost in sent if at_ns > now_ns - 10 * _S]
        assert sum(since) <= 20


@given(st.lists(st.tuples(st.integers(0, 3 * _S), st.integers(1, 8)), min_size=1, max_size=60))
def test_a_wait_is_as_long_as_it_says(asked: list[tuple[int, int]]) -> None:
    """A4: after the wait there is room; nobody waits for ever."""
    window = Window(20, 10 * _S)
    now_ns = 0
    for pause_ns, cost in asked:
        now_ns += pause_ns
        wait_ns = window.wait_ns(cost, now_ns)
        assert 0 <= wait_ns <= 10 * _S + 10 * _S // 60
        now_ns += wait_ns
        assert window.wait_ns(cost, now_ns) == 0
        window.spend(cost, now_ns)
