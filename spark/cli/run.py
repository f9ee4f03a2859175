"""
`spark run PROCESS`: one process from its settings to its exit code.
"""

import asyncio
import os
import socket
from typing import Annotated, Final

import typer

from spark import topics
from spark.bus.kafka import KafkaBus, KafkaLogin
from spark.cli.process import Process
from spark.cli.started import say_started
from spark.cli.wiring import BUILDERS
from spark.clock import SystemClock
from spark.embedded.home import OBEYING, Home, default_home
from spark.embedded.plan import require_loopback
from spark.errors import BusUnavailable, SettingError
from spark.keyring import Keyring
from spark.log import logger, set_up
from spark.metrics import Metrics, at_scrape
from spark.names import Role, TradingMode
from spark.quoting import shown
from spark.settings import Settings, read_settings
from spark.worker import supervise
from spark.worker.authority import check_authority
from spark.worker.crew import Crew
from spark.worker.halts import Halts
from spark.worker.key_watch import watch_keys
from spark.worker.latch import KillLatch
from spark.worker.latch_copy import LatchCopy
from spark.worker.lock import PartitionLock
from spark.worker.ops import served

#: Whoever reads their memory could sign: orders, approvals, the audit trail.
_CLOSED: Final = frozenset({Role.SIGNER.value, Role.GUARDRAIL.value, Role.AUDITOR.value})
_START_S_MAX: Final = 60.0
_START_PAUSE_S: Final = 0.2


def run(
    process: Annotated[str, typer.Argument(help="guardrail, signer, gateway, auditor, …")],
    partitions: Annotated[
        str, typer.Option(help="Partitions to take, as 0-3 or 0,2; all by default.")
    ] = "",
) -> None:
    """Run one process in the foreground; `spark up` runs them all."""
    if process not in BUILDERS:
        raise SettingError(f"no process {process}; there are: {', '.join(sorted(BUILDERS))}")
    settings = read_settings()
    set_up(process, settings.process.log_format)
    code = supervise.run(
        lambda stop: _work(process, settings, partitions, stop=stop),
        is_closed=process in _CLOSED,
    )
    raise typer.Exit(code)


async def _work(name: str, settings: Settings, partitions: str, *, stop: asyncio.Event) -> None:
    home = Home(default_home(settings.process))
    bootstrap = _bootstrap(settings)
    keyring = Keyring(name, settings.process.secrets_dir or home.secrets_of(name), home.public)
    metrics = Metrics(name)
    people = keyring.people(settings.process.operators_file)
    halts = Halts(_latch(name, settings, home), people, settings.trading.mode_in_force)
    process = Process(
        name=name,
        settings=settings,
        home=home,
        keyring=keyring,
        metrics=metrics,
        halts=halts,
        clock=SystemClock(),
        bus=KafkaBus(KafkaLogin(bootstrap, name, keyring.kafka_password())),
        instance=f"{socket.gethostname()}:{os.getpid()}",
        partitions=_partitions(partitions),
        ready=asyncio.Event(),
    )
    _say_mode(metrics, settings)
    for gauge in (metrics.kill_switch, metrics.risk_killswitch):
        at_scrape(gauge, lambda: float(bool(halts.all())))
    locks = [PartitionLock(home.run_of(name), name, n) for n in process.partitions]
    for lock in locks:
        lock.take()
    try:
        async with served(
            metrics,
            home.run_of(name),
            port=settings.process.ops_port,
            is_ready=process.ready.is_set,
            over_socket=name == Role.SIGNER,
        ):
            await _until_kafka_answers(process, stop)
            if not stop.is_set():
                await check_authority(process.bus, name)
                await _watched(process, stop)
    finally:
        await process.bus.close()
        for lock in locks:
            lock.release()


async def _watched(process: Process, stop: asyncio.Event) -> None:
    """Work, and take new keys as they come."""
    async with Crew() as group:
        watch = group.create_task(watch_keys(process.keyring, process.metrics))
        group.create_task(say_started(process))
        await BUILDERS[process.name](process, stop)
        watch.cancel()


def _latch(name: str, settings: Settings, home: Home) -> KillLatch:
    return KillLatch(
        settings.process.latch_dir or home.kill,
        is_killed_by_environment=settings.trading.is_killed,
        copy=LatchCopy(home.latch_of(name)) if name in OBEYING else None,
    )


async def _until_kafka_answers(process: Process, stop: asyncio.Event) -> None:
    """
    Wait for the broker at start: a stage that starts first is no error.

    Raises:
        BusUnavailable: none answered in time; the supervisor starts us again.

    """
    why = "its topics are not there"
    try:
        async with asyncio.timeout(_START_S_MAX):
            while not stop.is_set():
                try:
                    if await process.bus.topics([topics.CONTROL_PULSE]):
                        return
                except BusUnavailable as error:
                    why = str(error)
                    logger().warning("waiting_for_kafka", why=why)
                await asyncio.sleep(_START_PAUSE_S)
    except TimeoutError:
        raise BusUnavailable(f"no Kafka within {_START_S_MAX:.0f} s: {why}") from None


def _say_mode(metrics: Metrics, settings: Settings) -> None:
    trading = settings.trading
    for mode in TradingMode:
        is_in_force = mode is trading.mode_in_force
        metrics.trading_mode.labels(mode, trading.endpoint).set(is_in_force)


def _bootstrap(settings: Settings) -> str:
    bootstrap = settings.kafka.bootstrap
    if not bootstrap:
        raise SettingError("SPARK_KAFKA_BOOTSTRAP is not set; `spark up` sets it for its processes")
    require_loopback(bootstrap)
    return bootstrap


def _partitions(text: str) -> tuple[int, ...]:
    if not text:
        return tuple(range(topics.ACCOUNT_PARTITIONS))
    found: set[int] = set()
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            found.update(_numbers(int(first), int(last or first)))
    except ValueError:
        raise SettingError(f"--partitions {shown(text)}: use 0-3 or 0,2") from None
    if not found:
        raise SettingError(f"--partitions {shown(text)}: none")
    return tuple(sorted(found))


def _numbers(first: int, last: int) -> range:
    if max(first, last) >= topics.ACCOUNT_PARTITIONS:
        raise SettingError(f"--partitions: there are 0-{topics.ACCOUNT_PARTITIONS - 1}")
    return range(first, last + 1)
