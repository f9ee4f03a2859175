"""
What each process is made of: settings, keys and ports become parts, here only.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from spark import keys, topics
from spark.bus.port import Bus
from spark.clock import Clock
from spark.embedded.home import Home
from spark.errors import SettingError
from spark.keyring import Keyring
from spark.metrics import Metrics
from spark.names import Endpoint, Role, StrategyId, Symbol, Venue
from spark.settings import Settings
from spark.worker.halts import Halts

if TYPE_CHECKING:
    from spark.db.pool import Database
    from spark.exchanges.port import Question
    from spark.producers.bist_watch import BistWatch
    from spark.worker.loop import Wiring

_NS_PER_S: Final = 1_000_000_000
_MS_PER_S: Final = 1_000
#: Basis points of the whole.
_BPS: Final = 10_000
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


async def _guardrail(process: Process, stop: asyncio.Event) -> None:
    from spark.cli.start_values import start_of
    from spark.consumers.guardrail import Guardrail
    from spark.worker.loop import TransformLoop

    guardrail = Guardrail(
        start_of(process.settings), process.keyring.people(process.settings.process.operators_file)
    )
    writers = topics.BY_NAME[topics.INTENTS].writers
    verifiers = (Role.SIGNER, Role.GATEWAY)
    await TransformLoop(guardrail, _wiring(process, writers, verifiers)).run(stop)


async def _signer(process: Process, stop: asyncio.Event) -> None:
    from spark.consumers.signer import Signer, SignerKeys, SignerRules
    from spark.consumers.signing_socket import SigningSocket, read_stamps
    from spark.exchanges.binance.signer import BinanceSigner, dummy_key
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
            dummies={
                Venue.BINANCE: BinanceSigner(
                    dummy_key(), dummy_key(), settings.binance.recv_window_ms
                )
            },
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
            people=process.halts.people,
        ),
    )
    writer = await process.bus.writer([topics.CONTROL_KEYS])
    questions = SigningSocket(
        path=_signing_path(process.home),
        venues={Venue.BINANCE: binance},
        writer=writer,
        clock=process.clock,
        latest_clock=signer.latest_clock,
        uids=_who_may_ask(settings),
        stamps=await read_stamps(process.bus),
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
    from spark.consumers.gateway_market import PaperRules
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
        halts=process.halts,
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
        paper=PaperRules(
            fee_rate=settings.gateway.paper_fee_bps / _BPS,
            book_age_ns_max=_ns(settings.gateway.paper_book_age_s),
        ),
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
        symbols=tuple(Symbol(symbol) for symbol in binance.followed),
        instance=process.instance,
        ready=process.ready,
        bist=_bist_watch(process),
    )
    await watch.run(stop)


def _bist_watch(process: Process) -> "BistWatch | None":
    from spark.exchanges.bist.sessions import read_hours
    from spark.producers.bist_watch import BistWatch

    bist = process.settings.bist
    if not bist.is_enabled:
        return None
    hours = read_hours(bist.opens, bist.closes, bist.half_day_closes)
    return BistWatch(clock=process.clock, hours=hours, overrides=bist.overrides)


async def _binance_feed(process: Process, stop: asyncio.Event) -> None:
    from spark.exchanges.binance.client import BinancePublic
    from spark.exchanges.binance.stream import BinanceStreams
    from spark.producers.binance_feed import BinanceFeed

    settings = process.settings
    _check_endpoint(settings)
    symbols = tuple(Symbol(symbol) for symbol in settings.binance.followed)
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

    async with _database(process) as database:
        writer = FeedWriter(
            bus=process.bus,
            database=database,
            clock=process.clock,
            metrics=process.metrics,
            instance=process.instance,
            ready=process.ready,
        )
        await writer.run(stop)


async def _projector(process: Process, stop: asyncio.Event) -> None:
    from spark.consumers.projector import Projector

    async with _database(process) as database:
        projector = Projector(
            bus=process.bus,
            database=database,
            clock=process.clock,
            metrics=process.metrics,
            instance=process.instance,
            partitions=process.partitions,
            ready=process.ready,
        )
        await projector.run(stop)


async def _sentinel(process: Process, stop: asyncio.Event) -> None:
    from spark.cli.start_values import sentinel_rules
    from spark.consumers.sentinel import Sentinel, SentinelWiring

    protection = process.settings.protection
    for gate, bound_ms in (
        ("place_ack", protection.place_ack_ms_gate),
        ("feed_db", protection.feed_db_ms_gate),
    ):
        process.metrics.gate.labels(gate).set(bound_ms / _MS_PER_S)
    wiring = SentinelWiring(
        bus=process.bus,
        clock=process.clock,
        metrics=process.metrics,
        halts=process.halts,
        latch_dir=process.settings.process.latch_dir or process.home.kill,
        rules=sentinel_rules(process.settings),
        instance=process.instance,
        ready=process.ready,
        state_dir=process.home.state_of(process.name),
    )
    await Sentinel(wiring).run(stop)


async def _webhook(process: Process, stop: asyncio.Event) -> None:
    from spark.producers.webhook import Token, Webhook

    section = process.settings.process
    webhook = Webhook(
        bus=process.bus,
        clock=process.clock,
        latch_dir=section.latch_dir or process.home.kill,
        token=process.keyring.alert_token(Token),
        instance=process.instance,
        port=section.webhook_port,
        run_dir=process.home.run_of(process.name),
        ready=process.ready,
    )
    await webhook.run(stop)


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
    Role.PROJECTOR: _projector,
    Role.SENTINEL: _sentinel,
    Role.WEBHOOK: _webhook,
    "strategy-demo": _strategy_demo,
}


@asynccontextmanager
async def _database(process: Process) -> "AsyncIterator[Database]":
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


def _wiring(
    process: Process, writers: set[str] | frozenset[str], verifiers: tuple[str, ...]
) -> "Wiring":
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


def _who_may_ask(settings: Settings) -> "dict[int, frozenset[Question]]":
    from spark.consumers.signing_socket import ALL_QUESTIONS, GATEWAY_QUESTIONS

    section = settings.signer
    if not section.client_uids and not section.account_uids:
        # One user for all roles: nobody can be told from anybody.
        return {os.geteuid(): ALL_QUESTIONS}
    gateways = dict.fromkeys(section.client_uids, GATEWAY_QUESTIONS)
    return gateways | dict.fromkeys(section.account_uids, ALL_QUESTIONS)


def _signing_path(home: Home) -> Path:
    return home.run_of(Role.SIGNER) / "questions.sock"


def _check_endpoint(settings: Settings) -> None:
    """Refuse a simulator that is none, and an exchange that was not asked for."""
    urls = {
        "SPARK_BINANCE_REST_URL": settings.binance.rest_url,
        "SPARK_BINANCE_STREAM_URL": settings.binance.stream_url,
    }
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


def _ns(seconds: Decimal) -> int:
    return int(seconds * _NS_PER_S)
