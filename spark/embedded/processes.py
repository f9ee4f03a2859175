"""
The one table of Spark processes: what each runs on, and in which order they end.

`spark run NAME` starts one; `spark up` starts them all.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from spark.names import Role

KAFKA: Final = "kafka"
POSTGRES: Final = "postgres"
SIMULATOR: Final = "simulator"
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


PROCESSES: Final[tuple[Process, ...]] = (
    Process(name=Role.AUDITOR.value, needs=(KAFKA,), stop_wave=StopWave.WATCHERS),
    Process(name=Role.VENUE_WATCH.value, needs=(KAFKA, SIMULATOR), stop_wave=StopWave.WATCHERS),
    Process(name=Role.SIGNER.value, needs=(KAFKA,), stop_wave=StopWave.SIGNER),
    Process(name=Role.GATEWAY.value, needs=(KAFKA, SIMULATOR), stop_wave=StopWave.GATEWAY),
    Process(name=Role.GUARDRAIL.value, needs=(KAFKA,), stop_wave=StopWave.GUARDRAIL),
    Process(name=Role.SENTINEL.value, needs=(KAFKA,), stop_wave=StopWave.WATCHERS),
    Process(name=Role.WEBHOOK.value, needs=(KAFKA,), stop_wave=StopWave.WATCHERS),
    Process(name=Role.FEED_WRITER.value, needs=(KAFKA, POSTGRES), stop_wave=StopWave.WATCHERS),
    Process(name=Role.PROJECTOR.value, needs=(KAFKA, POSTGRES), stop_wave=StopWave.WATCHERS),
    Process(name=Role.BINANCE_FEED.value, needs=(KAFKA, SIMULATOR), stop_wave=StopWave.SOURCES),
    Process(name=DEMO, needs=(KAFKA,), stop_wave=StopWave.SOURCES),
)
BY_NAME: Final = {process.name: process for process in PROCESSES}
