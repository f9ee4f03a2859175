"""
The order path in one event loop: the real stages, a simulated exchange, any bus.

What a test may do to it is what happens to it outside: start a stage, crash it, start
a second one, hurt the log or the exchange. What is judged is the log and the
exchange's own ledger.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp

from spark import topics
from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Bus, Outgoing, Pace, Partition, Record
from spark.clock import SystemClock
from spark.codec import decode
from spark.consumers.auditor import Auditor, AuditorWiring
from spark.consumers.gateway import Gateway, GatewayWiring
from spark.consumers.guardrail import Guardrail
from spark.consumers.signer import Signer, SignerKeys, SignerRules
from spark.consumers.signing_socket import SigningClient, SigningSocket
from spark.errors import MalformedError
from spark.events import (
    CancelApproved,
    CancelOrder,
    Decision,
    Event,
    Intent,
    IntentRefused,
    OrderApproved,
    OrderClaimed,
    PartitionFenced,
    PlaceOrder,
    RequestNotSent,
    Stamp,
)
from spark.exchanges.binance.client import BinanceOrders, BinancePublic
from spark.exchanges.simulator.server import Options, Running, running
from spark.guards.limits import Limits
from spark.metrics import Metrics
from spark.names import Endpoint, Role, Side, StrategyId, Symbol, TradingMode, Venue
from spark.producers.intents import IntentWriter, OrderWish
from spark.producers.venue_watch import VenueWatch
from spark.worker.fence import Lineage, Verdict
from spark.worker.latch import KillLatch
from spark.worker.loop import TransformLoop, Wiring
from tests import keyed
from tests.hops import CEILINGS, gateway_keys
from tests.made import ACCOUNT, SECOND_NS
from tests.simulated_venue import FULL, Client, write_keys

_T = TypeVar("_T")
PATIENCE_S: Final = 30.0
STRATEGY: Final = StrategyId("strategy-demo")
BTC: Final = Symbol("BTCUSDT")
ETH: Final = Symbol("ETHUSDT")
#: Lives that a busy machine does not outlast.
LIMITS: Final = Limits(
    version=0,
    intent_life_ns_max=30 * SECOND_NS,
    approval_life_ns_max=30 * SECOND_NS,
    future_ns_max=2 * SECOND_NS,
    instrument_age_ns_max=3600 * SECOND_NS,
    order_notional_usd_max=Decimal(10_000),
)
SIGNATURE_LIFE_NS: Final = 20 * SECOND_NS
STAGES: Final = (Role.VENUE_WATCH, Role.GATEWAY, Role.SIGNER, Role.GUARDRAIL)


@dataclass(slots=True)
class Stage:
    """One running process, as a task."""

    role: str
    task: "asyncio.Task[None]"
    stop: asyncio.Event
    ready: asyncio.Event
    metrics: Metrics

    async def is_up(self) -> None:
        """Wait until it serves; a stage that ended instead raises its error."""
        waiting = asyncio.ensure_future(self.ready.wait())
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait({self.task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self.task.done():
            await self.task

    async def crash(self) -> None:
        """End it where it stands, as kill -9 does: it writes nothing more."""
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    async def end(self) -> None:
        """Stop it as SIGTERM does."""
        self.stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await self.task

    async def error(self) -> BaseException:
        """Wait for it to fail, and give the error that it failed with."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait({self.task})
        found = self.task.exception()
        assert found is not None, "it ended without an error"
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        return found


