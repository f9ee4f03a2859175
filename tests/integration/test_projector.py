"""The projector on a real PostgreSQL; the log is the one in memory, so that it can be hurt."""

import asyncio
import random
import string
from decimal import Decimal

import pytest

from spark import topics
from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Partition, Record
from spark.consumers import rivalry, table_watch
from spark.consumers.projector_batch import Cutter, Mark
from spark.errors import (
    FencedError,
    GapError,
    IntegrityError,
    PartitionError,
    PositionError,
    SettingError,
)
from spark.metrics import Metrics
from spark.names import Reason, Symbol
from spark.ops.rebuild import compare, rebuild
from tests.database import ask, connected, make_tables, tell
from tests.made import Life, place
from tests.projecting import TABLES, TOPICS, dumped, in_order, lay, projecting, texts, wake
from tests.projection import NUMBER, Past, interleaved, projected, random_past
from tests.servers import RunningPostgres

EVENTS = Partition(topics.EVENTS, NUMBER)


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


def in_turn(past: Past) -> list[Record]:
    return [record for log in past.records().values() for record in log]


async def assert_equal(postgres: RunningPostgres, past: Past) -> None:
    """Hold that the tables are what the log says, every digit of it."""
    found = await dumped(postgres)
    for name, lines in projected(iter(in_turn(past))).items():
        table = "projector_rejects" if name == "rejects" else name
        assert in_order(found[table]) == in_order(texts(lines)), table


@pytest.mark.parametrize("seed", range(4))
async def test_tables_equal_the_topics_whatever_is_read_first(
    seed: int,
    postgres: RunningPostgres,
    broker: MemoryBroker,
    bus: MemoryBus,
) -> None:
    """D1, R15: any interleaving of the topics, cut anywhere, gives the rows that the log says."""
    chance = random.Random(seed)
    past = random_past(chance, 60)
    async with projecting(bus, postgres, batch_records_max=7) as running:
        records = list(interleaved(past.records(), chance))
        while records:
            count = chance.randint(1, 40)
            lay(broker, records[:count])
            del records[:count]
            await wake(broker)
            await asyncio.sleep(0)
        await running.reached(past)

    await assert_equal(postgres, past)


