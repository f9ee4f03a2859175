"""The projector as a process of its own, on a real broker and a real PostgreSQL."""

import asyncio
import os
import random
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
import pytest

from spark import keys, topics
from spark.bus.kafka import KafkaBus
from spark.bus.port import Bus, Outgoing, Partition, Record
from spark.consumers.projector_batch import SOURCES
from spark.ops.rebuild import compare, rebuild
from spark.worker.spans import read_through
from tests.database import ask, connected, make_tables
from tests.hindered import silent
from tests.projecting import dumped, in_order, projecting, texts
from tests.projection import NUMBER, Past, interleaved, projected, random_past
from tests.records import connected as logged_in
from tests.servers import RunningKafka, RunningPostgres

_WAIT_S_MAX = 40.0


@pytest.fixture
async def postgres(postgres_server: RunningPostgres) -> RunningPostgres:
    await make_tables(postgres_server)
    return postgres_server


@pytest.fixture
def kafka(kafka_server: RunningKafka) -> Iterator[RunningKafka]:
    kafka_server.recreate_topics()
    yield kafka_server
    kafka_server.recreate_topics()


@asynccontextmanager
async def process(
    kafka: RunningKafka, postgres: RunningPostgres, home: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `spark run projector` until the body ends, at a home of its own."""
    (home / "run" / "projector").mkdir(parents=True, exist_ok=True)
    for name in ("kill.d", "public"):
        (home / name).mkdir(exist_ok=True)
    (home / "public" / keys.LOG_EPOCH).write_text(uuid.uuid4().hex)
    env = {
        "PATH": os.environ["PATH"],
        "SPARK_HOME": str(home),
        "SPARK_SECRETS_DIR": str(kafka.secrets.root / "projector"),
        "SPARK_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "DATABASE_URL": postgres.url("projector"),
    }
    with (home / "log").open("ab") as log:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "spark", "run", "projector"), env=env, stdout=log, stderr=log
        )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGCONT)
            child.kill()
            await child.wait()


async def append(bus: Bus, records: Iterable[Record]) -> None:
    """Write records to the broker; it gives them append times of its own."""
    writer = await bus.writer(list(SOURCES))
    try:
        for record in records:
            await writer.write([Outgoing(record.partition, None, record.value or b"")])
    finally:
        await writer.close()


async def on_the_log(bus: Bus) -> list[Record]:
    """Read every record that tables are made from, topic by topic."""
    found: list[Record] = []
    partitions = [Partition(topic, NUMBER) for topic in SOURCES]
    ends = await bus.ends(partitions)
    await read_through(bus, {p: (0, ends[p]) for p in partitions}, found.append)
    return sorted(found, key=lambda record: (record.partition, record.offset))


async def all_projected(postgres: RunningPostgres, past: Past, home: Path) -> None:
    """Wait until the offset rows stand at the end of a past."""
    wanted = sum(len(log) for log in past.logs.values())
    try:
        async with asyncio.timeout(_WAIT_S_MAX):
            while await place(postgres) != wanted:  # noqa: ASYNC110  (as in `moving`)
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError((home / "log").read_text()[-2000:]) from None


async def assert_equal(bus: Bus, postgres: RunningPostgres) -> None:
    found = await dumped(postgres)
    for name, lines in projected(iter(await on_the_log(bus))).items():
        table = "projector_rejects" if name == "rejects" else name
        assert in_order(found[table]) == in_order(texts(lines)), table
    async with connected(postgres.url("migrate")) as database:
        compared = await compare(bus, database, lambda *_: None)
    assert [table.name for table in compared.tables if table.differing] == []


async def test_killed_again_and_again_it_writes_each_row_once(
    kafka: RunningKafka, postgres: RunningPostgres, tmp_path: Path
) -> None:
    """R19, fault P6: kill -9 at any moment; the offsets move with the rows or not at all."""
    chance = random.Random(21)
    past = random_past(chance, 150)
    async with logged_in(kafka.login("broker")) as bus:
        for records in in_parts(list(interleaved(past.records(), chance)), 5):
            async with process(kafka, postgres, tmp_path) as child:
                async with moving(postgres):
                    await append(bus, records)
                child.kill()
        async with process(kafka, postgres, tmp_path):
            await all_projected(postgres, past, tmp_path)
        await assert_equal(bus, postgres)


async def test_a_zombie_beside_its_successor_changes_nothing(
    kafka: RunningKafka, postgres: RunningPostgres, tmp_path: Path
) -> None:
    """R19: one that was stopped in the middle and wakes up beside another one is fenced."""
    chance = random.Random(22)
    past = random_past(chance, 150)
    parts = in_parts(list(interleaved(past.records(), chance)), 6)
    homes = [tmp_path / "one", tmp_path / "two"]
    async with (
        logged_in(kafka.login("broker")) as bus,
        process(kafka, postgres, homes[0]) as zombie,
        process(kafka, postgres, homes[1]),
    ):
        for records in parts:
            async with moving(postgres):
                await append(bus, records)
            if zombie.returncode is None:
                zombie.send_signal(chance.choice([signal.SIGSTOP, signal.SIGCONT]))
        await all_projected(postgres, past, homes[1])
        await assert_equal(bus, postgres)
    # Each may lose the race and leave; neither may find fault with the log.
    assert not any("PositionError" in (home / "log").read_text() for home in homes)


async def test_healthz_follows_the_database(
    kafka: RunningKafka, postgres: RunningPostgres, tmp_path: Path
) -> None:
    """D2, fault D1: `/healthz` answers 503 without the database, and 200 once it is back."""
    async with process(kafka, postgres, tmp_path), aiohttp.ClientSession() as session:
        await answers(session, tmp_path, 200)
        postgres.kill()
        try:
            await answers(session, tmp_path, 503)
        finally:
            postgres.start()
        await answers(session, tmp_path, 200)


async def test_a_silent_database_is_told_of_and_gets_each_row_once(
    kafka: RunningKafka, postgres: RunningPostgres, tmp_path: Path
) -> None:
    """Faults D1, N2: stopped, its connections open: 503 all the same, and then each row once."""
    chance = random.Random(25)
    past = random_past(chance, 60)
    parts = in_parts(list(interleaved(past.records(), chance)), 2)
    async with (
        logged_in(kafka.login("broker")) as bus,
        process(kafka, postgres, tmp_path),
        aiohttp.ClientSession() as session,
    ):
        async with moving(postgres):
            await append(bus, parts[0])
        async with silent(postgres):
            await append(bus, parts[1])
            await answers(session, tmp_path, 503)
        await all_projected(postgres, past, tmp_path)
        await answers(session, tmp_path, 200)
        await assert_equal(bus, postgres)
    assert "HaltError" not in (tmp_path / "log").read_text()


async def test_a_topic_made_anew_on_the_broker_halts(
    kafka: RunningKafka, postgres: RunningPostgres, tmp_path: Path
) -> None:
    """R18: the process ends with 7 and says what to do; a rebuild is what it says."""
    past = random_past(random.Random(23), 10)
    async with logged_in(kafka.login("broker")) as bus:
        await append(bus, [record for log in past.records().values() for record in log])
        async with process(kafka, postgres, tmp_path):
            await all_projected(postgres, past, tmp_path)
        await asyncio.to_thread(kafka.recreate_topic, topics.EVENTS)
        await append(bus, past.records()[topics.EVENTS])
        async with process(kafka, postgres, tmp_path) as child:
            assert await child.wait() == 7
    said = (tmp_path / "log").read_text()
    assert "created again" in said
    assert "spark db rebuild" in said

    async with logged_in(kafka.login("op-local")) as bus:
        async with connected(postgres.url("migrate")) as database:
            await rebuild(bus, database, lambda *_: None)
        async with process(kafka, postgres, tmp_path):
            await all_projected(postgres, past, tmp_path)
        await assert_equal(bus, postgres)


async def test_its_principal_may_read_what_it_projects(
    kafka: RunningKafka, postgres: RunningPostgres
) -> None:
    """S13, S17: as its own Kafka principal and database role, with nothing more than the table."""
    past = random_past(random.Random(24), 10)
    async with logged_in(kafka.login("broker")) as bus:
        await append(bus, [record for log in past.records().values() for record in log])
    bus = KafkaBus(kafka.login("projector"))
    try:
        async with projecting(bus, postgres) as running:
            await running.reached(past)
    finally:
        await bus.close()


def in_parts(records: list[Record], count: int) -> list[list[Record]]:
    """Cut records into so many parts, in their order."""
    size = -(-len(records) // count)
    return [records[start : start + size] for start in range(0, len(records), size)]


async def place(postgres: RunningPostgres) -> int:
    """Say how far the offset rows are, all together."""
    sql = "SELECT coalesce(sum(next_offset), 0)::bigint FROM projector_offsets"
    ((found,),) = await ask(postgres.superuser_url, sql)
    return int(found)


@asynccontextmanager
async def moving(postgres: RunningPostgres) -> AsyncIterator[None]:
    """Wait after the body until the offset rows have moved once more at least."""
    before = await place(postgres)
    yield
    async with asyncio.timeout(_WAIT_S_MAX):
        while await place(postgres) == before:  # noqa: ASYNC110  (another process moves them)
            await asyncio.sleep(0.02)


async def answers(session: aiohttp.ClientSession, home: Path, status: int) -> None:
    """Wait until /healthz answers so."""
    address = home / "run" / "projector" / "projector.json"
    async with asyncio.timeout(_WAIT_S_MAX):
        while True:
            if address.exists():
                port = orjson.loads(address.read_bytes())["ops_port"]
                async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
                    if answer.status == status:
                        return
            await asyncio.sleep(0.05)
