"""The BTCTurk feed: a real socket on one side, the log in memory on the other."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Partition
from spark.clock import SystemClock
from spark.codec import decode
from spark.events import (
    BooksChanged,
    FeedGapped,
    PricesMarked,
    QuotesReceived,
    TradesReceived,
)
from spark.exchanges.btcturk.local_book import LocalBook
from spark.exchanges.btcturk.stream import BtcturkStreams
from spark.exchanges.simulator.server import Options, Running, running
from spark.metrics import Metrics
from spark.names import Side, Symbol, Venue
from spark.producers import market_feed
from spark.producers.btcturk_feed import BtcturkFeed
from spark.topics import BY_NAME
from tests.feeds import gaps, saying, until, write_turk_keys
from tests.market import FEED_TOPICS, TURK_BOOKS, TURK_QUOTES, TURK_TRADES
from tests.simulated_venue import Client

_DEAD = Partition("dlq.btcturk_feed", 0)
_MARKS = Partition("market.btcturk.marks", 0)
_SYMBOLS = (Symbol("BTCTRY"), Symbol("BTCUSDT"))


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(FEED_TOPICS)


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[Running]:
    options = Options(
        keys_file=write_turk_keys(tmp_path), venue=Venue.BTCTURK, market_steps_per_s=200
    )
    async with running(options) as simulator:
        yield simulator


@pytest.fixture
async def judge(venue: Running) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, venue)


@asynccontextmanager
async def feeding(
    broker: MemoryBroker,
    stream_url: str,
    *,
    symbols: tuple[Symbol, ...] = _SYMBOLS,
    mute_s_max: float = market_feed.MUTE_S_MAX,
    book_s_max: float = market_feed.BOOK_S_MAX,
    first_s_max: float = 5.0,
) -> AsyncIterator[BtcturkFeed]:
    stop = asyncio.Event()
    feed = BtcturkFeed(
        bus=MemoryBus(broker),
        clock=SystemClock(),
        metrics=Metrics("btcturk_feed"),
        streams=BtcturkStreams(stream_url),
        symbols=symbols,
        instance="test",
        ready=asyncio.Event(),
        mute_s_max=mute_s_max,
        book_s_max=book_s_max,
        first_s_max=first_s_max,
    )
    task = asyncio.create_task(feed.run(stop))
    try:
        yield feed
    finally:
        stop.set()
        await task


def rows_of(broker: MemoryBroker, symbol: str) -> list[BooksChanged | FeedGapped]:
    found = [decode(r.value or b"") for r in broker.log(TURK_BOOKS) if r.key == symbol.encode()]
    return [event for event in found if isinstance(event, BooksChanged | FeedGapped)]


def fulls(broker: MemoryBroker, symbol: str) -> int:
    return sum(
        row[2] == 0
        for event in rows_of(broker, symbol)
        if isinstance(event, BooksChanged)
        for row in event.rows
    )


def everywhere(broker: MemoryBroker, cause: str) -> bool:
    """Tell whether each stream has a gap of that cause."""
    return all(
        {gap.symbol for gap in gaps(broker, partition) if gap.cause == cause} == set(_SYMBOLS)
        for partition in (TURK_QUOTES, TURK_TRADES, TURK_BOOKS)
    )


def followed(broker: MemoryBroker, symbol: str) -> LocalBook:
    """Follow a symbol's book as a reader of its topic does."""
    book = LocalBook()
    for event in rows_of(broker, symbol):
        if isinstance(event, FeedGapped):
            book.doubt()
            continue
        for row in event.rows:
            book.apply(row)
    return book


async def test_every_kind_of_every_symbol_arrives(venue: Running, broker: MemoryBroker) -> None:
    """C1: quotes of the book, trades, books and marks of each symbol; no frame is refused."""
    async with feeding(broker, venue.stream_url) as feed:
        await until(
            broker,
            lambda: (
                everywhere(broker, "start")
                and min(len(broker.log(p)) for p in (TURK_QUOTES, TURK_TRADES, TURK_BOOKS)) > 6
                and len(broker.log(_MARKS)) > 2
            ),
        )
        assert feed.ready.is_set()

    for partition in (TURK_QUOTES, TURK_TRADES, TURK_BOOKS):
        for record in broker.log(partition)[1:]:  # the first one says who holds the topic
            event = decode(record.value or b"")
            assert isinstance(event, QuotesReceived | TradesReceived | BooksChanged | FeedGapped)
            assert event.type in BY_NAME[partition.topic].events
            assert (event.venue, event.symbol) == ("btcturk", (record.key or b"").decode())
    last = decode(broker.log(_MARKS)[-1].value or b"")
    assert isinstance(last, PricesMarked)
    assert {mark.symbol for mark in last.marks} == set(_SYMBOLS)
    assert not broker.log(_DEAD)


