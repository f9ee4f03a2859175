"""The pool on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager

import psycopg
import pytest

from spark.db import pool
from spark.db.pool import Database
from spark.errors import (
    AuthorisationError,
    DatabaseUnavailable,
    FencedError,
    HaltError,
    MalformedError,
)
from spark.metrics import Metrics
from spark.settings import DatabaseSettings
from tests.database import ask, connected, make_tables, tell
from tests.hindered import crowded, locked, read_only, silent
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


Hindrance = Callable[[RunningPostgres], AbstractAsyncContextManager[None]]


@pytest.mark.parametrize(
    ("hindrance", "said"),
    [
        pytest.param(silent, "nothing within 1 s", id="silent"),
        pytest.param(read_only, "read-only transaction", id="read-only"),
        pytest.param(locked, "lock timeout", id="locked"),
    ],
)
async def test_a_server_that_takes_no_rows_now_is_waited_for(
    postgres: RunningPostgres,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    hindrance: Hindrance,
    said: str,
) -> None:
    """Faults D1, D2, D3, D4, N2: silent, read-only or locked is an absence, which ends."""
    monkeypatch.setattr(database, "_answer_s_max", 1.0)
    monkeypatch.setitem(database._login, "options", "-c lock_timeout=200")
    await database.reopen()
    async with hindrance(postgres):
        with pytest.raises(DatabaseUnavailable, match=said):
            await database.copy({"copy_quotes": quote()}, "feed_advance", move(0, 1))
        assert await database.is_healthy() == (hindrance is locked)

    await database.reopen()
    assert await database.is_healthy()
    count, offset = await rows(postgres)
    # What the stopped server had in hand it may have finished; never the half of it.
    assert (count, offset) in {(0, 0), (1, 1)}
    await database.copy({"copy_quotes": quote()}, "feed_advance", move(offset, offset + 1))
    assert await rows(postgres) == (count + 1, offset + 1)


async def test_a_standby_is_no_server_to_work_on(
    postgres: RunningPostgres, database: Database
) -> None:
    """Fault D2: who takes reads alone is refused when connecting, as if it were not there."""
    async with read_only(postgres):
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            await database.reopen()
    await database.reopen()


async def test_a_deadlock_leaves_nothing_and_is_tried_again(
    postgres: RunningPostgres, database: Database
) -> None:
    """Fault D4: whom the server chooses to end a deadlock, that one comes again later."""
    url = postgres.superuser_url
    await tell(
        url,
        "INSERT INTO market.feed_offsets SELECT topic, 1, topic_id, 0, last_digest"
        " FROM market.feed_offsets",
    )
    lock = "SELECT FROM market.feed_offsets WHERE partition = {} FOR UPDATE"
    async with await psycopg.AsyncConnection.connect(url) as other, other.transaction():
        # The other one waits longer than the writer, so the writer is chosen.
        await other.execute("SET LOCAL deadlock_timeout = '60s'")
        await other.execute(lock.format(1).encode())
        waiting: list[asyncio.Task[object]] = []

        async def cross() -> None:
            async with database.transaction() as transaction:
                await transaction.script(lock.format(0))
                crossing = asyncio.create_task(other.execute(lock.format(0).encode()))
                waiting.append(crossing)
                await transaction.script(lock.format(1))

        with pytest.raises(DatabaseUnavailable, match="deadlock"):
            await cross()
        await waiting.pop()
    await database.copy({"copy_quotes": quote()}, "feed_advance", move(0, 1))
    ((count,),) = await ask(url, "SELECT count(*) FROM market.quotes")
    assert count == 1


async def test_a_pool_that_is_used_up_is_an_absence(
    postgres: RunningPostgres, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault D4: no connection within the time allowed; once one is back, it serves."""
    monkeypatch.setattr(pool, "_TAKE_S_MAX", 0.2)
    database = Database(
        postgres.url("feed_writer"),
        name="test",
        settings=DatabaseSettings.model_construct(pool_max=1),
        metrics=metrics,
    )
    await database.open()
    try:
        async with database.transaction():
            with pytest.raises(DatabaseUnavailable, match="no database connection"):
                await database.copy({}, "feed_advance", move(0, 1))
        assert await database.is_healthy()
    finally:
        await database.close()


async def test_too_many_connections_are_no_refusal_of_the_role(
    postgres: RunningPostgres, database: Database
) -> None:
    """Fault D4: a role at its limit of connections is let in later; its rights are not wrong."""
    async with crowded(postgres):
        with pytest.raises(DatabaseUnavailable, match="too many connections"):
            await database.reopen()
    await database.reopen()
    await database.copy({"copy_quotes": quote()}, "feed_advance", move(0, 1))
    assert await rows(postgres) == (1, 1)


async def test_a_role_that_is_not_there_is_refused(postgres: RunningPostgres) -> None:
    """S13: a login that will never be right is told apart from one that may be later."""
    url = postgres.url("feed_writer").replace("spark_feed_writer", "spark_nobody")
    with pytest.raises(AuthorisationError, match="refuses the login"):
        async with connected(url):
            pass
