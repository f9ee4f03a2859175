"""
Rate limits in their fixed windows.
"""

from typing import Final

import pytest

from spark.exchanges.simulator.binance.limits import (
    BAN_S_MIN,
    ORDERS_PER_10_S_MAX,
    STRIKES_MAX,
    Limits,
)
from spark.exchanges.simulator.binance.refusals import Refusal

S: Final = 1_000_000_000
#: The first second of a minute.
T0: Final = 1_700_000_040 * S


def refused(limits: Limits, at_ns: int) -> Refusal:
    with pytest.raises(Refusal) as caught:
        limits.admit("here", at_ns)
    return caught.value


def test_weight_is_spent_within_its_minute() -> None:
    """The refusal says how long until the minute ends, and the next minute is free."""
    limits = Limits(is_enforced=True, weight_max=10)
    limits.admit("here", T0)
    assert limits.charge("here", 10, T0) == 10
    assert refused(limits, T0 + 20 * S).retry_after_s == 40
    limits.admit("elsewhere", T0)
    limits.admit("here", T0 + 60 * S)
    assert limits.charge("here", 1, T0 + 60 * S) == 1


def test_going_on_is_banned_and_each_ban_is_longer() -> None:
    """418 after too many 429, with the seconds that are left of it."""
    limits = Limits(is_enforced=True, weight_max=1)
    at_ns = T0
    for length_s in (BAN_S_MIN, 2 * BAN_S_MIN):
        limits.admit("here", at_ns)
        limits.charge("here", 1, at_ns)
        assert {refused(limits, at_ns).status for _ in range(STRIKES_MAX)} == {429}
        ban = refused(limits, at_ns)
        assert (ban.status, ban.retry_after_s) == (418, length_s)
        assert refused(limits, at_ns + 10 * S).retry_after_s == length_s - 10
        at_ns += length_s * S


def test_orders_are_counted_by_account_and_window() -> None:
    """-1015 tells which limit it was; another account is not concerned."""
    limits = Limits(is_enforced=True)
    for number in range(ORDERS_PER_10_S_MAX):
        limits.admit_order("main", T0)
        assert limits.order_placed("main", T0) == (number + 1, number + 1)
    with pytest.raises(Refusal, match="orders per 10 SECOND") as caught:
        limits.admit_order("main", T0 + 3 * S)
    assert (caught.value.status, caught.value.retry_after_s) == (429, 7)
    limits.admit_order("other", T0)
    limits.admit_order("main", T0 + 10 * S)


def test_off_counts_and_refuses_nothing() -> None:
    """`--limits off` keeps the headers and lists no limit."""
    limits = Limits(is_enforced=False, weight_max=1)
    for _ in range(3):
        limits.admit("here", T0)
        limits.charge("here", 5, T0)
    assert limits.charge("here", 5, T0) == 20
    assert limits.as_json() == []
