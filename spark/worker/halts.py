"""
What a process obeys: kills on the log, in the latch directory, from the environment.

Each process folds `control` and `control.halt` itself and believes nobody about it
(S11). Killed is the OR of the three (R9); only a resume that names a kill clears it,
and none clears the environment's.
"""

import asyncio
from collections.abc import Iterable
from itertools import islice
from typing import Final

import orjson

from spark.bus.port import Bus, Pace, Partition, Record
from spark.ledger.control import Control, fold_body
from spark.ledger.control_state import ALL_ACCOUNTS, Halt
from spark.names import AccountId, TradingMode
from spark.people import People
from spark.topics import CONTROL, CONTROL_HALT
from spark.worker.latch import KillLatch
from spark.worker.resume import place_of, read_sides
from spark.worker.sides import follow

#: Where people and protections speak; one partition each.
CONTROL_TOPICS: Final = (CONTROL, CONTROL_HALT)
_NAMES_MAX: Final = 120
_NAME_CHARS_MAX: Final = 300
_NAMES_BYTES_MAX: Final = 40 * 1024
_PARTITIONS: Final = tuple(Partition(name, 0) for name in CONTROL_TOPICS)


def shortened(halts: Iterable[str]) -> tuple[str, ...]:
    """Cut names to what fits into a record, however many there are and whoever chose them."""
    found: list[str] = []
    left = _NAMES_BYTES_MAX
    for halt in islice(halts, _NAMES_MAX):
        name = halt[:_NAME_CHARS_MAX]
        # As they are written: a control character takes six bytes.
        left -= len(orjson.dumps(name)) + 1
        if left < 0:
            break
        found.append(name)
    return tuple(found)


class Halts:
    """
    The kills and the modes of one process.

    Args:
        latch: kills outside the log.
        people: whose signatures count.
        start_mode: the environment's mode; a resume's number of persons depends on it.

    """

    def __init__(self, latch: KillLatch, people: People, start_mode: TradingMode) -> None:
        self.latch = latch
        self.people = people
        self.start_mode = start_mode
        self.control = Control()
        #: Kills of the log in force; who asks does so for each order.
        self._kills: list[Halt] = []
        #: Set with each record of the two topics; whoever waits clears it.
        self.spoken = asyncio.Event()

    def take(self, record: Record) -> None:
        """Fold one record of `control` or `control.halt`, readable or not."""
        place = place_of(record)
        fold_body(
            self.control,
            record.value,
            topic=place.topic,
            offset=place.offset,
            appended_ns=place.appended_ns,
            people=self.people,
            start_mode=self.start_mode,
        )
        self._kills = [halt for halt in self.control.halts_in_force() if halt.is_kill]
        if record.partition.topic == CONTROL:
            self.latch.clear(self.control.is_cleared_outside)
        self.spoken.set()

    @property
    def positions(self) -> dict[str, int]:
        """Say how far words of people are folded; the pulse shows it."""
        known = self.control.next_offsets
        return {str(partition): known.get(partition.topic, 0) for partition in _PARTITIONS}

    def outside(self) -> tuple[str, ...]:
        """Look at the latch now: the kills in force that are not on the log."""
        return self.latch.in_force()

    def kills(self, account: AccountId) -> tuple[str, ...]:
        """Look now: every kill in force for an account; empty means that orders may go."""
        said = (halt.halt for halt in self._kills if halt.account in {ALL_ACCOUNTS, account})
        return (*self.outside(), *said)

    def all(self) -> tuple[str, ...]:
        """Look now: every kill in force for any account."""
        return (*self.outside(), *(halt.halt for halt in self._kills))

    def listed(self) -> tuple[str, ...]:
        """Name what is in force as far as a pulse can hold it; those of the latch come first."""
        return shortened(self.all())

    async def read(self, bus: Bus) -> dict[Partition, int]:
        """
        Fold both topics to their ends of now; before that nothing may be approved or sent.

        Returns: where to follow on from.

        Raises:
            PositionError: records of people are gone (R8).

        """
        return await read_sides(bus, _PARTITIONS, self.take, known={})

    async def follow(self, bus: Bus, positions: dict[Partition, int]) -> None:
        """Fold what comes, as it comes; runs until cancelled."""
        partitions = list(positions)
        await follow(bus, positions, self.take, partitions=partitions, pace=Pace.HOT)
