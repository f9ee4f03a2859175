"""
The live market for orders on paper, followed by the gateway once somebody wants it.

Instruments and books are read from as far back as tells what they are now; trades from
now on, because what was traded before an order fills nothing of it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from spark.bus.port import Bus, Pace, Partition
from spark.codec import decode
from spark.errors import MalformedError
from spark.exchanges.paper.market import PaperMarket
from spark.names import Venue
from spark.topics import (
    BINANCE_BOOKS,
    BINANCE_TRADES,
    BTCTURK_BOOKS,
    BTCTURK_TRADES,
    BY_NAME,
    VENUE_STATE,
)
from spark.worker.fence import Reigns

_READ_WAIT_MS: Final = 500
#: Books and trades of each exchange, with the records to look back. Feeds write a full book
#: every two minutes, and updates of each symbol ten times a second at most: so many hold one
#: of each of four symbols.
_BOOKS_BACK: Final = 5_000
_TOPICS: Final[Mapping[Venue, tuple[str, str]]] = {
    Venue.BINANCE: (BINANCE_BOOKS, BINANCE_TRADES),
    Venue.BTCTURK: (BTCTURK_BOOKS, BTCTURK_TRADES),
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
    books, trades = _TOPICS[market.venue]
    back = {VENUE_STATE: BY_NAME[VENUE_STATE].tail_records, books: _BOOKS_BACK, trades: 0}
    partitions = [Partition(name, 0) for name in back]
    starts, ends = await bus.starts(partitions), await bus.ends(partitions)
    reader = await bus.reader(
        {p: max(starts[p], ends[p] - back[p.topic]) for p in partitions}, Pace.SIDE
    )
    reigns = Reigns()
    try:
        while True:
            for number, record in enumerate(await reader.read(_READ_WAIT_MS), 1):
                if reigns.is_void(record):
                    continue
                try:
                    market.take(decode(record.value or b""))
                except MalformedError:
                    continue
                if number % _RECORDS_AT_ONCE_MAX == 0:
                    await asyncio.sleep(0)
    finally:
        await reader.close()
