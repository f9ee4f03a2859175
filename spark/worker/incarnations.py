"""
Whether topics are still what they were: by the broker's id of each, at start and ever after.

An offset alone cannot tell: a topic that was created again soon has as many records as the
old one, and a reader would go on in the middle of what it never read (R18).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from spark.bus.port import Bus
from spark.errors import BusUnavailable, PositionError

#: From one look to the next while working.
_PERIOD_S: Final = 2.0
#: What a person does; the page names each halt.
REMEDY: Final = "see runbook/kafka-bad-days.md"


async def check_topic_ids(bus: Bus, known: Mapping[str, str]) -> None:
    """
    Compare the topics' incarnations with those noted before.

    Raises:
        PositionError: a topic was created again, or deleted (R18); halt.

    """
    states = await bus.topics(list(known)) if known else {}
    for topic, topic_id in known.items():
        if topic not in states:
            raise PositionError(f"{topic} is not there any more: deleted? {REMEDY}")
        if states[topic].topic_id != topic_id:
            raise PositionError(f"{topic} is not the topic that it was: created again? {REMEDY}")


@dataclass(slots=True)
class Incarnations:
    """The topics that a running process depends on, looked at now and then."""

    bus: Bus
    ids: Mapping[str, str]
    _next_s: float = 0.0

    async def look(self) -> None:
        """
        Compare, where the last time was long enough ago; a broker that is away says nothing.

        Raises:
            PositionError: as `check_topic_ids`.

        """
        now_s = asyncio.get_running_loop().time()
        if now_s < self._next_s:
            return
        self._next_s = now_s + _PERIOD_S
        try:
            await check_topic_ids(self.bus, self.ids)
        except BusUnavailable:
            return
