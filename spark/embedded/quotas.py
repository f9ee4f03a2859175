"""
How much of a broker one strategy may take, and making a broker so (S17).

A strategy that runs wild fills neither the disk within minutes nor the network nor the
broker's threads; the broker makes it wait, and the others' orders do not. It is room for
a thousand intents a second, far above what any cap of orders lets through.
"""

import asyncio
import time
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from spark.bus.kafka import KafkaLogin
from spark.bus.kafka_quotas import CONSUMED, PRODUCED, REQUESTS, read_quotas, write_quotas
from spark.embedded.kafka_admin import POLL_S, REQUEST_TIMEOUT_S
from spark.errors import BusUnavailable
from spark.topics import STRATEGIES

_MIB: Final = 1024.0 * 1024
QUOTAS: Final[Mapping[str, float]] = MappingProxyType(
    {PRODUCED: _MIB, CONSUMED: 16 * _MIB, REQUESTS: 50.0}
)

Quotas = Mapping[str, Mapping[str, float]]


def wanted_quotas(principals: Collection[str]) -> dict[str, dict[str, float]]:
    """List the quotas of these; whoever is no strategy has none."""
    return {name: dict(QUOTAS) for name in sorted(STRATEGIES.intersection(principals))}


def changes(
    found: Quotas, wanted: Quotas, principals: Collection[str] | None
) -> dict[str, dict[str, float | None]]:
    """
    Say what has to be set and, as None, what has to go.

    Args:
        principals: whose quotas are ours to take away; None for everybody's.

    """
    made: dict[str, dict[str, float | None]] = {}
    for name in found.keys() | wanted.keys():
        has, want = found.get(name, {}), wanted.get(name, {})
        different: dict[str, float | None] = {
            key: value for key, value in want.items() if has.get(key) != value
        }
        if principals is None or name in principals:
            different |= dict.fromkeys(has.keys() - want.keys())
        if different:
            made[name] = different
    return made


async def set_quotas(login: KafkaLogin, principals: Collection[str], *, is_exclusive: bool) -> int:
    """
    Make a broker's quotas those of the table.

    Returns: how many users' were changed.

    Raises:
        AuthorisationError: the login may not do this.
        BusUnavailable: no answer in time.

    """
    ours, wanted = None if is_exclusive else principals, wanted_quotas(principals)
    different = changes(await read_quotas(login), wanted, ours)
    if different:
        await write_quotas(login, different)
    # The controller answers before the broker's own view follows.
    deadline = time.monotonic() + REQUEST_TIMEOUT_S
    while different and changes(await read_quotas(login), wanted, ours):
        if time.monotonic() > deadline:
            raise BusUnavailable("Kafka took the quotas but does not show them; try again")
        await asyncio.sleep(POLL_S)
    return len(different)


async def quota_differences(login: KafkaLogin, principals: Collection[str]) -> list[str]:
    """Say in which ways the quotas of these are not the table's; raises as `set_quotas`."""
    found = await read_quotas(login)
    different = changes(found, wanted_quotas(principals), principals)
    return [
        f"quota of {name}: {key} is {found.get(name, {}).get(key, 'not set')}, not {_text(value)}"
        for name, keys in sorted(different.items())
        for key, value in sorted(keys.items())
    ]


def _text(value: float | None) -> str:
    return "in the table" if value is None else str(value)
