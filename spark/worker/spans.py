"""
Reading spans of a log to their ends: a fetch at a time, all of it, or as a list.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Final

from spark.bus.port import Bus, Pace, Partition, Record
from spark.errors import BusUnavailable

_READ_WAIT_MS: Final = 1_000
_SILENT_READS_MAX: Final = 15


async def batches(
    bus: Bus, spans: Mapping[Partition, tuple[int, int]], pace: Pace = Pace.HOT
) -> AsyncGenerator[list[Record], None]:
    """
    Give the records of half-open spans a fetch at a time, in offset order a partition.

    Whoever may end before the spans do closes it (`aclosing`): it holds a reader.

    Raises:
        PositionError: a span begins before the log.
        BusUnavailable: its records do not come; a restart asks again.

    """
    left = {p: span[1] for p, span in spans.items() if span[0] < span[1]}
    if not left:
        return
    reader = await bus.reader({p: spans[p][0] for p in left}, pace)
    silent = 0
    try:
        while left:
            records = await reader.read(_READ_WAIT_MS)
            silent = 0 if records else silent + 1
            if silent > _SILENT_READS_MAX:
                raise BusUnavailable(f"records do not come: {sorted(map(str, left))}")
            found = [one for one in records if one.offset < left.get(one.partition, 0)]
            for record in found:
                if record.offset == left[record.partition] - 1:
                    del left[record.partition]
            if found:
                yield found
    finally:
        await reader.close()


async def read_through(
    bus: Bus,
    spans: Mapping[Partition, tuple[int, int]],
    each: Callable[[Record], None],
) -> None:
    """
    Hand every record of the spans to `each`.

    Raises: as `batches`.

    """
    async with aclosing(batches(bus, spans)) as fetched:
        async for records in fetched:
            for record in records:
                each(record)


async def read_between(bus: Bus, partition: Partition, *, start: int, end: int) -> list[Record]:
    """
    Read exactly the records of `[start, end)`.

    Raises: as `batches`.

    """
    found: list[Record] = []
    await read_through(bus, {partition: (start, end)}, found.append)
    return found