async def test_quotes_are_the_best_of_the_book(venue: Running, broker: MemoryBroker) -> None:
    """C1: each quote is what the topic's book shows at its change set, and each is a change."""
    async with feeding(broker, venue.stream_url):
        await until(broker, lambda: len(broker.log(TURK_BOOKS)) > 12)

    for symbol in _SYMBOLS:
        book = LocalBook()
        best: dict[int, tuple[Decimal, ...]] = {}
        for told in rows_of(broker, symbol):
            for change in told.rows if isinstance(told, BooksChanged) else ():
                book.apply(change)
                bid, ask = next(book.offers(Side.BUY)), next(book.offers(Side.SELL))
                best[change[3]] = (bid.price, bid.quantity, ask.price, ask.quantity)
        assert book.is_whole
        quoted = [
            row
            for record in broker.log(TURK_QUOTES)
            if isinstance(event := decode(record.value or b""), QuotesReceived)
            and event.symbol == symbol
            for row in event.rows
        ]
        assert quoted
        for row in quoted:
            assert tuple(Decimal(str(one)) for one in row[2:]) == best[row[1]]


async def test_a_missing_number_is_a_gap_and_brings_a_whole_book(
    venue: Running, judge: Client, broker: MemoryBroker
) -> None:
    """Trap 17: a change set is left out; the book is dropped, told of, and joined again."""
    async with feeding(broker, venue.stream_url):
        await until(broker, lambda: all(fulls(broker, s) == 1 for s in _SYMBOLS))
        await judge.judge("POST", "/faults", {"kind": "sequence_gap"})
        await until(broker, lambda: sum(fulls(broker, s) for s in _SYMBOLS) == 3)
        seen = len(broker.log(TURK_BOOKS))
        await until(broker, lambda: len(broker.log(TURK_BOOKS)) > seen + 3)

    (gap,) = [gap for gap in gaps(broker, TURK_BOOKS) if gap.cause == "sequence"]
    assert gap.last_id > 0
    assert gap.last_ns < gap.resumed_ns
    for symbol in _SYMBOLS:
        assert followed(broker, symbol).is_whole


@pytest.mark.parametrize(
    ("fault", "cause"), [("disconnect", "connection_lost"), ("mute_socket", "mute")]
)
async def test_a_replaced_socket_is_told_of(
    venue: Running, judge: Client, broker: MemoryBroker, fault: str, cause: str
) -> None:
    """Trap 18, C5, fault M1: a socket lost, or open and mute, is replaced; all books begin anew."""
    async with feeding(broker, venue.stream_url, mute_s_max=2):
        await until(broker, lambda: everywhere(broker, "start"))
        await judge.judge("POST", "/faults", {"kind": fault})
        await until(
            broker,
            lambda: all(
                {gap.symbol for gap in gaps(broker, p) if gap.cause == cause} == set(_SYMBOLS)
                for p in (TURK_QUOTES, TURK_BOOKS)
            ),
        )
    for symbol in _SYMBOLS:
        assert followed(broker, symbol).is_whole


async def test_a_symbol_that_stays_silent_is_found(venue: Running, broker: MemoryBroker) -> None:
    """Trap 20: an unknown pair is joined with success and nothing comes; a timer tells."""
    symbols = (*_SYMBOLS, Symbol("NOSUCHTRY"))
    async with feeding(broker, venue.stream_url, symbols=symbols, first_s_max=0.6) as feed:
        await until(
            broker,
            lambda: (
                feed.rows.books[Symbol("NOSUCHTRY")].silent > 1
                and all(fulls(broker, symbol) for symbol in _SYMBOLS)
            ),
        )
        assert not feed.rows.books[Symbol("BTCTRY")].silent
        assert feed.metrics.marks_missing.labels("btcturk")._value.get() == 1


async def test_books_are_compared_with_another_subscription(
    venue: Running, broker: MemoryBroker
) -> None:
    """Trap 17: whole books of `orderbook` are compared; the same book goes on without a gap."""
    async with feeding(broker, venue.stream_url, book_s_max=0.5) as feed:
        await until(
            broker,
            lambda: all(feed.rows.books[s].agreed >= 1 and fulls(broker, s) > 1 for s in _SYMBOLS),
        )
    assert {gap.cause for gap in gaps(broker, TURK_BOOKS)} == {"start"}
    for symbol in _SYMBOLS:
        assert followed(broker, symbol).is_whole


async def test_a_bad_frame_is_dead_lettered_and_the_next_is_served(broker: MemoryBroker) -> None:
    """H5: the letter has the reason and the frame; nothing stops."""
    full = {"PS": "BTCTRY", "CS": 7, "BO": [{"P": "1", "A": "2"}], "AO": [{"P": "3", "A": "4"}]}
    frames = [
        b'[432,{"PS":"BTCTRY"}]',
        b"\xff",
        json.dumps([431, {**full, "channel": "obdiff"}]).encode(),
    ]
    async with saying(frames) as url, feeding(broker, f"{url}/stream"):
        await until(broker, lambda: len(broker.log(_DEAD)) == 2 and fulls(broker, "BTCTRY") == 1)
    assert [dict(record.headers)["frame"] for record in broker.log(_DEAD)] == frames[:2]
