"""
Staying away for as long as the exchange asks.
"""

from spark.ledger.back_off import BackOff

_S = 1_000_000_000


def test_a4_retry_after_is_kept_to_the_letter() -> None:
    """A4, trap 14: not a nanosecond sooner, and a shorter word does not shorten it."""
    back_off = BackOff()
    back_off.limited(30 * _S, 0)
    back_off.limited(5 * _S, 1 * _S)
    assert back_off.wait_ns(30 * _S - 1) == 1
    assert back_off.wait_ns(30 * _S) == 0


def test_a4_without_a_named_time_the_pause_doubles() -> None:
    """A4, trap 14: a refusal that names nothing is no leave to go on."""
    back_off, pauses = BackOff(), []
    for _ in range(8):
        now_ns = back_off.until_ns
        back_off.limited(0, now_ns)
        pauses.append(back_off.wait_ns(now_ns) // _S)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    back_off.answered()
    now_ns = back_off.until_ns
    back_off.limited(0, now_ns)
    assert back_off.wait_ns(now_ns) == _S


def test_a4_three_in_a_minute_are_a_burst() -> None:
    """A4, B10: a burst of 429 lowers concurrency to 1 by itself; a quiet minute ends it."""
    back_off = BackOff()
    back_off.limited(1 * _S, 0)
    back_off.limited(1 * _S, 20 * _S)
    assert not back_off.is_burst(20 * _S)
    back_off.limited(1 * _S, 40 * _S)
    assert back_off.is_burst(40 * _S)
    assert back_off.is_burst(59 * _S)
    assert not back_off.is_burst(101 * _S)
