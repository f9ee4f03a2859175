"""The feed writer while PostgreSQL is there and takes no rows: it waits, says so, goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from spark.bus.memory import MemoryBroker, MemoryBus
from spark.consumers import table_watch
from spark.db import pool
from tests.database import ask, make_tables
from tests.disks import small_disk_or_skip
from tests.hindered import crowded, full, locked, read_only, read_only_to_newcomers, silent
from tests.market import BOOKS, FEED_TOPICS, QUOTES, TRADES, RunningWriter, market_record, writing
from tests.servers import RunningPostgres

#: Of the small disk: the tables, and what PostgreSQL makes room for beforehand.
_DISK_BYTES = 256 * 1024 * 1024
#: Of one record: a few records are more than the pages at hand take.
_ROWS = 20
#: Of the watch, whose own question a database that takes no rows may answer well.
_LOOKS = 5
Hindrance = Callable[[RunningPostgres], AbstractAsyncContextManager[None]]


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(FEED_TOPICS)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_watch, "_PERIOD_S", 0.05)
    monkeypatch.setattr(pool, "_OPTIONS", "-c lock_timeout=200 -c timezone=UTC")


async def append(broker: MemoryBroker, numbers: Iterable[int]) -> None:
    for number in numbers:
        ids = range(number * _ROWS, (number + 1) * _ROWS)
        await broker.append([market_record(QUOTES, ids)])


async def unready(running: RunningWriter) -> None:
    """Wait until /healthz says 503; a writer that ended fails."""
    while running.writer.ready.is_set():
        assert not running.task.done(), running.task.exception()
        await asyncio.sleep(0.01)


async def each_row_once(
    postgres: RunningPostgres, broker: MemoryBroker, hindrance: AbstractAsyncContextManager[None]
) -> None:
    async with writing(MemoryBus(broker), postgres) as running:
        await append(broker, range(50))
        await running.reached({QUOTES: 50, TRADES: 0, BOOKS: 0})
        async with hindrance:
            await append(broker, range(50, 100))
            await unready(running)
            await append(broker, range(100, 120))
            for _ in range(_LOOKS):
                await asyncio.sleep(table_watch._PERIOD_S)
                assert not running.writer.ready.is_set()
        await append(broker, range(120, 150))
        await running.reached({QUOTES: 150, TRADES: 0, BOOKS: 0})
        await running.writer.ready.wait()

    found = await ask(postgres.superuser_url, "SELECT update_id FROM market.quotes ORDER BY 1")
    assert [number for (number,) in found] == list(range(150 * _ROWS))


@pytest.mark.parametrize(
    "hindrance",
    [silent, read_only, read_only_to_newcomers, locked, crowded],
    ids=lambda h: h.__name__,
)
async def test_a_database_that_takes_no_rows_gets_each_once_afterwards(
    postgres_server: RunningPostgres, broker: MemoryBroker, hindrance: Hindrance
) -> None:
    """Faults D1, D2, D3, D4, N2: the writer is not ready, does not halt, and loses nothing."""
    await make_tables(postgres_server)

    await each_row_once(postgres_server, broker, hindrance(postgres_server))


@pytest.fixture
def on_a_small_disk(tmp_path: Path) -> Iterator[tuple[RunningPostgres, Path]]:
    """A PostgreSQL of its own, and its disk."""
    for above in (tmp_path, *tmp_path.parents[:2]):
        above.chmod(0o755)
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk_or_skip(disk, _DISK_BYTES):
        disk.chmod(0o755)
        postgres = RunningPostgres(disk)
        postgres.start()
        try:
            postgres.provision()
            yield postgres, disk
        finally:
            postgres.stop()


async def test_a_full_disk_gets_each_row_once_when_it_has_room(
    on_a_small_disk: tuple[RunningPostgres, Path], broker: MemoryBroker
) -> None:
    """Fault D3: a server that answers and has no room is no healthy one; with room it goes on."""
    postgres, disk = on_a_small_disk
    await make_tables(postgres)

    @asynccontextmanager
    async def filled() -> AsyncIterator[None]:
        with full(disk):
            yield

    await each_row_once(postgres, broker, filled())