class Tape:
    """Everything that stands on some topics, read again and again until it says something."""

    def __init__(self, bus: Bus, names: Sequence[str]) -> None:
        self._bus = bus
        self._parts = [
            Partition(name, number)
            for name in names
            for number in range(topics.BY_NAME[name].partitions)
        ]
        self.records: dict[str, list[tuple[Record, Event | None]]] = {name: [] for name in names}

    async def open(self) -> None:
        """Begin at the beginning."""
        self._reader = await self._bus.reader(dict.fromkeys(self._parts, 0), Pace.SHARED)

    async def close(self) -> None:
        """Let go."""
        await self._reader.close()

    async def until(self, found: Callable[[], _T]) -> _T:
        """Read on until `found` gives something true."""
        async with asyncio.timeout(PATIENCE_S):
            while not (answer := found()):
                for record in await self._reader.read(100):
                    self.records[record.partition.topic].append((record, _read(record)))
        return answer

    async def some(self, topic: str, kind: type[_T], count: int) -> list[_T]:
        """Wait for so many events of a type; more would be in the list, too."""
        await self.until(lambda: len(self.on(topic, kind)) >= count)
        return self.on(topic, kind)

    async def more(self, topic: str, count: int) -> None:
        """Wait for so many more records on a topic."""
        before = len(self.records[topic])
        await self.until(lambda: len(self.records[topic]) >= before + count)

    async def catch_up(self) -> None:
        """Read to the ends of now."""
        ends = await self._bus.ends(self._parts)
        due = sum(ends.values())
        await self.until(lambda: sum(len(one) for one in self.records.values()) >= due)

    def on(self, topic: str, kind: type[_T]) -> list[_T]:
        """List the events of a type on a topic."""
        return [event for _, event in self.records[topic] if isinstance(event, kind)]

    def numbers(self, topic: str) -> list[int]:
        """List the numbers of the valid records of a stamped topic's first partition."""
        return list(self.valid(topic).values())

    def valid(self, topic: str, partition: int = 0) -> dict[int, int]:
        """Give offset and number of the valid records of a stamped topic, as its readers judge."""
        lineage = Lineage(f"{topic}/{partition}")
        found: dict[int, int] = {}
        for record, event in self.records[topic]:
            stamp: Stamp | None = getattr(event, "stamp", None)
            if record.partition.number != partition:
                continue
            if isinstance(event, PartitionFenced):
                lineage.fence(record.offset)
            elif stamp is not None and lineage.judge(stamp) is Verdict.VALID:
                found[record.offset] = stamp.seq
        return found

    def about(self, intent: Intent, kind: type[_T], topic: str = topics.EVENTS) -> list[_T]:
        """List the events of a type that name an intent."""
        return [
            one for one in self.on(topic, kind) if getattr(one, "intent_id", "") == intent.intent_id
        ]


