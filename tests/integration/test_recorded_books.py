"""
Recorded frames through the real client: the book after them is the one that they make.

What the book must be is worked out straight from the files, by other code: plain numbers
in dictionaries, and the venue's documented rule written out once more.
"""

import gzip
import json
from decimal import Decimal
from pathlib import Path

from spark.bus.memory import MemoryBroker, MemoryBus
from spark.codec import decode
from spark.events import BooksChanged, FeedGapped
from spark.exchanges.binance.local_book import LocalBook
from spark.exchanges.simulator.server import Options, running
from spark.names import Side, Symbol
from tests.feeds import SYMBOLS, feeding, gaps, until
from tests.market import BOOKS, FEED_TOPICS
from tests.recordings import recorded
from tests.simulated_venue import write_keys

_Sides = dict[str, dict[Decimal, Decimal]]


def path_of(symbol: Symbol) -> Path:
    return recorded(f"binance-spot-{symbol.lower()}-20240808.frames.gz")


def rebuilt(symbol: Symbol) -> tuple[int, _Sides]:
    """Make the book that a file ends with, and the id that it ends at."""
    updates, snapshot = [], None
    with gzip.open(path_of(symbol), "rt") as lines:
        for line in lines:
            frame = json.loads(line.partition(" ")[2])
            if "lastUpdateId" in frame:
                snapshot = frame
            elif "@depth" in frame["stream"]:
                updates.append(frame["data"])
    assert snapshot is not None
    last_id = snapshot["lastUpdateId"]
    book: _Sides = {
        side: {Decimal(price): Decimal(quantity) for price, quantity in snapshot[name]}
        for side, name in (("b", "bids"), ("a", "asks"))
    }
    for update in updates:
        if update["u"] <= last_id:
            continue
        assert update["U"] <= last_id + 1, "the recording has a gap"
        for side, levels in book.items():
            for price, quantity in update[side]:
                levels.pop(Decimal(price), None)
                if Decimal(quantity):
                    levels[Decimal(price)] = Decimal(quantity)
        last_id = update["u"]
    return last_id, book


def shown(book: LocalBook) -> _Sides:
    return {
        name: {one.price: one.quantity for one in book.offers(side)}
        for name, side in (("b", Side.BUY), ("a", Side.SELL))
    }


def followed(broker: MemoryBroker, symbol: Symbol) -> LocalBook:
    """Follow a symbol's book as a reader of its topic does."""
    book = LocalBook()
    for record in broker.log(BOOKS):
        event = decode(record.value or b"")
        if isinstance(event, FeedGapped) and event.symbol == symbol:
            book.doubt()
        elif isinstance(event, BooksChanged) and event.symbol == symbol:
            for row in event.rows:
                book.apply(row)
    return book


async def test_the_book_after_a_replay_is_the_one_that_the_frames_make(tmp_path: Path) -> None:
    """C2: both symbols, level by level, in the feed and for who reads its topic; no alarm."""
    expected = {symbol: rebuilt(symbol) for symbol in SYMBOLS}
    broker = MemoryBroker(FEED_TOPICS)
    options = Options(
        keys_file=write_keys(tmp_path), replay=tuple(map(path_of, SYMBOLS)), speed=None
    )
    async with (
        running(options) as venue,
        feeding(MemoryBus(broker), venue.stream_url, venue.url) as feed,
    ):
        await until(broker, lambda: all(feed.rows.ends_at(s) == expected[s][0] for s in SYMBOLS))

    for symbol, (last_id, book) in expected.items():
        for found in (feed.rows.book(symbol), followed(broker, symbol)):
            assert found.last_id == last_id
            assert shown(found) == book
        assert len(book["b"]) > 500
    assert {gap.cause for gap in gaps(broker, BOOKS)} == {"start"}
