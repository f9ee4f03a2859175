"""
The schedule of A12: how long, how often, and what the exchange asks for first.
"""

import asyncio

import pytest

from spark.clock import ManualClock
from spark.errors import VenueUnavailable
from spark.worker import retry
from spark.worker.retry import DEFAULT, Schedule, ask_again


def test_a12_pauses_double_up_to_ten_seconds_and_the_jitter_is_half_a_second() -> None:
    """A12: 1 s · 2ⁿ, cap 10 s, jitter ≤ 500 ms."""
    assert [DEFAULT.pause_s(n, chance=0) for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]
    assert DEFAULT.pause_s(1, chance=1) == 1.5
    assert DEFAULT.pause_s(10_000, chance=0) == 10
    assert (DEFAULT.tries_max, DEFAULT.jitter_s_max) == (3, 0.5)


def test_a4_what_the_exchange_asks_for_is_never_shortened() -> None:
    """A4: `Retry-After` to the letter."""
    assert DEFAULT.pause_s(1, chance=0, retry_after_s=120) == 120
    assert DEFAULT.pause_s(4, chance=0, retry_after_s=3) == 8


class Asked:
    """Fails so many times, then answers."""

    def __init__(self, failures: int, retry_after_s: int = 0) -> None:
        self.times = 0
        self._failures = failures
        self._retry_after_s = retry_after_s

    async def __call__(self) -> str:
        self.times += 1
        if self.times <= self._failures:
            raise VenueUnavailable("no", retry_after_s=self._retry_after_s)
        return "answer"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time passes at once, and is written down."""
    found: list[float] = []
    sleep = asyncio.sleep

    async def pass_by(pause_s: float) -> None:
        found.append(pause_s)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", pass_by)
    monkeypatch.setattr(retry, "draw", lambda: 0.0)
    return found


async def test_a12_three_more_tries_and_no_fourth(pauses: list[float]) -> None:
    """A12: at most three retries; the fourth failure is the caller's to know."""
    asked = Asked(3)
    assert await ask_again(asked, ManualClock(0)) == "answer"
    assert (asked.times, pauses) == (4, [1, 2, 4])
    asked = Asked(4)
    with pytest.raises(VenueUnavailable):
        await ask_again(asked, ManualClock(0))
    assert asked.times == 4


async def test_a12_a_deadline_ends_the_tries(pauses: list[float]) -> None:
    """A12: no pause begins that would end past the deadline, whoever asks for it."""
    asked = Asked(1, retry_after_s=60)
    with pytest.raises(VenueUnavailable):
        await ask_again(asked, ManualClock(0), Schedule(deadline_s=30))
    assert (asked.times, pauses) == (1, [])
