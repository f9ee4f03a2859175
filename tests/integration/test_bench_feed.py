"""The feed benchmark on real servers, for a moment: no figure is judged, only its presence."""

import asyncio
import sys

import pytest

from spark.bench.feed import FeedStack, bench_feed
from spark.bench.feed_result import FeedBench
from spark.bench.probe import Probe
from tests.database import ask, make_tables
from tests.servers import RunningKafka, RunningPostgres

_QUANTILES = {"p50", "p95", "p99", "max"}


@pytest.mark.parametrize("rate", [2_000, None], ids=["paced", "flat out"])
async def test_it_measures_every_part(
    kafka_server: RunningKafka, postgres_server: RunningPostgres, rate: int | None
) -> None:
    """Every field that the runbook explains is there, and every frame became a row."""
    kafka_server.recreate_topics()
    await make_tables(postgres_server)
    stack = FeedStack(
        bootstrap=kafka_server.bootstrap,
        kafka_passwords={r: kafka_server.password(r) for r in ("binance_feed", "feed_writer")},
        database_url=postgres_server.url("feed_writer"),
        pids={"kafka": kafka_server.process.pid, "postgres": postgres_server.process.pid},
    )
    said: list[str] = []

    found = await bench_feed(
        stack, FeedBench(rate=rate, seconds=2, runs=2, warm_seconds=0.5), said.append
    )

    ages, cpu, rss = found["feed_to_db_ms"], found["cpu_us_per_row"], found["rss_mb"]
    assert isinstance(ages, dict)
    assert isinstance(cpu, dict)
    assert isinstance(rss, dict)
    assert set(ages) == _QUANTILES
    assert set(cpu) == {"kafka", "postgres", "binance_feed", "feed_writer", "load"}
    assert set(rss) == {"kafka", "postgres", "binance_feed", "feed_writer"}
    assert all(value > 0 for value in (*cpu.values(), *rss.values()))
    assert said
    assert await ask(postgres_server.superuser_url, "SELECT 1 FROM market.feed_rejects") == []


async def test_the_probe_counts_a_process_that_has_ended() -> None:
    """What a short-lived process used is known after its end, within one look."""
    code = "import time; t = time.process_time()\nwhile time.process_time() < t + 0.6: pass"
    async with Probe({}) as probe:
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
        probe.watch("child", child.pid)
        await child.wait()

    assert probe.usage().cpu_us["child"] > 100_000
    assert probe.usage().rss_mb["child"] >= 0
    assert probe.stalls == len(probe.stall_times)