async def test_a_new_projector_goes_on_where_the_rows_end(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """Start and recovery are one path: nothing is remembered beside the rows."""
    chance = random.Random(11)
    past = random_past(chance, 60)
    records = list(interleaved(past.records(), chance))
    metrics = Metrics("projector")
    while records:
        lay(broker, records[:60])
        del records[:60]
        async with projecting(bus, postgres, metrics):
            pass
    async with projecting(bus, postgres, metrics) as running:
        await running.reached(past)

    await assert_equal(postgres, past)
    written = metrics.registry.get_sample_value("spark_rows_written_total", {"table": "trades"})
    assert written == len(projected(iter(in_turn(past)))["trades"])


async def test_two_projectors_write_each_row_once(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    R19: compare-and-swap over every partition fences; whoever loses reads its place again.

    Fault D4.
    """
    monkeypatch.setattr(rivalry, "LOST_MAX", 10**6)
    chance = random.Random(5)
    past = random_past(chance, 60)
    async with (
        projecting(bus, postgres, batch_records_max=5) as first,
        projecting(bus, postgres, batch_records_max=6) as second,
    ):
        for record in interleaved(past.records(), chance):
            lay(broker, [record])
            if chance.random() < 0.2:
                await wake(broker)
                await asyncio.sleep(0)
        await asyncio.gather(first.reached(past), second.reached(past))

    await assert_equal(postgres, past)


async def test_a_zombie_that_wakes_up_late_changes_nothing(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """R19: a batch made from a place that moved on is dropped whole, its rows included."""
    past = random_past(random.Random(2), 30)
    lay(broker, in_turn(past))
    async with projecting(bus, postgres) as running:
        await running.reached(past)
        before = await dumped(postgres)
        zombie = running.projector
        cutter = Cutter(dict.fromkeys(zombie._marks, Mark()), records_max=10**6)
        for record in in_turn(past):
            cutter.add(record)
        late = cutter.end()
        assert late is not None
        with pytest.raises(FencedError, match="another projector moved the offsets"):
            await zombie._commit(late)

    assert await dumped(postgres) == before


async def test_a_database_that_dies_loses_and_doubles_nothing(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """
    R19: whether the last transaction was committed is decided by reading the offset rows.

    Fault D1.
    """
    chance = random.Random(8)
    past = random_past(chance, 80)
    records = list(interleaved(past.records(), chance))
    async with projecting(bus, postgres, batch_records_max=3) as running:
        lay(broker, records[:150])
        await wake(broker)
        await running.begun()
        postgres.kill()
        postgres.start()
        lay(broker, records[150:])
        await running.reached(past)

    await assert_equal(postgres, past)


async def test_without_its_database_it_is_not_ready(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D2: `/healthz`, which says what `ready` says, is 503 while the database does not answer."""
    monkeypatch.setattr(table_watch, "_PERIOD_S", 0.01)
    async with projecting(bus, postgres) as running:
        ready = running.projector.ready
        assert ready.is_set()
        postgres.kill()
        try:
            while ready.is_set():  # noqa: ASYNC110  (nothing tells of its being cleared)
                await asyncio.sleep(0.01)
        finally:
            postgres.start()
        await ready.wait()


async def begin(postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus) -> Past:
    past = Past()
    past.fence(topics.EVENTS)
    past.tell(Life().claimed(), Life().acked())
    lay(broker, in_turn(past))
    async with projecting(bus, postgres) as running:
        await running.reached(past)
    return past


async def test_a_topic_created_again_halts(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """R18: a topic of another incarnation is found although its offsets look right."""
    past = await begin(postgres, broker, bus)
    broker.create(topics.EVENTS, topics.ACCOUNT_PARTITIONS)
    lay(broker, past.records()[topics.EVENTS])

    with pytest.raises(PositionError, match=r"created again.*spark db rebuild"):
        async with projecting(bus, postgres):
            pass


async def test_another_record_before_the_position_halts(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """R18: the record before the position must have the digest that was stored."""
    await begin(postgres, broker, bus)
    log = broker.log(EVENTS)
    log[-1] = log[-1]._replace(value=b"another")

    with pytest.raises(PositionError, match="not the record that was written"):
        async with projecting(bus, postgres):
            pass


async def test_a_log_that_was_cut_halts(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """R8, R18: a log that ends before the position, or begins after 0, lost records."""
    await begin(postgres, broker, bus)
    last = broker.log(EVENTS).pop()
    with pytest.raises(PositionError, match="was cut"):
        async with projecting(bus, postgres):
            pass
    broker.log(EVENTS).append(last)
    broker.cut(EVENTS, 1)
    with pytest.raises(PositionError, match="records below 1 are gone"):
        async with projecting(bus, postgres):
            pass


async def test_parts_of_another_version_halt_and_a_rebuild_mends_them(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """What the projector goes on from is its own writing, or it says what to do."""
    past = await begin(postgres, broker, bus)
    await tell(postgres.superuser_url, """UPDATE order_parts SET parts = '{"told": {"a": 1}}'""")
    past.tell(Life().cancelled())
    lay(broker, past.records()[topics.EVENTS][-1:])
    with pytest.raises(IntegrityError, match="spark db rebuild"):
        async with projecting(bus, postgres) as running:
            await running.task

    async with connected(postgres.url("migrate")) as database:
        await rebuild(bus, database, lambda *_: None)
    await assert_equal(postgres, past)


async def test_a_gap_halts(postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus) -> None:
    """R19: the first offset of a batch must be the next one, else halt; nothing is written."""
    past = await begin(postgres, broker, bus)
    before = await dumped(postgres)
    past.tell(Life().cancelled())
    hole = past.records()[topics.EVENTS][-1]._replace(offset=9)
    broker.log(EVENTS).append(hole)
    with pytest.raises(GapError, match="at 3 comes offset 9"):
        async with projecting(bus, postgres) as running:
            await running.task

    assert await dumped(postgres) == before


async def test_a_missing_topic_halts(postgres: RunningPostgres) -> None:
    """R16: topics have the partitions of the table."""
    fewer = {name: count for name, count in TOPICS.items() if name != topics.DECISIONS}
    with pytest.raises(PartitionError, match=r"orders\.decisions is not there"):
        async with projecting(MemoryBus(MemoryBroker(fewer)), postgres):
            pass


async def test_tables_without_migrations_are_refused(
    postgres_server: RunningPostgres, bus: MemoryBus
) -> None:
    """The projector says at its start what the database lacks."""
    postgres_server.recreate_database()
    with pytest.raises(SettingError, match="run `spark db migrate`"):
        async with projecting(bus, postgres_server):
            pass


async def test_whatever_a_strategy_writes_is_served(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """H5: texts of any length and with any character reach their row, and nothing stops."""
    past = Past()
    past.fence(topics.DECISIONS)
    long = "".join(chr(32 + n % 90) for n in range(7000))
    odd = [
        place(symbol="A\0B", quantity=Decimal(-1)),
        place(symbol=long, strategy=long),
        place(intent_id=long),
        place(intent_id="\0", account="\0"),
        place(symbol="\u2028\U0001f600'; DROP TABLE orders; --"),
    ]
    for intent in odd:
        past.ask(intent)
        past.decide(intent, Reason.MALFORMED)
    past.ask(place("good"))
    past.decide(place("good"))
    lay(broker, in_turn(past))
    async with projecting(bus, postgres) as running:
        await running.reached(past)

    await assert_equal(postgres, past)
    found = await ask(postgres.superuser_url, "SELECT outcome FROM intents ORDER BY record_offset")
    assert [row[0] for row in found] == ["refused"] * len(odd) + ["approved"]


async def test_a_record_that_the_database_refuses_is_kept_apart(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """H5: whatever the checks did not foresee costs its own record, and no other."""
    past = Past()
    past.fence(topics.EVENTS)
    chance = random.Random(1)
    long = Symbol("".join(chance.choices(string.ascii_letters, k=7000)))
    past.tell(Life("before").filled("1", "1", "t1"))
    past.tell(Life("long", symbol=long).filled("1", "1", "t2"))
    past.tell(Life("after").filled("1", "1", "t3"))
    lay(broker, in_turn(past))
    async with projecting(bus, postgres) as running:
        await running.reached(past)

    url = postgres.superuser_url
    assert await ask(url, "SELECT trade_id FROM trades ORDER BY 1") == [("t1",), ("t3",)]
    assert await ask(url, "SELECT quantity FROM positions") == [(2,)]
    found = await ask(url, "SELECT record_offset, reason FROM projector_rejects")
    assert found == [(1, "refused_by_database")]
    async with connected(postgres.url("migrate")) as database:
        compared = await compare(bus, database, lambda *_: None)
    assert [table.name for table in compared.tables if table.differing] == []


async def test_the_projector_may_write_its_tables_and_nothing_else(
    postgres: RunningPostgres,
) -> None:
    """S13: its role inserts and updates its own tables; audit and market are closed to it."""
    url = postgres.url("projector")
    for table in TABLES:
        for verb in ("DELETE FROM", "TRUNCATE"):
            with pytest.raises(Exception, match="permission denied"):
                await tell(url, f"{verb} {table}")
    for table in ("audit_log", "audit_anchors", "users", "market.quotes", "market.feed_offsets"):
        with pytest.raises(Exception, match="permission denied"):
            await ask(url, f"SELECT 1 FROM {table}")
    with pytest.raises(Exception, match="permission denied"):
        await tell(url, "CREATE TABLE more (n int)")


async def test_views_show_orders_and_refusals(
    postgres: RunningPostgres, broker: MemoryBroker, bus: MemoryBus
) -> None:
    """D1: people read views: orders with their status, refusals with every reason."""
    past = Past()
    past.fence(topics.DECISIONS)
    past.ask(place("one"))
    past.decide(place("one"))
    two = place("two", symbol="ETHUSDT")
    past.ask(two)
    past.decide(two, Reason.NOTIONAL_EXCEEDED)
    lay(broker, in_turn(past))
    async with projecting(bus, postgres) as running:
        await running.reached(past)

    url = postgres.url("reader")
    orders = await ask(url, "SELECT symbol, status, error_class FROM reading.orders ORDER BY 1")
    assert orders == [("BTCUSDT", "pending", None), ("ETHUSDT", "rejected", "notional_exceeded")]
    (refused,) = await ask(url, "SELECT symbol, is_proven, reasons FROM reading.refusals")
    assert refused == (
        "ETHUSDT", True, [{"code": "notional_exceeded", "found": "1", "limit": "2"}],
    )  # fmt: skip
