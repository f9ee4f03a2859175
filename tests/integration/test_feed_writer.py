"""The feed writer on a real PostgreSQL; the log is the one in memory, so that it can be hurt."""

import asyncio
from decimal import Decimal

import pytest

from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Outgoing, Record
from spark.codec import encode
from spark.consumers import rivalry, table_watch
from spark.errors import GapError, PartitionError, PositionError, SettingError
from spark.events import FeedGapped
from spark.metrics import Metrics
from spark.names import Symbol, Venue
from spark.signing import short_digest
from tests.database import ask, make_tables, tell
from tests.market import (
    BOOKS,
    FEED_TOPICS,
    NOW_NS,
    QUOTES,
    TRADES,
    TURK_BOOKS,
    TURK_QUOTES,
    TURK_TRADES,
    market_record,
    writing,
)
from tests.servers import RunningPostgres


@pytest.fixture
async def postgres(postgres_server: RunningPostgres) -> RunningPostgres:
    await make_tables(postgres_server)
    return postgres_server


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(FEED_TOPICS)


@pytest.fixture
def bus(broker: MemoryBroker) -> MemoryBus:
    return MemoryBus(broker)


async def ids(postgres: RunningPostgres) -> list[int]:
    return [
        row[0]
        for row in await ask(
            postgres.superuser_url, "SELECT update_id FROM market.quotes ORDER BY 1"
        )
    ]


