"""
What every process has, and what several of them are made of.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from spark.bus.port import Bus
from spark.clock import Clock
from spark.embedded.home import Home
from spark.errors import SettingError
from spark.keyring import Keyring
from spark.metrics import Metrics
from spark.names import Endpoint, Role, Venue
from spark.settings import Settings
from spark.worker.halts import Halts

if TYPE_CHECKING:
    from spark.db.pool import Database
    from spark.worker.loop import Wiring

_NS_PER_S: Final = 1_000_000_000
#: How an address of this machine begins.
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Process:
    """What every process has."""

    name: str
    settings: Settings
    home: Home
    keyring: Keyring
    metrics: Metrics
    halts: Halts
    clock: Clock
    bus: Bus
    instance: str
    partitions: tuple[int, ...]
    ready: asyncio.Event


Build = Callable[[Process, asyncio.Event], Awaitable[None]]


@asynccontextmanager
async def database_of(process: Process) -> "AsyncIterator[Database]":
    """Open the database for as long as the body runs."""
    from spark.db.pool import Database

    section = process.settings.database
    if not section.url:
        raise SettingError("DATABASE_URL is not set; `spark up` sets it for its processes")
    database = Database(section.url, name=process.name, settings=section, metrics=process.metrics)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def stage_wiring(
    process: Process, writers: set[str] | frozenset[str], verifiers: tuple[str, ...]
) -> "Wiring":
    """Gather what a stage of the order path works with."""
    from spark.worker.loop import Wiring

    return Wiring(
        bus=process.bus,
        clock=process.clock,
        metrics=process.metrics,
        halts=process.halts,
        tagger=process.keyring.tagger(verifiers),
        checker=process.keyring.checker(writers),
        instance=process.instance,
        partitions=process.partitions,
        ready=process.ready,
        state_dir=process.home.state_of(process.name),
    )


def signing_path(home: Home) -> Path:
    """Name the signer's socket."""
    return home.run_of(Role.SIGNER) / "questions.sock"


def check_endpoint(settings: Settings) -> None:
    """Refuse a simulator that is none, and an exchange that was not asked for."""
    binance, btcturk = settings.binance, settings.btcturk
    known = {
        Venue.BINANCE: {
            "SPARK_BINANCE_REST_URL": binance.rest_url,
            "SPARK_BINANCE_STREAM_URL": binance.stream_url,
            "SPARK_BINANCE_WS_API_URL": binance.ws_api_url,
        },
        Venue.BTCTURK: {
            "SPARK_BTCTURK_REST_URL": btcturk.rest_url,
            "SPARK_BTCTURK_GRAPH_URL": btcturk.graph_url,
            "SPARK_BTCTURK_STREAM_URL": btcturk.stream_url,
        },
    }
    urls = {name: url for one in settings.venues.enabled for name, url in known[one].items()}
    for name, url in urls.items():
        if settings.trading.endpoint is Endpoint.SIM and urlsplit(url).hostname not in _LOOPBACK:
            raise SettingError(
                f"{name}={url} is no simulator on loopback; "
                "a real exchange needs SPARK_ENDPOINT=real and TRADING_MODE=live, both said"
            )
    if settings.trading.endpoint is Endpoint.REAL:
        raise SettingError(
            "SPARK_ENDPOINT=real needs isolation and a full doctor; not in this build"
        )


def ns_of(seconds: Decimal) -> int:
    """Turn seconds into nanoseconds."""
    return int(seconds * _NS_PER_S)
