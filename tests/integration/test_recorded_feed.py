"""
Every recorded frame goes from a socket over Kafka into PostgreSQL, exactly once.

What must be in the tables is computed straight from the files, by other code.
"""

import asyncio
import gzip
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from spark.bench.children import Child
from spark.exchanges.simulator.server import Options, Running, running
from tests.database import ask, make_tables
from tests.feed_processes import feed_process, writer_process
from tests.recordings import recorded
from tests.servers import RunningKafka, RunningPostgres
from tests.simulated_venue import write_keys

_SYMBOLS = ("btcusdt", "ethusdt")
_WAIT_S = 120
_COUNT = (
    "SELECT (SELECT count(*) FROM market.quotes), (SELECT count(*) FROM market.trades),"
    " (SELECT count(*) FROM market.book_updates)"
)
_TABLES = {
    "quotes": "SELECT concat_ws('|', symbol, update_id, bid, bid_quantity, ask, ask_quantity)"
    " FROM market.quotes",
    "trades": "SELECT concat_ws('|', symbol, exchange_ns, trade_id, price, quantity,"
    " is_buyer_maker::int) FROM market.trades",
    "book_updates": "SELECT concat_ws('|', symbol, exchange_ns, first_update_id, last_update_id,"
    " bids::text, asks::text) FROM market.book_updates",
}


def paths() -> list[Path]:
    return [recorded(f"binance-spot-{symbol}-20240808.frames.gz") for symbol in _SYMBOLS]


def frames() -> Iterator[tuple[str, dict[str, object]]]:
    """Read `symbol, frame` of every line of every file."""
    for symbol, path in zip(_SYMBOLS, paths(), strict=True):
        with gzip.open(path, "rt") as lines:
            for line in lines:
                yield symbol.upper(), json.loads(line.partition(" ")[2])


def expected_rows() -> dict[str, list[str]]:
    """Spell every row that the files imply as the queries spell it."""
    rows: dict[str, list[str]] = defaultdict(list)
    for symbol, frame in frames():
        data = frame.get("data", frame)
        assert isinstance(data, dict)
        d = {key: str(value) for key, value in data.items()}
        kind = str(frame.get("stream", "snapshot")).partition("@")[2]
        if kind == "bookTicker":
            rows["quotes"].append("|".join([symbol, *(d[key] for key in "ubBaA")]))
        elif kind == "trade":
            fields = [symbol, d["T"] + "000000", d["t"], d["p"], d["q"], str(int(data["m"]))]
            rows["trades"].append("|".join(fields))
        elif kind:
            rows["book_updates"].append(
                "|".join([symbol, d["E"] + "000000", d["U"], d["u"], levels(data, "b", "a")])
            )
        else:
            fields = [symbol, "0", "0", d["lastUpdateId"], levels(data, "bids", "asks")]
            rows["book_updates"].append("|".join(fields))
    return rows


def levels(data: dict[str, list[list[str]]], *keys: str) -> str:
    sides = (",".join(f"{{{','.join(level)}}}" for level in data[key]) for key in keys)
    return "|".join(f"{{{side}}}" for side in sides)


def digest(rows: list[str]) -> str:
    return sha256("\n".join(sorted(rows)).encode()).hexdigest()


@pytest.fixture(scope="module")
def expected() -> dict[str, list[str]]:
    return expected_rows()


@pytest.fixture
async def servers(
    kafka_server: RunningKafka, postgres_server: RunningPostgres
) -> tuple[RunningKafka, RunningPostgres]:
    kafka_server.recreate_topics()
    await make_tables(postgres_server)
    return kafka_server, postgres_server


@asynccontextmanager
async def replaying(tmp_path: Path) -> AsyncIterator[Running]:
    options = Options(keys_file=write_keys(tmp_path), replay=tuple(paths()), speed=None)
    async with running(options) as venue:
        yield venue


async def count(postgres: RunningPostgres) -> int:
    return sum((await ask(postgres.superuser_url, _COUNT))[0])


async def written(postgres: RunningPostgres, rows: int, *children: Child) -> None:
    """Wait until so many rows are in the tables."""
    async with asyncio.timeout(_WAIT_S):
        while await count(postgres) < rows:
            for one in children:
                one.check()
            await asyncio.sleep(0.01)


