"""
A table writer's way back: how long it waits, when it gives up, and when it is ready again.
"""

import asyncio
import random
from typing import Any

import pytest

from spark.bus.port import Partition
from spark.clock import ManualClock
from spark.consumers.comeback import Comeback
from spark.errors import DatabaseUnavailable, FencedError

_NS_PER_S = 1_000_000_000
_ONE = Partition("market.binance.quotes", 0)
_AWAY = DatabaseUnavailable("nobody")


class Database:
    """Away for so many tries."""

    def __init__(self, away: int) -> None:
        self.away = away

    async def reopen(self) -> None:
        if self.away:
            self.away -= 1
            raise _AWAY


class Writer:
    """What a table writer gives and asks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, away: int = 0) -> None:
        self.clock = ManualClock(0)
        self.pauses: list[float] = []
        self.ready = asyncio.Event()
        self.ready.set()
        self.next = 5
        #: What the offset rows say.
        self.found = 5
        monkeypatch.setattr(random, "uniform", lambda _low, high: high)
        monkeypatch.setattr(asyncio, "sleep", self._sleep)
        database: Any = Database(away)
        self.comeback = Comeback(
            database=database,
            clock=self.clock,
            ready=self.ready,
            positions=lambda: {_ONE: self.next},
        )

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(round(seconds * _NS_PER_S))

    async def find_place(self) -> None:
        self.next = self.found

    async def lost(self, error: FencedError | DatabaseUnavailable = _AWAY) -> None:
        await self.comeback.after(error, self.find_place, asyncio.Event())


async def test_pauses_grow_while_it_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault D1: from 0.05 s, doubled with each try, to 2 s."""
    writer = Writer(monkeypatch, away=7)
    await writer.lost()
    assert writer.pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


async def test_who_is_away_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault D1: after a minute the process ends, and its exit code says why."""
    writer = Writer(monkeypatch, away=1_000)
    with pytest.raises(DatabaseUnavailable):
        await writer.lost()
    assert 60 < sum(writer.pauses) < 65


async def test_ready_waits_for_a_write_that_stood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault D3: a database that is found again every time and takes no row is no healthy one."""
    writer = Writer(monkeypatch)
    for _ in range(8):
        await writer.lost()
        assert not writer.ready.is_set()
        assert not writer.comeback.stands()
    assert writer.pauses[-2:] == [2.0, 2.0], "and it is not asked without a pause"

    writer.comeback.stood()
    assert writer.ready.is_set()
    assert writer.comeback.stands()
    await writer.lost()
    assert writer.pauses[-1] == 0.05


async def test_a_commit_whose_answer_was_lost_has_stood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault D1: nothing is left to be written again, so nothing else would make it ready."""
    writer = Writer(monkeypatch)
    writer.found = 7
    await writer.lost()
    assert writer.ready.is_set()


async def test_a_lost_race_says_nothing_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """R19: begun again at once, and ready all the while."""
    writer = Writer(monkeypatch)
    await writer.lost(FencedError("another one"))
    assert writer.pauses == [0.05]
    assert writer.ready.is_set()