@dataclass(slots=True, kw_only=True)
class OrderPath:
    """The stages, their bus, the exchange, and what a test holds in its hands."""

    bus_of: Callable[[str], Bus]
    exchange: Running
    judge: Client
    place_: Path
    tape: Tape
    intents: IntentWriter
    stages: list[Stage] = field(default_factory=list)
    buses: list[Bus] = field(default_factory=list)
    #: How long the gateway waits for the exchange's reply.
    reply_ms_max: int = 10_000
    concurrency_max: int = 8
    mode: TradingMode = TradingMode.LIVE
    signature_life_ns: int = SIGNATURE_LIFE_NS
    #: Where the gateway sends to; the exchange, unless a test says otherwise.
    rest_url: str = ""
    #: Where states are kept between runs of a stage.
    state_dir: Path | None = None

    @property
    def latch_dir(self) -> Path:
        """Give the directory whose files are kills."""
        return self.place_ / "kill.d"

    async def up(self, *roles: Role) -> None:
        """Start stages, all of the order path by default, each when the one before it serves."""
        for role in roles or STAGES:
            await self.start(role).is_up()

    def start(self, role: Role) -> Stage:
        """Start one stage, beside an older one if there is one."""
        stop, ready, metrics = asyncio.Event(), asyncio.Event(), Metrics(role)
        bus = self.bus_of(role)
        self.buses.append(bus)
        run = _RUNNERS[role](self, bus, metrics, ready)
        task = asyncio.create_task(run(stop), name=role)
        stage = Stage(role, task, stop, ready, metrics)
        self.stages.append(stage)
        return stage

    def stage(self, role: Role) -> Stage:
        """Give the stage of a role that was started last."""
        return next(stage for stage in reversed(self.stages) if stage.role == role)

    async def restart(self, role: Role) -> Stage:
        """Crash a stage and start it again."""
        await self.stage(role).crash()
        stage = self.start(role)
        await stage.is_up()
        return stage

    async def close(self) -> None:
        """End what still runs, whatever state it is in."""
        for stage in self.stages:
            if not stage.task.done():
                stage.task.cancel()
        await asyncio.gather(*(stage.task for stage in self.stages), return_exceptions=True)
        for bus in self.buses:
            await bus.close()

    async def ask(self, *asked: Intent) -> list[int]:
        """Write intents as the strategy."""
        return await self.intents.send(asked)

    async def write(self, *records: Outgoing) -> list[int]:
        """Write records as they are, as somebody who may."""
        bus = self.bus_of("broker")
        writer = await bus.writer([topics.EVENTS])
        try:
            return await writer.write(records)
        finally:
            await writer.close()
            await bus.close()

    def order(self, symbol: Symbol = BTC, **changes: Any) -> PlaceOrder:  # noqa: ANN401  (fields)
        """Compose a place that rests below the market."""
        prices = {BTC: "60000", ETH: "2500"}
        wish = OrderWish(
            account=changes.pop("account", ACCOUNT),
            symbol=symbol,
            side=changes.pop("side", Side.BUY),
            quantity=Decimal(changes.pop("quantity", "0.01")),
            price=Decimal(changes.pop("price", prices.get(symbol, "1"))),
        )
        return self.intents.place(wish, ttl_ns=changes.pop("ttl_ns", 30 * SECOND_NS))

    def cancel(self, order: PlaceOrder) -> CancelOrder:
        """Compose the cancel of an order."""
        return self.intents.cancel(order, ttl_ns=30 * SECOND_NS)

    async def hear(self, order: Intent, kind: type[_T], topic: str = topics.EVENTS) -> _T:
        """Wait for an event about an intent."""
        return (await self.tape.until(lambda: self.tape.about(order, kind, topic)))[0]

    async def ended(self, asked: Intent) -> RequestNotSent:
        """Wait for the gateway's word that a request was not sent."""
        return await self.hear(asked, RequestNotSent)

    async def decided(self, asked: Intent) -> Decision:
        """Wait for the guardrail's word on an intent."""

        def found() -> list[Decision]:
            here = self.tape.records[topics.DECISIONS]
            mine = (one for _, one in here if getattr(one, "intent_id", "") == asked.intent_id)
            return [
                one
                for one in mine
                if isinstance(one, OrderApproved | CancelApproved | IntentRefused)
            ]

        return (await self.tape.until(found))[0]

    async def fault(self, kind: str, **more: object) -> None:
        """Arm a fault of the exchange, for the next place unless said otherwise."""
        answer = await self.judge.judge("POST", "/faults", {"kind": kind, **more})
        assert "armed" in answer, answer

    async def shift_exchange_clock(self, by_ms: int) -> None:
        """Let the exchange's clock be ahead."""
        await self.judge.judge("POST", "/clock", {"offset_ms": by_ms})

    async def ledger(self) -> list[dict[str, Any]]:
        """Read the exchange's own ledger."""
        answer = await self.judge.judge("GET", "/ledger")
        return list(answer["entries"])

    def signed_offsets(self) -> set[int]:
        """List where the valid records of `orders.signed` stand."""
        return set(self.tape.valid(topics.SIGNED))

    def events_of_signed(self) -> list[tuple[int, str]]:
        """List what became of signed records, by their offset: `claimed` or `ended`, validly."""
        epoch, found = -1, []
        for record, event in self.tape.records[topics.EVENTS]:
            if record.partition.number:
                continue
            if isinstance(event, PartitionFenced):
                epoch = record.offset
            elif isinstance(event, OrderClaimed | RequestNotSent) and event.epoch == epoch:
                kind = "claimed" if isinstance(event, OrderClaimed) else "ended"
                found.append((event.origin.offset, kind))
        return found

    async def placed(self) -> list[str]:
        """List the client order ids of every order that ever stood at the exchange."""
        return [
            entry["client_order_id"]
            for entry in await self.ledger()
            if entry["kind"] == "order" and entry["status"] == "open" and entry["executed"] == "0"
        ]

    async def requests(self, method: str = "POST") -> list[dict[str, Any]]:
        """List the requests for orders that arrived at the exchange."""
        return [
            entry
            for entry in await self.ledger()
            if entry["kind"] == "request"
            and (entry["method"], entry["path"]) == (method, "/api/v3/order")
        ]


