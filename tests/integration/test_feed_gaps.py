"""What is missing on a market topic is a record on it, and in a table (spec C2, C5)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Partition
from spark.clock import ManualClock
from spark.codec import decode
from spark.events import FeedGapped
from spark.exchanges.binance.client import BinancePublic
from spark.exchanges.binance.stream import BinanceStreams
from spark.exchanges.simulator.server import Options, Running, running
from spark.metrics import Metrics
from spark.producers.binance_feed import BinanceFeed
from tests.feeds import SYMBOLS, feeding, full_books, gaps, quote, saying, until
from tests.market import BOOKS, FEED_TOPICS, QUOTES, TRADES
from tests.simulated_venue import Client, write_keys


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


def everywhere(broker: MemoryBroker, cause: str) -> bool:
    """Tell whether each stream has a gap of that cause."""
    return all(
        {gap.symbol for gap in gaps(broker, partition) if gap.cause == cause} == set(SYMBOLS)
        for partition in (QUOTES, TRADES, BOOKS)
    )


async def test_a_feed_begins_with_a_gap_on_every_stream(
    venue: Running, broker: MemoryBroker
) -> None:
    """C2: what came before the process is missing, and each topic says so first."""
    async with feeding(MemoryBus(broker), venue.stream_url, venue.url):
        await until(broker, lambda: everywhere(broker, "start"))
    for partition in (QUOTES, TRADES, BOOKS):
        for symbol in SYMBOLS:
            first = next(r for r in broker.log(partition) if r.key == symbol.encode())
            event = decode(first.value or b"")
            assert isinstance(event, FeedGapped)
            assert (event.last_ns, event.last_id, event.cause) == (0, -1, "start")
            assert event.next_id > 0


@pytest.mark.parametrize(
    ("fault", "cause"), [("disconnect", "connection_lost"), ("mute_socket", "mute")]
)
async def test_a_replaced_socket_is_a_gap_on_every_stream(
    venue: Running, judge: Client, broker: MemoryBroker, fault: str, cause: str
) -> None:
    """
    C5, trap 18: a socket lost, or mute though it is open, is replaced; both sides are told.

    Faults N2, M1 and M3.
    """
    async with feeding(MemoryBus(broker), venue.stream_url, venue.url, mute_s_max=1):
        await until(broker, lambda: everywhere(broker, "start"))
        await judge.judge("POST", "/faults", {"kind": fault})
        await until(broker, lambda: everywhere(broker, cause))
    (gap,) = [gap for gap in gaps(broker, TRADES) if gap.cause == cause and gap.symbol == "BTCUSDT"]
    assert 0 < gap.last_ns < gap.resumed_ns
    assert 0 < gap.last_id < gap.next_id


async def test_a_stream_that_dies_alone_is_found(broker: MemoryBroker) -> None:
    """
    Trap 18: quotes go on and the socket answers, but no book comes: the socket is replaced.

    Fault M1.
    """
    book = b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,'
    book += b'"s":"BTCUSDT","U":5,"u":9,"b":[],"a":[]}}'
    async with (
        saying([quote(1), book], repeat_s=0.1) as url,
        feeding(MemoryBus(broker), url, url, stream_s_max=0.5) as feed,
    ):
        await until(broker, lambda: any(gap.cause == "mute" for gap in gaps(broker, BOOKS)))
        assert feed.metrics.ws_reconnects.labels("binance")._value.get() >= 1


async def test_a_difference_that_was_lost_on_the_way_is_a_gap(
    venue: Running, judge: Client, broker: MemoryBroker
) -> None:
    """
    C2: the numbers tell; a full book comes, and who reads the topic has a whole one again.

    Fault M2.
    """
    async with feeding(MemoryBus(broker), venue.stream_url, venue.url):
        await until(broker, lambda: set(full_books(broker)) == set(SYMBOLS))
        await judge.judge("POST", "/faults", {"kind": "sequence_gap"})
        await until(broker, lambda: len(full_books(broker)) > len(SYMBOLS))

    (gap,) = [gap for gap in gaps(broker, BOOKS) if gap.cause == "sequence"]
    assert 0 < gap.last_id < gap.next_id - 1
    assert gap.last_ns <= gap.resumed_ns


async def test_books_are_compared_with_fresh_ones(venue: Running, broker: MemoryBroker) -> None:
    """C2: now and then each book is compared with the exchange's; the same one goes on."""
    async with feeding(MemoryBus(broker), venue.stream_url, venue.url, book_s_max=0.3) as feed:
        await until(broker, lambda: feed.rows.books_agreed() > 3)
    assert {gap.cause for gap in gaps(broker, BOOKS)} == {"start"}


async def test_staleness_grows_without_an_update(broker: MemoryBroker) -> None:
    """`spark_ws_staleness_seconds` is computed when it is read: silence must show."""
    metrics, clock = Metrics("binance_feed"), ManualClock(10**18, 10**9)
    feed = BinanceFeed(
        bus=MemoryBus(broker),
        clock=clock,
        metrics=metrics,
        streams=BinanceStreams("http://127.0.0.1:1"),
        depths=BinancePublic("http://127.0.0.1:1", clock, reply_ms_max=1),
        symbols=SYMBOLS,
        instance="test",
        ready=asyncio.Event(),
    )
    stop = asyncio.Event()
    task = asyncio.create_task(feed.run(stop))
    await until(broker, lambda: len(broker.log(Partition("control.pulse", 0))) > 0)

    def staleness() -> float | None:
        return metrics.registry.get_sample_value(
            "spark_ws_staleness_seconds", {"venue": "binance", "stream": "quotes"}
        )

    assert staleness() == pytest.approx(0)
    clock.advance(45 * 10**9)
    assert staleness() == pytest.approx(45)
    stop.set()
    await task
