"""
When to ask an exchange again (A12): only what changes nothing there, and not for ever.

One schedule for whoever asks: 1 s, doubled with each try, 10 s at most, three tries, half
a second of chance so that many do not come back at once, and a deadline over all of it.
What the exchange itself asks to stay away counts before any of it.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from spark.clock import Clock
from spark.errors import VenueUnavailable

_T = TypeVar("_T")
_NS_PER_S: Final = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long to wait before each further try."""

    first_s: float = 1.0
    pause_s_max: float = 10.0
    #: Beside the first one.
    tries_max: int = 3
    jitter_s_max: float = 0.5
    #: Over all tries and pauses.
    deadline_s: float = 30.0

    def pause_s(self, tries: int, *, chance: float, retry_after_s: float = 0.0) -> float:
        """
        Give the pause after so many failures in a row, the first one being 1.

        Args:
            chance: 0 to 1, drawn anew for each pause.
            retry_after_s: what the exchange asked for; never less than that.

        """
        grown = self.first_s * 2.0 ** min(tries - 1, 32)
        return max(min(grown, self.pause_s_max), retry_after_s) + self.jitter_s_max * chance


#: A12's own figures.
DEFAULT: Final = Schedule()


def draw() -> float:
    """Draw the chance of a pause."""
    return random.random()  # noqa: S311  (jitter)


async def ask_again(
    ask: Callable[[], Awaitable[_T]], clock: Clock, schedule: Schedule = DEFAULT
) -> _T:
    """
    Ask, and again where there was no usable answer.

    Args:
        ask: idempotent, and signs anew each time it is called.

    Raises:
        VenueUnavailable: the last one, once the tries or the time are used up, or where the
            exchange asks for more time than there is.

    """
    began_ns = clock.monotonic_ns()
    tries = 0
    while True:
        try:
            return await ask()
        except VenueUnavailable as error:
            tries += 1
            pause_s = schedule.pause_s(tries, chance=draw(), retry_after_s=error.retry_after_s)
            spent_s = (clock.monotonic_ns() - began_ns) / _NS_PER_S
            if tries > schedule.tries_max or spent_s + pause_s > schedule.deadline_s:
                raise
        await asyncio.sleep(pause_s)
