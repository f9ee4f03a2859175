"""The feed path as processes of its own, on the session's servers."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from signal import SIGKILL, SIGTERM

import orjson

from spark.bench.feed_child import ChildPlan
from tests.servers import RunningKafka, RunningPostgres

_STOP_S_MAX = 15
_SYMBOLS = ("BTCUSDT", "ETHUSDT")


class Child:
    """One process; its log is shown when it ended in a way that was not expected."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.log = log

    async def kill(self) -> None:
        """Kill as by kill -9."""
        self.process.send_signal(SIGKILL)
        await self.process.wait()

    async def stop(self) -> None:
        """Ask for an end, which must be a clean one."""
        self.process.send_signal(SIGTERM)
        async with asyncio.timeout(_STOP_S_MAX):
            assert await self.process.wait() == 0, self.log.read_text()

    def check(self) -> None:
        """Fail when it ended by itself."""
        assert self.process.returncode is None, self.log.read_text()


@asynccontextmanager
async def child(plan: ChildPlan, log: Path) -> AsyncIterator[Child]:
    """Run a child while the body runs."""
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "spark.bench.feed_child",
            stdin=asyncio.subprocess.PIPE,
            stdout=file,
            stderr=file,
        )
    assert process.stdin is not None
    process.stdin.write(orjson.dumps(asdict(plan)))
    process.stdin.close()
    try:
        yield Child(process, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def feed_plan(kafka: RunningKafka, venue_url: str) -> ChildPlan:
    """Plan a Binance feed."""
    return ChildPlan(
        role="binance_feed",
        bootstrap=kafka.bootstrap,
        kafka_password=kafka.password("binance_feed"),
        venue_url=venue_url,
        symbols=_SYMBOLS,
    )


def writer_plan(kafka: RunningKafka, postgres: RunningPostgres) -> ChildPlan:
    """Plan a feed writer."""
    return ChildPlan(
        role="feed_writer",
        bootstrap=kafka.bootstrap,
        kafka_password=kafka.password("feed_writer"),
        database_url=postgres.url("feed_writer"),
    )
