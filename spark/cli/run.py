"""
`spark run PROCESS`: settings are read and one process's parts are wired, here only.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from spark import keys, topics
from spark.bus.kafka import KafkaBus, KafkaLogin
from spark.clock import SystemClock
from spark.embedded.home import Home, default_home
from spark.errors import BusUnavailable, SettingError
from spark.keyring import Keyring
from spark.log import logger, set_up
from spark.metrics import Metrics
from spark.names import Endpoint, Role, StrategyId, Symbol, TradingMode, Venue
from spark.settings import Settings, read_settings
from spark.worker import supervise
from spark.worker.authority import check_authority
from spark.worker.latch import KillLatch
from spark.worker.lock import PartitionLock
from spark.worker.ops import served

if TYPE_CHECKING:
    from spark.worker.loop import Wiring

_NS_PER_S: Final = 1_000_000_000
_FUTURE_NS_MAX: Final = 2 * _NS_PER_S
_LOOPBACK: Final = ("127.0.0.1:", "localhost:", "[::1]:")
_START_S_MAX: Final = 60.0
_START_PAUSE_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Process:
    """What every process has."""

    name: str
    settings: Settings
    home: Home
    keyring: Keyring
    metrics: Metrics
    latch: KillLatch
    clock: SystemClock
    bus: KafkaBus
    instance: str
    partitions: tuple[int, ...]
    ready: asyncio.Event


Build = Callable[[Process, asyncio.Event], Awaitable[None]]


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
    raise typer.Exit(supervise.run(lambda stop: _work(process, settings, partitions, stop=stop)))


async def _work(name: str, settings: Settings, partitions: str, *, stop: asyncio.Event) -> None:
    home = Home(default_home(settings.process))
    bootstrap = _bootstrap(settings)
    keyring = Keyring(name, settings.process.secrets_dir or home.secrets_of(name), home.public)
    metrics = Metrics(name)
    latch = KillLatch(
        settings.process.latch_dir or home.kill,
        is_killed_by_environment=settings.trading.is_killed,
    )
    process = Process(
        name=name,
        settings=settings,
        home=home,
        keyring=keyring,
        metrics=metrics,
        latch=latch,
        clock=SystemClock(),
        bus=KafkaBus(KafkaLogin(bootstrap, name, keyring.kafka_password())),
        instance=f"{socket.gethostname()}:{os.getpid()}",
        partitions=_partitions(partitions),
        ready=asyncio.Event(),
    )
    _say_mode(metrics, settings)
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
                await BUILDERS[name](process, stop)
    finally:
        await process.bus.close()
        for lock in locks:
            lock.release()


async def _until_kafka_answers(process: Process, stop: asyncio.Event) -> None:
    """Wait for the broker at start: a stage that starts first is no error."""
    async with asyncio.timeout(_START_S_MAX):
        while not stop.is_set():
            try:
                found = await process.bus.topics([topics.CONTROL_PULSE])
            except BusUnavailable as error:
                logger().warning("waiting_for_kafka", why=str(error))
                await asyncio.sleep(_START_PAUSE_S)
                continue
            if found:
                return
            await asyncio.sleep(_START_PAUSE_S)


async def _guardrail(process: Process, stop: asyncio.Event) -> None:
    from spark.consumers.guardrail import Guardrail
    from spark.guards.limits import Limits
    from spark.worker.loop import TransformLoop

    section, trading = process.settings.limits, process.settings.trading
    limits = Limits(
        version=0,
        intent_life_ns_max=_ns(section.intent_life_s),
        approval_life_ns_max=_ns(section.approval_life_s),
        future_ns_max=_FUTURE_NS_MAX,
        instrument_age_ns_max=_ns(section.instrument_ttl_s),
        order_notional_usd_max=section.order_notional_usd_max,
    )
    guardrail = Guardrail(limits, trading.mode_in_force, trading.endpoint)
    writers = topics.BY_NAME[topics.INTENTS].writers
    verifiers = (Role.SIGNER, Role.GATEWAY)
    await TransformLoop(guardrail, _wiring(process, writers, verifiers)).run(stop)


async def _signer(process: Process, stop: asyncio.Event) -> None:
    from spark.consumers.signer import Signer, SignerKeys, SignerRules
    from spark.consumers.signing_socket import SigningSocket
    from spark.exchanges.binance.signer import BinanceSigner
    from spark.ledger.ceilings import read_ceilings
    from spark.worker.loop import TransformLoop

    settings, keyring = process.settings, process.keyring
    binance = BinanceSigner(
        keyring.binance_key(keys.TRADE_KEY),
        keyring.binance_key(keys.READ_KEY),
        settings.binance.recv_window_ms,
    )
    signer = Signer(
        SignerKeys(
            venues={Venue.BINANCE: binance},
            seal=keyring.seal(),
            strategies=keyring.checker(topics.BY_NAME[topics.INTENTS].writers),
            log_epoch=keyring.log_epoch,
            entropy=secrets.token_bytes,
        ),
        SignerRules(
            mode=settings.trading.mode_in_force,
            endpoint=settings.trading.endpoint,
            signature_life_ns=_ns(settings.limits.signature_life_s),
            ceilings=read_ceilings(settings.signer.ceilings),
        ),
    )
    writer = await process.bus.writer([topics.CONTROL_KEYS])
    questions = SigningSocket(
        path=_signing_path(process.home),
        venues={Venue.BINANCE: binance},
        writer=writer,
        clock=process.clock,
        latest_clock=lambda: signer.latest_clock,
        uids=frozenset(settings.signer.client_uids) or frozenset({os.geteuid()}),
    )
    wiring = _wiring(process, {Role.GUARDRAIL}, (Role.GATEWAY,))
    try:
        async with questions.served():
            await TransformLoop(signer, wiring).run(stop)
    finally:
        await writer.close()


async def _gateway(process: Process, stop: asyncio.Event) -> None:
    from spark.consumers.gateway import Gateway, GatewayWiring
    from spark.consumers.gateway_intake import GatewayKeys
    from spark.consumers.signing_socket import SigningClient
    from spark.exchanges.binance.client import BinanceOrders

    settings, keyring = process.settings, process.keyring
    _check_endpoint(settings)
    binance = BinanceOrders(
        settings.binance.rest_url,
        process.clock,
        concurrency_max=settings.gateway.concurrency_max,
        reply_ms_max=settings.gateway.reply_ms_max,
    )
    wiring = GatewayWiring(
        bus=process.bus,
        clock=process.clock,
        metrics=process.metrics,
        latch=process.latch,
        checker=keyring.checker({Role.SIGNER}),
        keys=GatewayKeys(
            seal=keyring.seal(),
            guardrail=keyring.checker({Role.GUARDRAIL}),
            log_epoch=keyring.log_epoch,
        ),
        signer=SigningClient(_signing_path(process.home)),
        accounts={
            number: (account, binance)
            for account, number in topics.ACCOUNT_PARTITION.items()
            if number in process.partitions and account.startswith(f"{Venue.BINANCE}:")
        },
        mode=settings.trading.mode_in_force,
        endpoint=settings.trading.endpoint,
        concurrency_max=settings.gateway.concurrency_max,
        instance=process.instance,
        ready=process.ready,
        state_dir=process.home.state_of(process.name),
    )
    await Gateway(wiring).run(stop)


async def _auditor(process: Process, stop: asyncio.Event) -> None:
    from spark.consumers.auditor import Auditor, AuditorWiring

    wiring = AuditorWiring(
        bus=process.bus,
        clock=process.clock,
        metrics=process.metrics,
        key=process.keyring.audit_key(),
        instance=process.instance,
        ready=process.ready,
        state_dir=process.home.state_of(process.name),
    )
    await Auditor(wiring).run(stop)


async def _venue_watch(process: Process, stop: asyncio.Event) -> None:
    from spark.exchanges.binance.client import BinancePublic
    from spark.producers.venue_watch import VenueWatch

    binance = process.settings.binance
    watch = VenueWatch(
        bus=process.bus,
        clock=process.clock,
        metrics=process.metrics,
        venue=Venue.BINANCE,
        public=BinancePublic(
            binance.rest_url, process.clock, reply_ms_max=process.settings.gateway.reply_ms_max
        ),
        symbols=tuple(Symbol(symbol) for symbol in binance.symbol_list),
        instance=process.instance,
        ready=process.ready,
    )
    await watch.run(stop)


async def _binance_feed(process: Process, stop: asyncio.Event) -> None:
    from spark.exchanges.binance.client import BinancePublic
    from spark.exchanges.binance.stream import BinanceStreams
    from spark.producers.binance_feed import BinanceFeed

    settings = process.settings
    _check_endpoint(settings)
    symbols = tuple(Symbol(symbol) for symbol in settings.binance.symbol_list)
    feed = BinanceFeed(
        bus=process.bus,
        clock=process.clock,
        metrics=process.metrics,
        streams=BinanceStreams(settings.binance.stream_url),
        depths=BinancePublic(
            settings.binance.rest_url, process.clock, reply_ms_max=settings.gateway.reply_ms_max
        ),
        symbols=symbols,
        instance=process.instance,
        ready=process.ready,
    )
    await feed.run(stop)


async def _feed_writer(process: Process, stop: asyncio.Event) -> None:
    from spark.consumers.feed_writer import FeedWriter
    from spark.db.pool import Database

    section = process.settings.database
    if not section.url:
        raise SettingError("DATABASE_URL is not set; `spark up` sets it for its processes")
    database = Database(section.url, name=process.name, settings=section, metrics=process.metrics)
    await database.open()
    try:
        writer = FeedWriter(
            bus=process.bus,
            database=database,
            clock=process.clock,
            metrics=process.metrics,
            instance=process.instance,
            ready=process.ready,
        )
        await writer.run(stop)
    finally:
        await database.close()


async def _strategy_demo(process: Process, stop: asyncio.Event) -> None:
    from spark.strategies.demo import run as run_demo

    process.ready.set()
    tagger = process.keyring.tagger((Role.GUARDRAIL, Role.SIGNER))
    await run_demo(process.bus, tagger, process.clock, strategy=StrategyId(process.name), stop=stop)


BUILDERS: Final[dict[str, Build]] = {
    Role.GUARDRAIL: _guardrail,
    Role.SIGNER: _signer,
    Role.GATEWAY: _gateway,
    Role.AUDITOR: _auditor,
    Role.VENUE_WATCH: _venue_watch,
    Role.BINANCE_FEED: _binance_feed,
    Role.FEED_WRITER: _feed_writer,
    "strategy-demo": _strategy_demo,
}


def _wiring(
    process: Process, writers: set[str] | frozenset[str], verifiers: tuple[str, ...]
) -> "Wiring":
    from spark.worker.loop import Wiring

    return Wiring(
        bus=process.bus,
        clock=process.clock,
        metrics=process.metrics,
        latch=process.latch,
        tagger=process.keyring.tagger(verifiers),
        checker=process.keyring.checker(writers),
        instance=process.instance,
        partitions=process.partitions,
        ready=process.ready,
        state_dir=process.home.state_of(process.name),
    )


def _signing_path(home: Home) -> Path:
    return home.run_of(Role.SIGNER) / "questions.sock"


def _say_mode(metrics: Metrics, settings: Settings) -> None:
    trading = settings.trading
    for mode in TradingMode:
        is_in_force = mode is trading.mode_in_force
        metrics.trading_mode.labels(mode, trading.endpoint).set(is_in_force)


def _bootstrap(settings: Settings) -> str:
    bootstrap = settings.kafka.bootstrap
    if not bootstrap:
        raise SettingError("SPARK_KAFKA_BOOTSTRAP is not set; `spark up` sets it for its processes")
    if not bootstrap.startswith(_LOOPBACK):
        raise SettingError(
            f"SPARK_KAFKA_BOOTSTRAP={bootstrap} is not loopback, and this build has no TLS to Kafka"
        )
    return bootstrap


def _check_endpoint(settings: Settings) -> None:
    """Refuse a simulator that is none, and an exchange that was not asked for."""
    is_local = any(f"//{host}" in settings.binance.rest_url for host in _LOOPBACK)
    if settings.trading.endpoint is Endpoint.SIM and not is_local:
        raise SettingError(
            f"SPARK_BINANCE_REST_URL={settings.binance.rest_url} is no simulator on loopback; "
            "a real exchange needs SPARK_ENDPOINT=real and TRADING_MODE=live, both said"
        )
    if settings.trading.endpoint is Endpoint.REAL:
        raise SettingError(
            "SPARK_ENDPOINT=real needs isolation and a full doctor; not in this build"
        )


def _partitions(text: str) -> tuple[int, ...]:
    if not text:
        return tuple(range(topics.ACCOUNT_PARTITIONS))
    found: set[int] = set()
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            found.update(range(int(first), int(last or first) + 1))
    except ValueError:
        raise SettingError(f"--partitions {text}: use 0-3 or 0,2") from None
    if not found or max(found) >= topics.ACCOUNT_PARTITIONS:
        raise SettingError(f"--partitions {text}: there are 0-{topics.ACCOUNT_PARTITIONS - 1}")
    return tuple(sorted(found))


def _ns(seconds: Decimal) -> int:
    return int(seconds * _NS_PER_S)
