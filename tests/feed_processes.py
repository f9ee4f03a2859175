"""The feed path as processes of its own, on the session's servers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from spark.bench.children import Child, child
from spark.bench.feed_child import MODULE, ChildPlan
from tests.servers import RunningKafka, RunningPostgres

_SYMBOLS = ("BTCUSDT", "ETHUSDT")


@asynccontextmanager
async def feed_process(kafka: RunningKafka, venue_url: str, log: Path) -> AsyncIterator[Child]:
    """Run a Binance feed."""
    plan = ChildPlan(
        role="binance_feed",
        bootstrap=kafka.bootstrap,
        kafka_password=kafka.password("binance_feed"),
        venue_url=venue_url,
        symbols=_SYMBOLS,
    )
    async with child(MODULE, asdict(plan), log) as running:
        yield running


@asynccontextmanager
async def writer_process(
    kafka: RunningKafka, postgres: RunningPostgres, log: Path
) -> AsyncIterator[Child]:
    """Run a feed writer."""
    plan = ChildPlan(
        role="feed_writer",
        bootstrap=kafka.bootstrap,
        kafka_password=kafka.password("feed_writer"),
        database_url=postgres.url("feed_writer"),
    )
    async with child(MODULE, asdict(plan), log) as running:
        yield running
