"""The Binance feed: a real socket on one side, the log in memory on the other."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest

from spark.bus.memory import MemoryBroker, MemoryBus, MemoryWriter
from spark.bus.port import Outgoing, Partition, Writer
from spark.codec import decode
from spark.errors import SettingError
from spark.events import (
    BooksChanged,
    DeadLettered,
    FeedGapped,
    PricesMarked,
    QuotesReceived,
    TradesReceived,
)
from spark.exchanges.binance.local_book import LocalBook
from spark.exchanges.binance.stream import BinanceStreams
from spark.exchanges.simulator.server import Options, Running, running
from spark.metrics import Metrics
from spark.names import Side, Symbol
from spark.producers import market_feed
from tests.feeds import SYMBOLS, WAIT_S, books, feeding, full_books, quote, saying, until
from tests.market import BOOKS, FEED_TOPICS, QUOTES, TRADES
from tests.simulated_venue import Client, write_keys

_DEAD = Partition("dlq.binance_feed", 0)
_MARKS = Partition("market.binance.marks", 0)


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(FEED_TOPICS)


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[Running]:
    options = Options(keys_file=write_keys(tmp_path), market_steps_per_s=200)
    async with running(options) as simulator:
        yield simulator


@pytest.fixture
async def judge(venue: Running) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, venue)


async def test_every_kind_of_every_symbol_arrives(venue: Running, broker: MemoryBroker) -> None:
    """C2: quotes, trades and depth of each symbol, and a full book to begin with."""
    metrics, started_s = Metrics("binance_feed"), time.time()
    bus = MemoryBus(broker)
    async with feeding(bus, venue.stream_url, venue.url, metrics=metrics) as feed:
        await until(
            broker,
            lambda: (
                {r.key for p in (QUOTES, TRADES, BOOKS) for r in broker.log(p)}
                == {b"BTCUSDT", b"ETHUSDT", None}
                and min(len(broker.log(p)) for p in (QUOTES, TRADES, BOOKS)) > 5
                and set(full_books(broker)) == set(SYMBOLS)
            ),
        )
        assert feed.ready.is_set()
        last = metrics.registry.get_sample_value(
            "spark_ws_last_message_timestamp_seconds", {"venue": "binance"}
        )

    assert last is not None
    assert started_s <= last <= time.time()
    for partition, kind in ((QUOTES, QuotesReceived), (TRADES, TradesReceived)):
        for record in broker.log(partition)[1:]:  # the first one says who holds the topic
            event = decode(record.value or b"")
            assert isinstance(event, kind | FeedGapped)
            assert (record.key or b"").decode() == event.symbol
    assert not broker.log(_DEAD)


async def test_a_reader_may_begin_anywhere(venue: Running, broker: MemoryBroker) -> None:
    """C2: full books come again without need; from any of them on, a book is whole and sane."""
    async with feeding(MemoryBus(broker), venue.stream_url, venue.url, book_s_max=0.2):
        await until(broker, lambda: full_books(broker).count("BTCUSDT") > 2)
        seen = len(broker.log(BOOKS))
        await until(broker, lambda: len(broker.log(BOOKS)) > seen + 10)
    rows = [row for one in books(broker) if one.symbol == "BTCUSDT" for row in one.rows]
    fulls = [number for number, row in enumerate(rows) if row[2] == 0]
    for begins_at in (0, fulls[1] - 1, fulls[-1]):
        book = LocalBook()
        for row in rows[begins_at:]:
            book.apply(row)
        assert book.is_whole
        best_bid, best_ask = next(book.offers(Side.BUY)), next(book.offers(Side.SELL))
        assert best_bid.price < best_ask.price


async def test_a_book_can_be_followed_from_the_topic(venue: Running, broker: MemoryBroker) -> None:
    """C2: after the full book, the differences join up without a gap."""
    async with feeding(MemoryBus(broker), venue.stream_url, venue.url):
        await until(broker, lambda: len(broker.log(BOOKS)) > 30)

    for symbol in SYMBOLS:
        rows = [row for event in books(broker) if event.symbol == symbol for row in event.rows]
        (full,) = [row for row in rows if row[2] == 0]
        differences = [row for row in rows if row[2] > 0]
        for before, after in pairwise(differences):
            assert after[2] == before[3] + 1
        assert differences[0][2] <= full[3] + 1


def marks(broker: MemoryBroker) -> list[PricesMarked]:
    found = [decode(record.value or b"") for record in broker.log(_MARKS)]
    return [event for event in found if isinstance(event, PricesMarked)]


async def test_each_symbol_is_marked_as_last_quoted(venue: Running, broker: MemoryBroker) -> None:
    """B5, S8: marks are the last quotes, a few a second, whatever the traffic."""
    async with feeding(MemoryBus(broker), venue.stream_url, venue.url):
        await until(
            broker, lambda: any(len(one.marks) == len(SYMBOLS) for one in marks(broker)[3:])
        )

    quoted = {
        (event.symbol, row[2], row[4])
        for event in (decode(record.value or b"") for record in broker.log(QUOTES))
        if isinstance(event, QuotesReceived)
        for row in event.rows
    }
    texts = {(symbol, float(bid), float(ask)) for symbol, bid, ask in quoted}
    for event in marks(broker):
        for mark in event.marks:
            assert (mark.symbol, float(mark.bid), float(mark.ask)) in texts
            assert mark.measured_ns <= event.marked_ns
    assert len(broker.log(_MARKS)) < len(broker.log(QUOTES)) / 2


async def test_a_quiet_socket_that_answers_keeps_its_marks_fresh(broker: MemoryBroker) -> None:
    """C5: one quote, then nothing but pongs; what it said still holds."""
    async with saying([quote(1)]) as url, feeding(MemoryBus(broker), url, url):
        await until(broker, lambda: len(marks(broker)) >= 3)

    found = [one.marks[0] for one in marks(broker)]
    assert len({(mark.bid, mark.ask) for mark in found}) == 1
    assert len({mark.measured_ns for mark in found}) == len(found)


async def test_a_mute_socket_lets_its_marks_grow_stale(
    venue: Running, judge: Client, broker: MemoryBroker
) -> None:
    """C5, fault M1: a socket that is open and answers nothing marks nothing anew."""
    async with feeding(MemoryBus(broker), venue.stream_url, venue.url, mute_s_max=3) as feed:
        await until(broker, lambda: len(marks(broker)) >= 2)
        await judge.judge("POST", "/faults", {"kind": "mute_socket"})
        reconnects = feed.metrics.ws_reconnects.labels("binance")
        await until(broker, lambda: reconnects._value.get() >= 1)
        seen = [one.marks[0].measured_ns for one in marks(broker)]
        heard = feed._last_read_ns

    assert max(seen) <= heard
    assert len(set(seen)) == len(seen)


async def test_a_lost_socket_is_replaced(
    venue: Running, judge: Client, broker: MemoryBroker
) -> None:
    """
    After a disconnect the feed connects again, and full books say that something was missed.

    Fault M3.
    """
    metrics = Metrics("binance_feed")
    async with feeding(MemoryBus(broker), venue.stream_url, venue.url, metrics=metrics):
        await until(broker, lambda: set(full_books(broker)) == set(SYMBOLS))
        await judge.judge("POST", "/faults", {"kind": "disconnect"})
        await until(broker, lambda: len(full_books(broker)) >= 2 * len(SYMBOLS))
        quotes = len(broker.log(QUOTES))
        await until(broker, lambda: len(broker.log(QUOTES)) > quotes)

    assert metrics.registry.get_sample_value("spark_ws_reconnects_total", {"venue": "binance"})


async def test_a_mute_socket_is_found_and_replaced(
    venue: Running, judge: Client, broker: MemoryBroker
) -> None:
    """C5: a socket that is open but says nothing is replaced."""
    async with feeding(MemoryBus(broker), venue.stream_url, venue.url, mute_s_max=0.5):
        await until(broker, lambda: set(full_books(broker)) == set(SYMBOLS))
        await judge.judge("POST", "/faults", {"kind": "mute_socket"})
        await until(broker, lambda: len(full_books(broker)) >= 2 * len(SYMBOLS))


async def test_what_was_received_is_written_when_told_to_stop(
    venue: Running, broker: MemoryBroker
) -> None:
    """A stop loses nothing that the socket delivered."""
    bus = MemoryBus(broker)
    async with feeding(bus, venue.stream_url, venue.url) as feed:
        await until(broker, lambda: len(broker.log(QUOTES)) > 5)

    assert feed.rows.rows == 0
    assert feed._frames == sum(
        len(event.rows)
        for p in (QUOTES, TRADES, BOOKS)
        for event in map(decode, (r.value or b"" for r in broker.log(p)))
        if isinstance(event, QuotesReceived | TradesReceived | BooksChanged)
    ) - len(full_books(broker))


async def test_a_bad_frame_is_dead_lettered_and_the_next_is_served(broker: MemoryBroker) -> None:
    """H5: the letter has the reason and the frame; nothing stops."""
    metrics = Metrics("binance_feed")
    frames = [quote(1), b'{"stream":"btcusdt@bookTicker","data":{"u":2}}', b"\xff", quote(3)]
    async with saying(frames) as url, feeding(MemoryBus(broker), url, url, metrics=metrics):
        await until(broker, lambda: len(broker.log(_DEAD)) == 2 and b",3," in (ids(broker) or b""))

    letters = [decode(record.value or b"") for record in broker.log(_DEAD)]
    assert [(x.detail, x.offset) for x in letters if isinstance(x, DeadLettered)] == [
        ("s is missing, a string is due", 2),
        (letters[1].detail if isinstance(letters[1], DeadLettered) else "", 3),
    ]
    assert [dict(record.headers)["frame"] for record in broker.log(_DEAD)] == frames[1:3]
    assert metrics.registry.get_sample_value(
        "spark_dead_letters_total", {"reason": "malformed"}
    ) == pytest.approx(2)


def ids(broker: MemoryBroker) -> bytes:
    return b"".join(record.value or b"" for record in broker.log(QUOTES))


async def test_a_frame_beyond_all_measure_ends_only_its_connection(broker: MemoryBroker) -> None:
    """H5: 10 MB in one frame are not read into memory; the feed connects again."""
    metrics = Metrics("binance_feed")
    frames = [quote(1), b"x" * 10_000_000]
    async with saying(frames) as url, feeding(MemoryBus(broker), url, url, metrics=metrics):
        await until(broker, lambda: ids(broker).count(b'"1.50"') >= 2)

    assert metrics.registry.get_sample_value("spark_ws_reconnects_total", {"venue": "binance"})


class _HeldWriter(MemoryWriter):
    """A broker that takes nothing until it is let."""

    def __init__(self, broker: MemoryBroker, let: asyncio.Event) -> None:
        super().__init__(broker)
        self._let = let

    async def write(self, records: Sequence[Outgoing]) -> list[int]:
        # All but the fences, which carry no epoch.
        if records[0].partition.topic.startswith("market.") and records[0].headers:
            await self._let.wait()
        return await super().write(records)


class _HeldBus(MemoryBus):
    def __init__(self, broker: MemoryBroker, let: asyncio.Event) -> None:
        super().__init__(broker)
        self._pair = broker, let

    async def writer(self, topics: Sequence[str]) -> Writer:  # type: ignore[override]
        del topics
        return _HeldWriter(*self._pair)


async def test_a_slow_broker_makes_the_socket_wait(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Trap 19: what waits for the broker is bounded; the rest stays with the sender, unlost.

    Faults K1 and M5.
    """
    monkeypatch.setattr(market_feed, "WAITING_ROWS_MAX", 50)
    let = asyncio.Event()
    total = 20_000
    most = 0
    frames = [quote(number) for number in range(total)]
    async with saying(frames) as url, feeding(_HeldBus(broker, let), url, url) as feed:
        async with asyncio.timeout(WAIT_S):
            while feed.rows.rows < 50:  # noqa: ASYNC110  (that nothing happens is no event)
                await asyncio.sleep(0.001)
        for _ in range(100):
            await asyncio.sleep(0.001)
            most = max(most, feed.rows.rows)
        let.set()
        await until(broker, lambda: ids(broker).count(b'"1.50"') == total)

    assert most == 50


async def test_more_symbols_than_a_connection_carries_are_a_setting_error() -> None:
    """The error names the setting and the limit."""
    symbols = tuple(Symbol(f"A{number}USDT") for number in range(342))

    with pytest.raises(SettingError, match="SPARK_BINANCE_SYMBOLS names 342 symbols"):
        await BinanceStreams("http://127.0.0.1:1").open(symbols)