@asynccontextmanager
async def order_path(
    bus_of: Callable[[str], Bus],
    **options: Any,  # noqa: ANN401  (fields of OrderPath)
) -> AsyncIterator[OrderPath]:
    """Open an exchange and what a test needs; no stage is started."""
    # A socket's path is short, and pytest's directories are not.
    directory = Path(tempfile.mkdtemp(prefix="spk-"))
    (directory / "kill.d").mkdir()
    bus = bus_of("broker")
    tape = Tape(
        bus, [*(topic.name for topic in topics.TOPICS if not topic.name.startswith("market."))]
    )
    writer = await bus.writer([topics.INTENTS])
    keys = Options(keys_file=write_keys(directory), market_steps_per_s=0)
    try:
        async with running(keys) as exchange, aiohttp.ClientSession() as session:
            await tape.open()
            path = OrderPath(
                bus_of=bus_of,
                exchange=exchange,
                judge=Client(session, exchange, FULL),
                place_=directory,
                tape=tape,
                intents=IntentWriter(
                    STRATEGY,
                    writer,
                    keyed.tagger(STRATEGY, Role.GUARDRAIL, Role.SIGNER),
                    clock=SystemClock(),
                ),
                **options,
            )
            try:
                yield path
            finally:
                await path.close()
    finally:
        await tape.close()
        await writer.close()
        await bus.close()
        shutil.rmtree(directory)


@asynccontextmanager
async def in_memory(
    broker: MemoryBroker | None = None,
    **options: Any,  # noqa: ANN401
) -> AsyncIterator[OrderPath]:
    """Open an order path on a log in memory."""
    log = broker or memory_log()
    async with order_path(lambda _: MemoryBus(log), **options) as path:
        yield path


def memory_log() -> MemoryBroker:
    """Make a log with every topic of the table."""
    return MemoryBroker({topic.name: topic.partitions for topic in topics.TOPICS})


def _read(record: Record) -> Event | None:
    try:
        return decode(record.value or b"")
    except MalformedError:
        return None


_Run = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
_Runner = Callable[[OrderPath, Bus, Metrics, asyncio.Event], _Run]


def _wiring(
    path: OrderPath,
    bus: Bus,
    metrics: Metrics,
    ready: asyncio.Event,
    **more: Any,  # noqa: ANN401
) -> Wiring:
    return Wiring(
        bus=bus,
        clock=SystemClock(),
        metrics=metrics,
        latch=KillLatch(path.latch_dir, is_killed_by_environment=False),
        instance=f"{metrics.role}-{len(path.stages)}",
        partitions=tuple(range(topics.ACCOUNT_PARTITIONS)),
        ready=ready,
        state_dir=path.state_dir,
        **more,
    )


def _guardrail(path: OrderPath, bus: Bus, metrics: Metrics, ready: asyncio.Event) -> _Run:
    wiring = _wiring(
        path,
        bus,
        metrics,
        ready,
        tagger=keyed.tagger(Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY),
        checker=keyed.strategies(Role.GUARDRAIL),
    )
    return TransformLoop(Guardrail(LIMITS, path.mode, Endpoint.SIM), wiring).run


