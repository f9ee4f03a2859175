"""
Tries what a principal may do at a broker, request by request, with its own login.

One connection, many names in a request. The broker's answer is read by its code: a
refusal of its authoriser, or one that only comes after it let the request pass; any
other answer is shown as it is, and is neither (facts: S17).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from spark.bus.kafka import KafkaLogin
from spark.bus.kafka_tries import TRIES
from spark.bus.kafka_wire import REFUSALS, Wire, wire

ALLOWED: Final = "allowed"
REFUSED: Final = "refused"


class Attempts:
    """One principal's connection to one broker."""

    def __init__(self, connection: Wire) -> None:
        self._wire = connection

    async def attempt(self, resource: str, operation: str, names: Sequence[str]) -> dict[str, str]:
        """
        Try one operation of kafka_tries.TRIES on each of these names.

        Returns: by name ALLOWED, REFUSED, or what else the broker said.

        Raises:
            BusUnavailable: no answer.

        """
        one = TRIES[resource, operation]
        groups = [[name] for name in names] if one.is_single else [list(names)]
        found: dict[str, str] = {}
        answers = await asyncio.gather(*(self._wire.ask(one.build(group)) for group in groups))
        for group, answer in zip(groups, answers, strict=True):
            found |= {name: _word(code, one.passed) for name, code in one.read(answer, group)}
        return {name: found.get(name, "no answer") for name in names}


@asynccontextmanager
async def attempts(login: KafkaLogin) -> AsyncIterator[Attempts]:
    """Log in once, for many attempts; raises as `wire`."""
    async with wire(login) as connection:
        yield Attempts(connection)


def _word(code: int, passed: frozenset[int]) -> str:
    if code in REFUSALS:
        return REFUSED
    return ALLOWED if code in passed else f"error {code}"