async def test_rows_of_all_kinds_arrive_exactly(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """A quote, a trade and a depth update are a row each; every digit of the wire is kept (C4)."""
    metrics = Metrics("feed_writer")
    async with writing(bus, postgres, metrics) as running:
        await broker.append([market_record(QUOTES, [1, 2]), market_record(TRADES, [3])])
        await broker.append([market_record(BOOKS, [4])])
        await running.reached({QUOTES: 1, TRADES: 1, BOOKS: 1})

    url = postgres.superuser_url
    origin = ("binance", "BTCUSDT", 0, 0)
    columns = "venue, symbol, origin_partition, origin_offset"
    assert await ask(
        url, f"SELECT received_ns, bid::text, ask_quantity, {columns} FROM market.quotes"
    ) == 2 * [(NOW_NS, "1.50", Decimal(3), *origin)]
    assert await ask(
        url, f"SELECT exchange_ns, trade_id, price, is_buyer_maker, {columns} FROM market.trades"
    ) == [(NOW_NS, 3, Decimal("1.50"), True, *origin)]
    assert await ask(
        url, f"SELECT last_update_id, bids::text, asks::text, {columns} FROM market.book_updates"
    ) == [(4, "{{1.50,2},{1.4,0}}", "{}", *origin)]
    assert metrics.registry.get_sample_value(
        "spark_feed_to_db_seconds_count", {"kind": "quotes"}
    ) == pytest.approx(2)
    assert metrics.registry.get_sample_value(
        "spark_rows_written_total", {"table": "books"}
    ) == pytest.approx(1)


async def test_each_venue_has_its_rows_and_its_gaps(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """C2, C4: both venues' records go into the same tables, and a gap once, as rows are."""
    gap = FeedGapped(
        venue=Venue.BTCTURK,
        symbol=Symbol("BTCTRY"),
        kind="books",
        cause="sequence",
        last_ns=NOW_NS,
        resumed_ns=NOW_NS + 5,
        last_id=7,
        next_id=9,
    )
    metrics = Metrics("feed_writer")
    async with writing(bus, postgres, metrics) as running:
        await broker.append([market_record(TURK_TRADES, [638_000_000_000_000_007])])
        await broker.append([market_record(TURK_BOOKS, [7])])
        await broker.append([Outgoing(TURK_BOOKS, b"BTCTRY", encode(gap))])
        await broker.append([market_record(TRADES, [3]), market_record(TURK_BOOKS, [9])])
        await running.reached({TRADES: 1, TURK_TRADES: 1, TURK_BOOKS: 3, TURK_QUOTES: 0})
    async with writing(bus, postgres) as running:
        await running.reached({TRADES: 1, TURK_TRADES: 1, TURK_BOOKS: 3})

    url = postgres.superuser_url
    assert await ask(url, "SELECT venue, trade_id FROM market.trades ORDER BY 1") == [
        ("binance", 3),
        ("btcturk", 638_000_000_000_000_007),
    ]
    assert await ask(url, "SELECT last_update_id FROM market.book_updates ORDER BY 1") == [
        (7,),
        (9,),
    ]
    assert await ask(
        url, "SELECT venue, symbol, kind, cause, last_id, next_id, origin_offset FROM market.gaps"
    ) == [("btcturk", "BTCTRY", "books", "sequence", 7, 9, 1)]
    assert await ask(url, "SELECT seconds FROM reading.gaps") == [(Decimal("5e-9"),)]
    assert metrics.registry.get_sample_value(
        "spark_rows_written_total", {"table": "gaps"}
    ) == pytest.approx(1)


async def test_a_new_writer_goes_on_where_the_rows_end(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """The offset row, not Kafka, says where to go on; it holds the digest of the record before."""
    for first in (1, 3, 5):
        await broker.append([market_record(QUOTES, [first]), market_record(QUOTES, [first + 1])])
        async with writing(bus, postgres) as running:
            await running.reached({QUOTES: first + 1, TRADES: 0, BOOKS: 0})

    assert await ids(postgres) == [1, 2, 3, 4, 5, 6]
    last = broker.log(QUOTES)[-1].value or b""
    assert await ask(
        postgres.superuser_url,
        "SELECT next_offset, last_digest FROM market.feed_offsets WHERE topic LIKE '%ce.quotes'",
    ) == [(6, short_digest(last))]


async def test_bad_input_is_kept_apart_and_the_next_is_served(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """R19, H5: bad rows go into a table in the same transaction; neighbours are stored."""
    row = market_record(QUOTES, [1, 2])
    mixed = row._replace(value=row.value.replace(b'"1.50"', b'"1\\t50"', 1))
    metrics = Metrics("feed_writer")
    async with writing(bus, postgres, metrics) as running:
        await broker.append([Outgoing(QUOTES, None, b"\x00"), mixed, market_record(QUOTES, [3])])
        await running.reached({QUOTES: 3, TRADES: 0, BOOKS: 0})

    assert await ids(postgres) == [2, 3]
    assert await ask(
        postgres.superuser_url,
        "SELECT record_offset, row_number, reason, body FROM market.feed_rejects ORDER BY id",
    ) == [
        (0, None, "malformed", b"\x00"),
        (1, 0, "bad_row", b'[%d,1,"1\\t50","2","1.60","3"]' % NOW_NS),
    ]
    assert metrics.registry.get_sample_value(
        "spark_rows_rejected_total", {"reason": "bad_row"}
    ) == pytest.approx(1)


async def test_a_lost_race_is_forgotten_and_read_again(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """
    R19: when the compare-and-swap fails, nothing of the batch stays and the rows decide.

    Fault D4.
    """
    url = postgres.superuser_url
    async with writing(bus, postgres) as running:
        await broker.append([market_record(QUOTES, [1])])
        await running.reached({QUOTES: 1, TRADES: 0, BOOKS: 0})
        # Another writer took records 1 and 2 of the quotes behind this one's back.
        records = [market_record(QUOTES, [n]) for n in (2, 3, 4)]
        digest = short_digest(records[1].value)
        await tell(
            url,
            f"UPDATE market.feed_offsets SET next_offset = 3, last_digest = '{digest}'"
            " WHERE topic LIKE '%binance.quotes'",
        )
        await broker.append([*records, market_record(TRADES, [9])])
        await running.reached({QUOTES: 4, TRADES: 1, BOOKS: 0})

    assert await ids(postgres) == [1, 4]
    assert await ask(url, "SELECT trade_id FROM market.trades") == [(9,)]


async def test_two_writers_write_each_row_once(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R19: compare-and-swap fences: whoever loses begins again from the rows."""
    monkeypatch.setattr(rivalry, "LOST_MAX", 10**6)
    async with writing(bus, postgres) as first, writing(bus, postgres) as second:
        for number in range(200):
            await broker.append([market_record(p, [number]) for p in (QUOTES, TRADES, BOOKS)])
            await asyncio.sleep(0)
        await asyncio.gather(
            first.reached(dict.fromkeys((QUOTES, TRADES, BOOKS), 200)),
            second.reached(dict.fromkeys((QUOTES, TRADES, BOOKS), 200)),
        )

    assert await ids(postgres) == list(range(200))
    for table, column in (("trades", "trade_id"), ("book_updates", "last_update_id")):
        rows = await ask(postgres.superuser_url, f"SELECT {column} FROM market.{table} ORDER BY 1")
        assert [row[0] for row in rows] == list(range(200))


async def test_a_database_that_dies_loses_and_doubles_nothing(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """
    Whether the last transaction was committed is decided by reading the offset rows.

    Faults P6 and D1.
    """
    async with writing(bus, postgres) as running:
        for number in range(100):
            await broker.append([market_record(QUOTES, [number])])
        postgres.kill()
        postgres.start()
        for number in range(100, 200):
            await broker.append([market_record(QUOTES, [number])])
        await running.reached({QUOTES: 200, TRADES: 0, BOOKS: 0})

    assert await ids(postgres) == list(range(200))


async def test_without_its_database_it_is_not_ready(
    postgres: RunningPostgres, bus: MemoryBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D2: `/healthz`, which says what `ready` says, is 503 while the database does not answer."""
    monkeypatch.setattr(table_watch, "_PERIOD_S", 0.01)
    async with writing(bus, postgres) as running:
        ready = running.writer.ready
        postgres.kill()
        try:
            while ready.is_set():  # noqa: ASYNC110  (nothing tells of its being cleared)
                await asyncio.sleep(0.01)
        finally:
            postgres.start()
        await ready.wait()


async def begin_at_two(postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus) -> None:
    await broker.append([market_record(QUOTES, [1]), market_record(QUOTES, [2])])
    async with writing(bus, postgres) as running:
        await running.reached({QUOTES: 2, TRADES: 0, BOOKS: 0})


async def test_a_topic_created_again_halts(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """R18: a topic of another incarnation is found although its offsets look right."""
    await begin_at_two(postgres, broker, bus)
    broker.create(QUOTES.topic, 1)
    await broker.append([market_record(QUOTES, [n]) for n in range(5)])

    with pytest.raises(PositionError, match="created again"):
        async with writing(bus, postgres):
            pass


async def test_another_record_before_the_position_halts(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """R18: the record before the position must have the digest that was stored."""
    await begin_at_two(postgres, broker, bus)
    log = broker.log(QUOTES)
    log[1] = Record(QUOTES, 1, 0, None, b"another", ())

    with pytest.raises(PositionError, match="not the record that was written"):
        async with writing(bus, postgres):
            pass


async def test_a_log_that_was_cut_halts(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """R18, fault K3: a log that ends before the position lost records."""
    await begin_at_two(postgres, broker, bus)
    broker.log(QUOTES).pop()

    with pytest.raises(PositionError, match="was cut"):
        async with writing(bus, postgres):
            pass


async def test_records_that_expired_unread_halt(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """R8, fault D2: what retention took before it was written is a loss that a person must see."""
    await begin_at_two(postgres, broker, bus)
    await broker.append([market_record(QUOTES, [n]) for n in range(5)])
    broker.cut(QUOTES, 4)

    with pytest.raises(PositionError, match="records 2 to 3 expired"):
        async with writing(bus, postgres):
            pass


async def test_a_gap_halts(postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus) -> None:
    """R19: the first offset of a batch must be `next`, else halt; nothing of it is written."""
    await begin_at_two(postgres, broker, bus)
    (hole,) = [record._replace(offset=3) for record in broker.log(QUOTES)[-1:]]
    broker.log(QUOTES).append(hole)
    with pytest.raises(GapError, match="at 2 comes offset 3"):
        async with writing(bus, postgres) as running:
            await running.task

    assert await ids(postgres) == [1, 2]


async def test_a_missing_topic_halts(postgres: RunningPostgres) -> None:
    """R16: topics have the partitions of the table."""
    bus = MemoryBus(MemoryBroker({"market.binance.quotes": 1}))
    with pytest.raises(PartitionError, match=r"market\.binance\.trades is not there"):
        async with writing(bus, postgres):
            pass


async def test_tables_without_migrations_are_refused(
    postgres_server: RunningPostgres, bus: MemoryBus
) -> None:
    """The writer says at its start what the database lacks."""
    postgres_server.recreate_database()
    with pytest.raises(SettingError, match="run `spark db migrate`"):
        async with writing(bus, postgres_server):
            pass