def _signer(path: OrderPath, bus: Bus, metrics: Metrics, ready: asyncio.Event) -> _Run:
    venue = keyed.venue_signer()
    signer = Signer(
        SignerKeys(
            venues={Venue.BINANCE: venue},
            seal=keyed.seal(),
            strategies=keyed.strategies(Role.SIGNER),
            log_epoch=keyed.LOG_EPOCH,
            entropy=_Counter(),
        ),
        SignerRules(
            mode=path.mode,
            endpoint=Endpoint.SIM,
            signature_life_ns=path.signature_life_ns,
            ceilings=CEILINGS,
        ),
    )
    wiring = _wiring(
        path,
        bus,
        metrics,
        ready,
        tagger=keyed.tagger(Role.SIGNER, Role.GATEWAY),
        checker=keyed.checker(Role.SIGNER, {Role.GUARDRAIL}),
    )

    async def run(stop: asyncio.Event) -> None:
        writer = await bus.writer([topics.CONTROL_KEYS])
        questions = SigningSocket(
            path=path.place_ / "q.sock",
            venues={Venue.BINANCE: venue},
            writer=writer,
            clock=SystemClock(),
            latest_clock=lambda: signer.latest_clock,
            uids=frozenset({path.place_.stat().st_uid}),
        )
        try:
            async with questions.served():
                await TransformLoop(signer, wiring).run(stop)
        finally:
            await writer.close()

    return run


class _Counter:
    """Nonces that do not repeat, and need no chance."""

    def __init__(self) -> None:
        self._next = 0

    def __call__(self, count: int) -> bytes:
        self._next += 1
        return self._next.to_bytes(count, "big")


def _gateway(path: OrderPath, bus: Bus, metrics: Metrics, ready: asyncio.Event) -> _Run:
    async def run(stop: asyncio.Event) -> None:
        binance = BinanceOrders(
            path.rest_url or path.exchange.url,
            SystemClock(),
            concurrency_max=path.concurrency_max,
            reply_ms_max=path.reply_ms_max,
        )
        wiring = GatewayWiring(
            bus=bus,
            clock=SystemClock(),
            metrics=metrics,
            latch=KillLatch(path.latch_dir, is_killed_by_environment=False),
            checker=keyed.checker(Role.GATEWAY, {Role.SIGNER}),
            keys=gateway_keys(),
            signer=SigningClient(path.place_ / "q.sock"),
            accounts={0: (ACCOUNT, binance)},
            mode=path.mode,
            endpoint=Endpoint.SIM,
            concurrency_max=path.concurrency_max,
            instance=f"gateway-{len(path.stages)}",
            ready=ready,
            state_dir=path.state_dir,
        )
        await Gateway(wiring).run(stop)

    return run


def _auditor(path: OrderPath, bus: Bus, metrics: Metrics, ready: asyncio.Event) -> _Run:
    wiring = AuditorWiring(
        bus=bus,
        clock=SystemClock(),
        metrics=metrics,
        key=keyed.audit(),
        instance=f"auditor-{len(path.stages)}",
        ready=ready,
        state_dir=path.state_dir,
    )
    return Auditor(wiring).run


def _venue_watch(path: OrderPath, bus: Bus, metrics: Metrics, ready: asyncio.Event) -> _Run:
    async def run(stop: asyncio.Event) -> None:
        watch = VenueWatch(
            bus=bus,
            clock=SystemClock(),
            metrics=metrics,
            venue=Venue.BINANCE,
            public=BinancePublic(path.exchange.url, SystemClock(), reply_ms_max=5_000),
            symbols=(BTC, ETH),
            instance="venue_watch",
            ready=ready,
        )
        await watch.run(stop)

    return run


_RUNNERS: Final[dict[str, _Runner]] = {
    Role.GUARDRAIL: _guardrail,
    Role.SIGNER: _signer,
    Role.GATEWAY: _gateway,
    Role.AUDITOR: _auditor,
    Role.VENUE_WATCH: _venue_watch,
}
