"""The pool on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from spark.db.pool import Database
from spark.errors import (
    AuthorisationError,
    DatabaseUnavailable,
    FencedError,
    HaltError,
    MalformedError,
)
from spark.metrics import Metrics
from tests.database import ask, connected, make_tables, tell
from tests.market import NOW_NS
from tests.servers import RunningPostgres

_TOPIC = "market.binance.quotes"
_DAY = {"day": "2025-11-21"}


def quote(bid: str = "1.50", update_id: int = 1) -> bytes:
    return f"{NOW_NS}\t{update_id}\t{bid}\t2\t1.60\t3\tbinance\tBTCUSDT\t0\t0\n".encode()


def move(old: int, new: int) -> Mapping[str, object]:
    return {
        "topics": [_TOPIC],
        "partitions": [0],
        "olds": [old],
        "news": [new],
        "digests": ["it's a digest"],
    }


@pytest.fixture
async def postgres(postgres_server: RunningPostgres) -> RunningPostgres:
    await make_tables(postgres_server)
    return postgres_server


@pytest.fixture
async def metrics() -> Metrics:
    return Metrics("test")


@pytest.fixture
async def database(postgres: RunningPostgres, metrics: Metrics) -> AsyncIterator[Database]:
    async with connected(postgres.url("feed_writer"), metrics) as database:
        async with database.transaction() as transaction:
            await transaction.execute("feed_prepare_day", _DAY)
            await transaction.execute(
                "feed_begin",
                {
                    "topic": _TOPIC,
                    "partition": 0,
                    "topic_id": "00000000-0000-0000-0000-000000000000",
                    "next_offset": 0,
                },
            )
        yield database


async def rows(postgres: RunningPostgres) -> tuple[int, int]:
    """Count quotes, and read the offset."""
    url = postgres.superuser_url
    ((quotes,),) = await ask(url, "SELECT count(*) FROM market.quotes")
    ((offset,),) = await ask(url, "SELECT next_offset FROM market.feed_offsets")
    return quotes, offset


async def test_rows_and_offset_are_one_transaction(
    postgres: RunningPostgres, database: Database
) -> None:
    """Fault P6: design §7: what is copied is there together with the offset that says so."""
    await database.copy({"copy_quotes": 3 * quote()}, "feed_advance", move(0, 7))

    assert await rows(postgres) == (3, 7)


async def test_a_lost_race_leaves_nothing(postgres: RunningPostgres, database: Database) -> None:
    """R19, fault D4: when the offset is not the expected one, the rows before it are gone, too."""
    with pytest.raises(FencedError, match="another feed writer moved the offsets"):
        await database.copy({"copy_quotes": quote()}, "feed_advance", move(3, 7))

    assert await rows(postgres) == (0, 0)


async def test_a_value_that_the_server_refuses_leaves_nothing(
    postgres: RunningPostgres, database: Database
) -> None:
    """A bug in the validation stops the writer; it never commits the half of a batch."""
    trades = f"{NOW_NS}\t0\t1\t1\t1\t1\tbinance\tBTCUSDT\t0\t0\n".encode()
    copies = {"copy_quotes": quote(), "copy_trades": trades + b"rubbish\n"}
    with pytest.raises(MalformedError):
        await database.copy(copies, "feed_advance", move(0, 1))

    assert await rows(postgres) == (0, 0)
    await database.copy({"copy_quotes": quote()}, "feed_advance", move(0, 1))
    assert await rows(postgres) == (1, 1)


async def test_a_row_of_a_day_without_partition_halts(
    postgres: RunningPostgres, database: Database
) -> None:
    """Days are prepared before their rows; anything else is a bug."""
    early = quote().replace(b"176370", b"116370")
    with pytest.raises(HaltError, match="no partition"):
        await database.copy({"copy_quotes": early}, "feed_advance", move(0, 1))

    assert await rows(postgres) == (0, 0)


async def test_large_bodies_go_out_in_pieces(postgres: RunningPostgres, database: Database) -> None:
    """Megabytes in one COPY arrive whole, whatever their cuts fall on."""
    body = b"".join(quote(update_id=number) for number in range(40_000))
    assert len(body) > 2_000_000

    await database.copy({"copy_quotes": body}, "feed_advance", move(0, 1))

    assert await ask(
        postgres.superuser_url, "SELECT count(*), sum(update_id) FROM market.quotes"
    ) == [(40_000, sum(range(40_000)))]


async def test_the_offset_row_is_not_locked_while_rows_are_sent(
    postgres: RunningPostgres, database: Database
) -> None:
    """R19, fault D4: a writer that stops in the middle of its rows keeps nobody waiting."""
    url = postgres.superuser_url
    async with database.transaction() as transaction:
        await transaction.fetch("feed_positions", {"topics": [_TOPIC]})
        await asyncio.wait_for(
            tell(url, "UPDATE market.feed_offsets SET next_offset = 5"), timeout=5
        )
    with pytest.raises(FencedError):
        await database.copy({"copy_quotes": quote()}, "feed_advance", move(0, 7))


async def test_what_a_role_may_not_do_is_said(postgres: RunningPostgres) -> None:
    """S13: the server's refusal is not mistaken for its absence."""
    async with connected(postgres.url("reader")) as database:
        with pytest.raises(AuthorisationError, match="permission denied"):
            async with database.transaction() as transaction:
                await transaction.fetch("feed_positions", {"topics": [_TOPIC]})


async def test_health_and_absence(
    postgres: RunningPostgres, database: Database, metrics: Metrics
) -> None:
    """D2, fault D1: health is asked of the server; who asks for it has it again when it is back."""
    assert await database.is_healthy()
    assert metrics.registry.get_sample_value("spark_db_pool_size") == pytest.approx(1)
    assert metrics.registry.get_sample_value("spark_db_pool_in_use") == pytest.approx(0)
    assert metrics.registry.get_sample_value(
        "spark_db_query_seconds_count", {"query": "ping"}
    ) == pytest.approx(1)

    postgres.kill()
    assert not await database.is_healthy()
    with pytest.raises(DatabaseUnavailable):
        await database.copy({"copy_quotes": quote()}, "feed_advance", move(0, 1))

    with pytest.raises(DatabaseUnavailable):
        await database.reopen()

    postgres.start()
    await database.reopen()
    assert await database.is_healthy()
    assert metrics.registry.get_sample_value("spark_db_pool_size") == pytest.approx(1)
    assert await rows(postgres) == (0, 0)
