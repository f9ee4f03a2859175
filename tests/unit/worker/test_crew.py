"""
A process's tasks: whoever leaves without being told to is missed.
"""

import asyncio
from collections.abc import Coroutine

import pytest

from spark.errors import BusUnavailable, ExitError, first_of
from spark.worker import crew
from spark.worker.crew import Crew


async def _hear_for_ever() -> None:
    await asyncio.Event().wait()


async def _let_out_what_was_cancelled_inside() -> None:
    inner = asyncio.ensure_future(_hear_for_ever())
    asyncio.get_running_loop().call_soon(inner.cancel)
    await inner


async def _fail() -> None:
    raise BusUnavailable("gone")


async def _together(*works: Coroutine[None, None, None]) -> None:
    async with Crew() as group:
        for work in works:
            group.create_task(work)


async def test_a_task_that_nobody_cancelled_ends_all_of_them() -> None:
    """S9, H2, fault P9: a topic that is no longer heard, kills among them, ends the process."""
    with pytest.raises(ExceptionGroup) as raised:
        await _together(_hear_for_ever(), _let_out_what_was_cancelled_inside())
    error = first_of(raised.value)
    assert isinstance(error, ExitError)
    assert "_let_out_what_was_cancelled_inside ended as cancelled" in str(error)


async def test_a_task_group_of_the_library_does_not_notice() -> None:
    """What the crew is there for; if this ever fails, it can go."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_let_out_what_was_cancelled_inside())


async def test_a_task_that_was_told_to_ends_in_peace() -> None:
    """Stopped from inside, and with all that is around it."""
    async with Crew() as group:
        group.create_task(_hear_for_ever()).cancel()

    around = asyncio.ensure_future(_together(_hear_for_ever()))
    await asyncio.sleep(0)
    around.cancel()
    with pytest.raises(asyncio.CancelledError):
        await around


async def test_a_deadline_within_a_task_is_its_own_affair() -> None:
    """A timeout cancels the task, and takes that back."""

    async def ask() -> str:
        try:
            async with asyncio.timeout(0):
                await _hear_for_ever()
        except TimeoutError:
            return "late"
        return "never"

    async with Crew() as group:
        asked = group.create_task(ask())
    assert asked.result() == "late"


async def test_a_task_that_lost_its_cancellation_is_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """H2: a process that has to end does, also where `wait_for` took the word for it away."""
    monkeypatch.setattr(crew, "_AGAIN_S", 0.01)
    told = 0

    async def stay() -> None:
        nonlocal told
        while told < 2:
            try:
                await _hear_for_ever()
            except asyncio.CancelledError:
                told += 1
        raise asyncio.CancelledError

    with pytest.raises(ExceptionGroup) as raised:
        await _together(stay(), _fail())
    assert isinstance(first_of(raised.value), BusUnavailable)
    assert told == 2


async def test_a_task_that_nobody_told_may_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group that waits for its work to be done disturbs nobody."""
    monkeypatch.setattr(crew, "_AGAIN_S", 0.001)
    async with Crew() as group:
        work = group.create_task(asyncio.sleep(0.05, "done"))
    assert work.result() == "done"


async def test_an_error_is_what_it_was() -> None:
    """The others are told to end by it, and are not missed."""
    with pytest.raises(ExceptionGroup) as raised:
        await _together(_hear_for_ever(), _fail())
    assert isinstance(first_of(raised.value), BusUnavailable)
    assert len(raised.value.exceptions) == 1
