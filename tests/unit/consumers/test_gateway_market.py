"""
The market behind orders on paper: nobody pays for it before somebody wants it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from spark import topics
from spark.bus.memory import MemoryBroker, MemoryBus, MemoryReader
from spark.bus.port import Outgoing, Pace, Partition
from spark.codec import encode
from spark.consumers import gateway_market
from spark.consumers.gateway_market import follow_market
from spark.events import Event
from spark.exchanges.btcturk.local_book import LocalBook
from spark.exchanges.paper.market import PaperMarket
from spark.names import Venue
from tests.made import NOW_NS, SYMBOL, instrument
from tests.paper import BOOK_AGE_NS_MAX, book_row, books

_TOPICS = (topics.VENUE_STATE, topics.BINANCE_BOOKS, topics.BINANCE_TRADES)
_BOOKS = Partition(topics.BINANCE_BOOKS, 0)


class Watched(MemoryBus):
    """A bus that tells where readers were opened."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self.opened: list[dict[str, int]] = []

    async def reader(self, positions: Mapping[Partition, int], pace: Pace) -> MemoryReader:
        self.opened.append({partition.topic: offset for partition, offset in positions.items()})
        return await super().reader(positions, pace)


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(dict.fromkeys(_TOPICS, 1))


async def say(broker: MemoryBroker, topic: str, *values: Event | bytes) -> None:
    bodies = [value if isinstance(value, bytes) else encode(value) for value in values]
    await broker.append([Outgoing(Partition(topic, 0), None, body) for body in bodies])


@asynccontextmanager
async def following(bus: MemoryBus, market: PaperMarket) -> AsyncIterator[None]:
    task = asyncio.create_task(follow_market(bus, market))
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until_heard(market: PaperMarket) -> None:
    async with asyncio.timeout(20):
        while market.book(SYMBOL, NOW_NS) is None or SYMBOL not in market.instruments:
            await market.heard()


async def test_in_live_not_a_record_of_the_market_is_read(broker: MemoryBroker) -> None:
    """A10: the gateway follows the market from the first wish for it on, and not before."""
    bus, market = Watched(broker), PaperMarket(book_age_ns_max=BOOK_AGE_NS_MAX)
    await say(broker, topics.VENUE_STATE, instrument())
    await say(broker, topics.BINANCE_BOOKS, books(book_row((0, 5), {"99": "1"}, {"101": "1"})))
    async with following(bus, market):
        for _ in range(3):
            await asyncio.sleep(0)
        assert bus.opened == []
        market.wanted.set()
        await until_heard(market)
    assert len(bus.opened) == 1


async def test_it_begins_at_the_tail_and_reads_past_rubbish(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C2: from some full book on; what nobody can read is nobody's."""
    monkeypatch.setattr(gateway_market, "_BOOKS_BACK", 4)
    bus, market = Watched(broker), PaperMarket(book_age_ns_max=BOOK_AGE_NS_MAX)
    await say(broker, topics.VENUE_STATE, instrument())
    old = [books(book_row((n, n), {"98": "1"}, {})) for n in range(1, 40)]
    full, later = book_row((0, 40), {"99": "1"}, {"101": "1"}), book_row((41, 41), {"97": "2"}, {})
    await say(broker, topics.BINANCE_BOOKS, *old, b"rubbish", books(full), books(later))
    market.wanted.set()
    async with following(bus, market):
        await until_heard(market)
    assert bus.opened[0][topics.BINANCE_BOOKS] == 38
    book = market.book(SYMBOL, NOW_NS)
    assert book is not None
    assert market.book(SYMBOL, NOW_NS + BOOK_AGE_NS_MAX + 1) is None


async def test_each_exchange_has_a_market_of_its_own() -> None:
    """A10: paper at BTCTurk fills from BTCTurk's book, by its own rule, and its own instruments."""
    names = (topics.VENUE_STATE, topics.BTCTURK_BOOKS, topics.BTCTURK_TRADES)
    broker = MemoryBroker(dict.fromkeys(names, 1))
    market = PaperMarket(Venue.BTCTURK, book_age_ns_max=BOOK_AGE_NS_MAX)
    market.wanted.set()
    row = book_row((0, 5), {"99": "1"}, {"101": "1"})
    await say(broker, topics.VENUE_STATE, instrument(), instrument(venue=Venue.BTCTURK))
    await say(broker, topics.BTCTURK_BOOKS, replace(books(row), venue=Venue.BTCTURK))
    async with following(MemoryBus(broker), market):
        await until_heard(market)
    assert isinstance(market.book(SYMBOL, NOW_NS), LocalBook)
    assert market.instruments[SYMBOL].venue is Venue.BTCTURK