async def check(postgres: RunningPostgres, expected: dict[str, list[str]]) -> None:
    """Compare the tables with the files: counts, digests, and no reject."""
    url = postgres.superuser_url
    for table, sql in _TABLES.items():
        found = [row[0] for row in await ask(url, sql)]
        assert (table, len(found)) == (table, len(expected[table]))
        assert digest(found) == digest(expected[table]), table
    assert await ask(url, "SELECT * FROM market.feed_rejects") == []


def total(expected: dict[str, list[str]]) -> int:
    return sum(map(len, expected.values()))


def test_the_files_hold_what_they_are_known_to_hold(expected: dict[str, list[str]]) -> None:
    """41,249 and 33,618 lines: each is a row."""
    assert total(expected) == 41_249 + 33_618


async def test_every_recorded_frame_is_in_the_tables_once(
    servers: tuple[RunningKafka, RunningPostgres],
    expected: dict[str, list[str]],
    tmp_path: Path,
) -> None:
    """C4: socket, Kafka, PostgreSQL: every row that the frames imply, none twice, to the digit."""
    kafka, postgres = servers
    async with (
        replaying(tmp_path) as venue,
        writer_process(kafka, postgres, tmp_path / "writer.log") as writer,
        feed_process(kafka, venue.url, tmp_path / "feed.log") as feed,
    ):
        await written(postgres, total(expected), writer, feed)
        await feed.stop()
        await writer.stop()

    await check(postgres, expected)


async def test_a_writer_killed_again_and_again_loses_and_doubles_nothing(
    servers: tuple[RunningKafka, RunningPostgres],
    expected: dict[str, list[str]],
    tmp_path: Path,
) -> None:
    """R19, fault P6: SIGKILL at any moment; the next writer goes on from the offset rows."""
    kafka, postgres = servers
    async with (
        replaying(tmp_path) as venue,
        feed_process(kafka, venue.url, tmp_path / "feed.log") as feed,
    ):
        for part in range(1, 6):
            async with writer_process(kafka, postgres, tmp_path / "writer.log") as writer:
                await written(postgres, part * total(expected) // 8, writer, feed)
                await writer.kill()
        async with writer_process(kafka, postgres, tmp_path / "writer.log") as writer:
            await written(postgres, total(expected), writer, feed)
            await writer.stop()

    await check(postgres, expected)


async def test_a_broker_killed_in_the_middle_loses_and_doubles_nothing(
    servers: tuple[RunningKafka, RunningPostgres],
    expected: dict[str, list[str]],
    tmp_path: Path,
) -> None:
    """
    C4: SIGKILL of Kafka; the feed makes the socket wait, and both go on when it is back.

    Fault K1.
    """
    kafka, postgres = servers
    async with (
        replaying(tmp_path) as venue,
        writer_process(kafka, postgres, tmp_path / "writer.log") as writer,
        feed_process(kafka, venue.url, tmp_path / "feed.log") as feed,
    ):
        await written(postgres, total(expected) // 3, writer, feed)
        kafka.kill()
        kafka.start()
        await written(postgres, total(expected), writer, feed)
        await feed.stop()
        await writer.stop()

    await check(postgres, expected)


async def test_two_writers_at_once_write_every_row_once(
    servers: tuple[RunningKafka, RunningPostgres],
    expected: dict[str, list[str]],
    tmp_path: Path,
) -> None:
    """
    R19: compare-and-swap fences whoever comes second; a fenced one leaves and comes back.

    Fault D4.
    """
    kafka, postgres = servers
    async with AsyncExitStack() as stack:
        venue = await stack.enter_async_context(replaying(tmp_path))
        feed = await stack.enter_async_context(
            feed_process(kafka, venue.url, tmp_path / "feed.log")
        )
        writers = [
            await stack.enter_async_context(
                writer_process(kafka, postgres, tmp_path / f"writer{n}.log")
            )
            for n in range(2)
        ]
        async with asyncio.timeout(_WAIT_S):
            while await count(postgres) < total(expected):
                feed.check()
                if all(writer.is_over for writer in writers):
                    # Both were fenced; a supervisor would start them again.
                    writers.append(
                        await stack.enter_async_context(
                            writer_process(kafka, postgres, tmp_path / "writer2.log")
                        )
                    )
                await asyncio.sleep(0.01)

    await check(postgres, expected)
    logs = "".join(path.read_text() for path in tmp_path.glob("writer*.log"))
    assert "another feed writer moved the offsets" in logs, "they never met"
