"""The projected tables made anew, and compared with the topics, on a real PostgreSQL."""

import asyncio
import random

import pytest

from spark.bus.memory import MemoryBroker, MemoryBus
from spark.cli.db_desk import first_difference
from spark.consumers import rivalry
from spark.errors import PositionError
from spark.ops.rebuild import Compared, Rebuilt, compare, rebuild
from tests.database import ask, connected, make_tables, tell
from tests.projecting import TOPICS, dumped, lay, projecting, wake
from tests.projection import NUMBER, interleaved, random_past
from tests.servers import RunningPostgres


@pytest.fixture
async def postgres(postgres_server: RunningPostgres) -> RunningPostgres:
    await make_tables(postgres_server)
    return postgres_server


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(TOPICS)


@pytest.fixture
def bus(broker: MemoryBroker) -> MemoryBus:
    return MemoryBus(broker)


def ignore(_done: int, _total: int) -> None:
    pass


async def rebuilt(postgres: RunningPostgres, bus: MemoryBus) -> Rebuilt:
    async with connected(postgres.url("migrate")) as database:
        return await rebuild(bus, database, ignore)


async def compared(postgres: RunningPostgres, bus: MemoryBus) -> Compared:
    async with connected(postgres.url("migrate")) as database:
        return await compare(bus, database, ignore)


def differing(found: Compared) -> dict[str, int]:
    return {table.name: table.differing for table in found.tables if table.differing}


async def test_a_rebuild_gives_the_rows_of_the_running_projector(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """D1: folded again from offset zero, every table is the same, byte for byte."""
    chance = random.Random(3)
    past = random_past(chance, 120)
    lay(broker, interleaved(past.records(), chance))
    async with projecting(bus, postgres, batch_records_max=11) as running:
        await running.reached(past)
    before = await dumped(postgres)

    await tell(postgres.superuser_url, "UPDATE orders SET status = 'unknown'; DELETE FROM trades")
    made = await rebuilt(postgres, bus)

    assert await dumped(postgres) == before
    assert made.records == sum(len(log) for log in past.logs.values())
    assert made.rows["orders"] == len(before["orders"])
    assert made.rows["trades"] == len(before["trades"]) > 0


async def test_a_rebuild_under_a_running_projector_loses_and_doubles_nothing(
    postgres: RunningPostgres,
    broker: MemoryBroker,
    bus: MemoryBus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R19: the offsets move with the rows, so the projector goes on from where the rebuild ends."""
    # More rebuilds than anybody makes in a minute: each is a race lost.
    monkeypatch.setattr(rivalry, "LOST_MAX", 10**6)
    chance = random.Random(6)
    past = random_past(chance, 120)
    records = list(interleaved(past.records(), chance))
    async with projecting(bus, postgres, batch_records_max=5) as running:
        for start in range(0, len(records), 100):
            lay(broker, records[start : start + 100])
            await asyncio.gather(wake(broker), rebuilt(postgres, bus))
        await running.reached(past)

    found = await compared(postgres, bus)
    assert differing(found) == {}


async def test_equal_tables_are_called_equal_while_the_projector_runs(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """D1: tables are compared at the place up to which they go, wherever the projector is."""
    chance = random.Random(9)
    past = random_past(chance, 120)
    records = list(interleaved(past.records(), chance))
    async with projecting(bus, postgres, batch_records_max=5) as running:
        for start in range(0, len(records), 150):
            lay(broker, records[start : start + 150])
            found, _ = await asyncio.gather(compared(postgres, bus), wake(broker))
            assert differing(found) == {}
        await running.reached(past)

    whole = await compared(postgres, bus)
    assert whole.records == len(records)
    assert first_difference(whole.tables) is None


@pytest.mark.parametrize(
    ("sql", "table", "words"),
    [
        (
            "UPDATE orders SET filled_quantity = 99 WHERE status = 'filled'",
            "orders",
            "filled_quantity is",
        ),
        ("DELETE FROM positions WHERE mode = 'live'", "positions", "the table lacks"),
        (
            "INSERT INTO positions VALUES ('a', 'live', 'X', 'a', 1, 1, 0, 1)",
            "positions",
            "the topics do not have",
        ),
        ("UPDATE intents SET outcome = NULL WHERE outcome = 'refused'", "intents", "outcome is"),
        (
            "UPDATE trades SET price = price * 1.00 WHERE cumulative = 1",
            "trades",
            "price is",
        ),
    ],
    ids=["a-value", "a-row-less", "a-row-more", "many", "a-spelling"],
)
async def test_a_falsified_table_is_found(  # noqa: PLR0917  (three fixtures, three cases)
    postgres: RunningPostgres,
    broker: MemoryBroker,
    bus: MemoryBus,
    sql: str,
    table: str,
    words: str,
) -> None:
    """S13: whoever falsifies the tables misleads until they are compared with the log."""
    chance = random.Random(3)
    past = random_past(chance, 60)
    lay(broker, interleaved(past.records(), chance))
    await rebuilt(postgres, bus)
    await tell(postgres.superuser_url, sql)

    found = await compared(postgres, bus)
    assert set(differing(found)) == {table}
    assert words in str(first_difference(found.tables))


async def test_a_rebuild_mends_tables_of_a_topic_created_again(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """R18: after a person decided that the new topics are the truth, the projector goes on."""
    past = random_past(random.Random(1), 20)
    lay(broker, [record for log in past.records().values() for record in log])
    await rebuilt(postgres, bus)
    for name, count in TOPICS.items():
        broker.create(name, count)
    with pytest.raises(PositionError, match="created again"):
        await compared(postgres, bus)

    other = random_past(random.Random(2), 20)
    lay(broker, [record for log in other.records().values() for record in log])
    await rebuilt(postgres, bus)
    async with projecting(bus, postgres) as running:
        await running.reached(other)
    assert differing(await compared(postgres, bus)) == {}


async def test_a_rebuild_without_the_whole_log_is_refused(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """R8: rows that only the tables still know are not thrown away."""
    past = random_past(random.Random(1), 20)
    lay(broker, [record for log in past.records().values() for record in log])
    await rebuilt(postgres, bus)
    before = await dumped(postgres)
    for partition in (record[0].partition for record in past.records().values() if record):
        assert partition.number == NUMBER
        broker.cut(partition, 1)
    with pytest.raises(PositionError, match="are gone"):
        await rebuilt(postgres, bus)
    assert await dumped(postgres) == before


async def test_a_rebuild_leaves_no_table_behind(postgres: RunningPostgres, bus: MemoryBus) -> None:
    """The temporary tables go with their transaction."""
    await rebuilt(postgres, bus)
    sql = "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'"
    assert await ask(postgres.superuser_url, sql) == [(0,)]
