"""
Following side inputs: whatever comes is folded as it comes, beside the order path.
"""

from collections.abc import Callable, Sequence
from typing import Final

from spark.bus.port import Bus, Pace, Partition, Record

_READ_WAIT_MS: Final = 500


async def follow(
    bus: Bus,
    positions: dict[Partition, int],
    take: Callable[[Record], None],
    *,
    partitions: Sequence[Partition],
    pace: Pace,
) -> None:
    """
    Hand every new record of some partitions to `take`; runs until cancelled.

    Args:
        positions: next offset of each partition; kept up to date.
        pace: SIDE gathers; HOT is for rare records that nobody may wait for.

    Raises:
        PositionError: a position is not on the log any more; halt.

    """
    if not partitions:
        return
    reader = await bus.reader({partition: positions[partition] for partition in partitions}, pace)
    try:
        while True:
            for record in await reader.read(_READ_WAIT_MS):
                take(record)
                positions[record.partition] = record.offset + 1
    finally:
        await reader.close()
