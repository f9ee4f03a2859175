"""
A broker that takes everything but words on `control.halt`.
"""

from collections.abc import Sequence

from spark.bus.memory import MemoryBroker, MemoryBus, MemoryWriter
from spark.bus.port import Outgoing, Writer
from spark.errors import WriteError
from spark.topics import CONTROL_HALT


class NoHaltsBus(MemoryBus):
    """Its writers."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self._log = broker

    async def writer(self, topics: Sequence[str]) -> Writer:  # type: ignore[override]
        del topics
        return _NoHalts(self._log)


class _NoHalts(MemoryWriter):
    async def write(self, records: Sequence[Outgoing]) -> list[int]:
        if any(one.partition.topic == CONTROL_HALT for one in records):
            raise WriteError("control.halt: not taken")
        return await super().write(records)
