"""
The live market for orders on paper, followed by the gateway once somebody wants it.

Instruments and books are read from as far back as tells what they are now; trades from
now on, because what was traded before an order fills nothing of it.
"""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from spark.bus.port import Bus, Pace, Partition
from spark.codec import decode
from spark.errors import MalformedError
from spark.exchanges.paper.market import PaperMarket
from spark.topics import BINANCE_BOOKS, BINANCE_TRADES, BY_NAME, VENUE_STATE

_READ_WAIT_MS: Final = 500
#: Records of each topic to look back. The feed writes a full book every two minutes, and
#: ten updates a second of each symbol: so many hold one of each of four symbols.
_LOOK_BACK: Final = {
    VENUE_STATE: BY_NAME[VENUE_STATE].tail_records,
    BINANCE_BOOKS: 5_000,
    BINANCE_TRADES: 0,
}
#: After so many records others get their turn: the first read is a long one.
_RECORDS_AT_ONCE_MAX: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRules:
    """What orders on paper cost, and what they are filled from."""

    #: Of maker and taker, a fraction.
    fee_rate: Decimal = Decimal("0.001")
    #: A book that said nothing for longer is none.
    book_age_ns_max: int = 5_000_000_000


async def follow_market(bus: Bus, market: PaperMarket) -> None:
    """
    Wait until somebody wants the market, then follow it until cancelled.

    Raises:
        PositionError: the topics were cut while they were read; a restart begins anew.

    """
    await market.wanted.wait()
    partitions = [Partition(name, 0) for name in _LOOK_BACK]
    starts, ends = await bus.starts(partitions), await bus.ends(partitions)
    reader = await bus.reader(
        {p: max(starts[p], ends[p] - _LOOK_BACK[p.topic]) for p in partitions}, Pace.SIDE
    )
    try:
        while True:
            for number, record in enumerate(await reader.read(_READ_WAIT_MS), 1):
                try:
                    market.take(decode(record.value or b""))
                except MalformedError:
                    continue
                if number % _RECORDS_AT_ONCE_MAX == 0:
                    await asyncio.sleep(0)
    finally:
        await reader.close()
