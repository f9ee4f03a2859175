"""
The one table of Spark processes: what each runs on, and in which order they end.

`spark run NAME` starts one; `spark up` starts them all.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from spark.names import Role, Venue

KAFKA: Final = "kafka"
POSTGRES: Final = "postgres"
SIMULATOR: Final = "simulator"
BTCTURK_SIMULATOR: Final = "simulator-btcturk"
#: One server for each exchange that a stack may have.
SIMULATORS: Final[Mapping[Venue, str]] = {
    Venue.BINANCE: SIMULATOR,
    Venue.BTCTURK: BTCTURK_SIMULATOR,
}
DEMO: Final = "strategy-demo"


class StopWave(IntEnum):
    """What writes intents ends first, then down the order path, the servers last."""

    SOURCES = 0
    GUARDRAIL = 1
    SIGNER = 2
    GATEWAY = 3
    WATCHERS = 4
    EXCHANGE = 5
    SERVERS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One kind of Spark process; its name is its Kafka principal too."""

    name: str
    #: Servers without which it is not started.
    needs: tuple[str, ...]
    stop_wave: StopWave
    #: The exchange without which it is no part of a stack; None where it serves all there are.
    venue: Venue | None = None


_EXCHANGES: Final = tuple(SIMULATORS.values())
PROCESSES: Final[tuple[Process, ...]] = (
    Process(name=Role.AUDITOR.value, needs=(KAFKA,), stop_wave=StopWave.WATCHERS),
    Process(name=Role.VENUE_WATCH.value, needs=(KAFKA, *_EXCHANGES), stop_wave=StopWave.WATCHERS),
    Process(name=Role.SIGNER.value, needs=(KAFKA,), stop_wave=StopWave.SIGNER),
    Process(name=Role.GATEWAY.value, needs=(KAFKA, *_EXCHANGES), stop_wave=StopWave.GATEWAY),
    Process(name=Role.ACCOUNT_FEED.value, needs=(KAFKA, *_EXCHANGES), stop_wave=StopWave.WATCHERS),
    Process(name=Role.GUARDRAIL.value, needs=(KAFKA,), stop_wave=StopWave.GUARDRAIL),
    Process(name=Role.SENTINEL.value, needs=(KAFKA,), stop_wave=StopWave.WATCHERS),
    Process(name=Role.WEBHOOK.value, needs=(KAFKA,), stop_wave=StopWave.WATCHERS),
    Process(name=Role.FEED_WRITER.value, needs=(KAFKA, POSTGRES), stop_wave=StopWave.WATCHERS),
    Process(name=Role.PROJECTOR.value, needs=(KAFKA, POSTGRES), stop_wave=StopWave.WATCHERS),
    Process(
        name=Role.BINANCE_FEED.value,
        needs=(KAFKA, SIMULATOR),
        stop_wave=StopWave.SOURCES,
        venue=Venue.BINANCE,
    ),
    Process(
        name=Role.BTCTURK_FEED.value,
        needs=(KAFKA, BTCTURK_SIMULATOR),
        stop_wave=StopWave.SOURCES,
        venue=Venue.BTCTURK,
    ),
    Process(name=DEMO, needs=(KAFKA,), stop_wave=StopWave.SOURCES),
)
BY_NAME: Final = {process.name: process for process in PROCESSES}


def processes_of(venues: Collection[Venue]) -> tuple[str, ...]:
    """Name the processes of a stack that works with these exchanges."""
    return tuple(
        process.name for process in PROCESSES if process.venue is None or process.venue in venues
    )
