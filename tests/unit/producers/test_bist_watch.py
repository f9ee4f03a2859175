"""The watch of Borsa Istanbul's sessions: what it says on the log, and when."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from spark import topics
from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Pace, Partition, Reader
from spark.clock import ManualClock
from spark.codec import decode_as
from spark.errors import SettingError
from spark.events import SessionsPublished
from spark.exchanges.bist.days import instant_ns
from spark.exchanges.bist.sessions import read_hours
from spark.names import Venue
from spark.producers.bist_watch import BistWatch, announced

STATE: Final = Partition(topics.VENUE_STATE, 0)
MINUTE_NS: Final = 60_000_000_000
DAY_NS: Final = 24 * 60 * MINUTE_NS
WAIT_MS: Final = 60_000


@dataclass
class Scene:
    """A watch that runs, on the morning of 26 October 2026."""

    clock: ManualClock
    file: Path
    reader: Reader
    broker: MemoryBroker

    async def said(self) -> SessionsPublished:
        """Wait for the next record."""
        (record,) = await self.reader.read(WAIT_MS)
        assert record.key == b"bist"
        return decode_as(SessionsPublished, record.value or b"")

    def announce(self, text: str) -> None:
        """Replace the file at once, as an editor does."""
        draft = self.file.with_suffix(".new")
        draft.write_text(text, encoding="utf-8")
        draft.replace(self.file)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = ManualClock(instant_ns("2026-10-26", 8 * 60))
    broker = MemoryBroker({topics.VENUE_STATE: 1}, clock)
    bus = MemoryBus(broker)
    file = tmp_path / "bist.toml"
    file.touch()
    watch = BistWatch(
        clock=clock, hours=read_hours("09:30", "18:00", "12:50"), overrides=file, look_s=0.01
    )
    writer = await bus.writer([topics.VENUE_STATE])
    task = asyncio.create_task(watch.watch(writer))
    try:
        yield Scene(clock, file, await bus.reader({STATE: 0}, Pace.HOT), broker)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def days_of(said: SessionsPublished) -> list[str]:
    return [session.day for session in said.sessions]


async def test_today_and_fourteen_days_are_said_at_start(scene: Scene) -> None:
    """B7: sessions enter as a record (R15); a holiday and the weekend have none."""
    said = await scene.said()
    assert (said.venue, said.first_day, said.last_day) == (Venue.BIST, "2026-10-26", "2026-11-09")
    assert days_of(said) == [
        *("2026-10-26", "2026-10-27", "2026-10-28", "2026-10-30"),
        *("2026-11-02", "2026-11-03", "2026-11-04", "2026-11-05", "2026-11-06", "2026-11-09"),
    ]
    half = said.sessions[2]
    assert half.opens_ns == instant_ns("2026-10-28", 9 * 60 + 30)
    assert half.closes_ns == instant_ns("2026-10-28", 12 * 60 + 50)
    assert said.published_ns == scene.clock.wall_ns()


async def test_a_new_day_and_the_passing_of_time_are_said(scene: Scene) -> None:
    """Every day anew, and again after 10 minutes, so that the log's end always tells it."""
    first = await scene.said()
    scene.clock.advance(10 * MINUTE_NS)
    again = await scene.said()
    assert (again.sessions, again.first_day) == (first.sessions, first.first_day)
    assert again.published_ns == first.published_ns + 10 * MINUTE_NS
    scene.clock.advance(DAY_NS)
    tomorrow = await scene.said()
    assert (tomorrow.first_day, tomorrow.last_day) == ("2026-10-27", "2026-11-10")


async def test_an_announcement_is_said_at_once(scene: Scene) -> None:
    """A day that is written into the file counts without a restart, and so does its end."""
    first = await scene.said()
    scene.announce('2026-10-27 = { closed = true, reason = "storm" }\n')
    stormy = await scene.said()
    assert days_of(stormy) == [day for day in days_of(first) if day != "2026-10-27"]
    scene.announce("")
    assert days_of(await scene.said()) == days_of(first)


async def test_an_announcement_that_cannot_be_read_makes_the_sessions_unknown(
    scene: Scene,
) -> None:
    """
    It may be a closing: until it can be read no day is covered, whatever was said before.

    Fault O5.
    """
    first = await scene.said()
    scene.announce("2026-10-27 = { closed = true }\n")
    unknown = await scene.said()
    assert (unknown.sessions, unknown.first_day, unknown.last_day) == ((), "", "")
    scene.file.unlink()
    scene.announce("# nothing\n")
    assert days_of(await scene.said()) == days_of(first)


async def test_a_calendar_that_does_not_answer_is_asked_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an answer nothing is invented: the old days are said on, the new ones follow."""
    first = await scene.said()
    python = sys.executable
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    scene.clock.advance(DAY_NS)
    kept = await scene.said()
    assert (kept.sessions, kept.first_day) == (first.sessions, first.first_day)
    monkeypatch.setattr(sys, "executable", python)
    scene.clock.advance(2 * MINUTE_NS)
    assert (await scene.said()).first_day == "2026-10-27"


def test_without_a_file_nothing_was_announced(tmp_path: Path) -> None:
    """No setting is no announcement; a file that is not there is a mistake."""
    assert announced(None) == ()
    with pytest.raises(SettingError, match="SPARK_BIST_OVERRIDES"):
        announced(tmp_path / "missing.toml")
