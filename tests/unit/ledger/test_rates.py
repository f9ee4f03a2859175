"""Sliding windows: from the decision until the window's length after the answer (B3, R7)."""

import pytest

from spark.ledger.rates import ACCOUNT_SCOPE, MINUTE_NS, SECOND_NS, Rates

AT = 1_000 * SECOND_NS


def approved(*names: str) -> Rates:
    made = Rates()
    for name in names:
        made.approve(name, "s1", 7)
    return made


def test_an_order_without_an_answer_stays_for_ever() -> None:
    """R7: unknown is not answered; the cap waits for it."""
    rates = approved("a")
    assert rates.orders_in_minute(ACCOUNT_SCOPE, AT + 10 * MINUTE_NS) == 1
    assert rates.worth_in_second(ACCOUNT_SCOPE, AT + 10 * MINUTE_NS) == 7


@pytest.mark.parametrize(
    ("after_ns", "minute", "second"),
    [
        (0, 1, 7),
        (SECOND_NS - 1, 1, 7),
        (SECOND_NS, 1, 0),
        (MINUTE_NS - 1, 1, 0),
        (MINUTE_NS, 0, 0),
    ],
)
def test_an_answered_order_stays_for_the_length_of_each_window(
    after_ns: int, minute: int, second: int
) -> None:
    """R7: exactly, whether forgotten yet or not."""
    rates = approved("a")
    rates.answer("a", AT)
    for _ in range(2):
        assert rates.orders_in_minute("s1", AT + after_ns) == minute
        assert rates.worth_in_second(ACCOUNT_SCOPE, AT + after_ns) == second
        rates.forget(AT + after_ns)


def test_what_never_left_leaves_at_once() -> None:
    """R7: not a byte went, so no ledger can show it."""
    rates = approved("a", "b")
    rates.release("a")
    assert rates.orders_in_minute(ACCOUNT_SCOPE, AT) == 1


def test_saying_it_again_changes_nothing() -> None:
    """A duplicate approval, answer or release counts once."""
    rates = approved("a", "a")
    assert rates.orders_in_minute(ACCOUNT_SCOPE, AT) == 1
    for at_ns in (AT, AT + 5):
        rates.answer("a", at_ns)
    rates.release("a")
    assert rates.orders_in_minute(ACCOUNT_SCOPE, AT + 6) == 1
    assert rates.worth_in_second("other", AT + 6) == 0
