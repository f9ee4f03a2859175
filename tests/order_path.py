"""
The order path in one event loop: the real stages, a simulated exchange, any bus.

What a test may do to it is what happens to it outside: start a stage, crash it, start
a second one, hurt the log or the exchange. What is judged is the log and the
exchange's own ledger.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from spark import topics
from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Bus, Outgoing
from spark.clock import SystemClock
from spark.consumers.gateway_manners import VenueRules
from spark.events import (
    CancelApproved,
    CancelOrder,
    Decision,
    Intent,
    IntentRefused,
    OrderAcked,
    OrderApproved,
    OrderClaimed,
    PartitionFenced,
    PlaceOrder,
    RequestNotSent,
)
from spark.exchanges.simulator.server import Options, Running, running
from spark.guards.limits import Limits
from spark.metrics import Metrics
from spark.names import Reason, Role, Side, StrategyId, Symbol, TradingMode
from spark.producers.intents import IntentWriter, OrderWish
from tests import keyed
from tests.leased import LEASE_NS
from tests.made import ACCOUNT, SECOND_NS
from tests.mannered import BINANCE_RULES
from tests.order_stages import BTC, ETH, RUNNERS
from tests.simulated_venue import FULL, Client, write_keys
from tests.start import PATIENT
from tests.surroundings import surroundings
from tests.tape import PATIENCE_S, Tape

_T = TypeVar("_T")
STRATEGY: Final = StrategyId("strategy-demo")
SIGNATURE_LIFE_NS: Final = 20 * SECOND_NS
#: Between two questions that are asked until the answer is another.
_AGAIN_S: Final = 0.1
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
    #: For how long a pulse of the guardrail lets places go.
    lease_ns_max: int = LEASE_NS
    mode: TradingMode = TradingMode.LIVE
    limits: Limits = PATIENT
    #: Whose receipts the guardrail believes.
    witness: Ed25519PublicKey | None = None
    signature_life_ns: int = SIGNATURE_LIFE_NS
    #: Where the gateway sends to; the exchange, unless a test says otherwise.
    rest_url: str = ""
    #: How the gateway treats the exchange.
    rules: VenueRules = BINANCE_RULES
    #: How often the account feed compares everything.
    reconcile_period_s: float = 1.0
    #: Where states are kept between runs of a stage.
    state_dir: Path | None = None

    @property
    def latch_dir(self) -> Path:
        """Give the directory whose files are kills."""
        return self.place_ / "kill.d"

    def latch(self, file: str) -> str:
        """Pull the latch; gives the kill's name."""
        entry = self.latch_dir / file
        entry.touch()
        return f"latch:{file}@{entry.lstat().st_mtime_ns}"

    async def up(self, *roles: Role) -> None:
        """Start stages, all of the order path by default, each when the one before it serves."""
        for role in roles or STAGES:
            await self.start(role).is_up()

    def start(self, role: Role) -> Stage:
        """Start one stage, beside an older one if there is one."""
        stop, ready, metrics = asyncio.Event(), asyncio.Event(), Metrics(role)
        bus = self.bus_of(role)
        self.buses.append(bus)
        run = RUNNERS[role](self, bus, metrics, ready)
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

    async def forget_key(self, name: str) -> None:
        """Let the exchange know a key no more: `full` signs orders, `read` questions."""
        write_keys(self.place_, without=name)
        assert "keys" in await self.judge.judge("GET", "/keys")

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
    *,
    missing: Collection[Role] = (),
    **options: Any,  # noqa: ANN401  (fields of OrderPath)
) -> AsyncIterator[OrderPath]:
    """
    Open an exchange and what a test needs; no stage is started.

    Args:
        missing: roles around the path that the test starts, or speaks for, itself.

    """
    # A socket's path is short, and pytest's directories are not.
    directory = Path(tempfile.mkdtemp(prefix="spk-"))
    (directory / "kill.d").mkdir()
    bus = bus_of("broker")
    tape = Tape(
        bus, [*(topic.name for topic in topics.TOPICS if not topic.name.startswith("market."))]
    )
    strategy = bus_of(STRATEGY)
    writer = await strategy.writer([topics.INTENTS])
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
                async with surroundings(bus, missing=missing):
                    yield path
            finally:
                await path.close()
    finally:
        await tape.close()
        await writer.close()
        await strategy.close()
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


async def served(path: OrderPath) -> PlaceOrder:
    """Ask until an order is acknowledged: after a pause, quotes and the lease come back first."""
    while True:
        order = path.order()
        await path.ask(order)
        if not isinstance(await path.decided(order), OrderApproved):
            continue
        await path.tape.until(partial(_is_over, path, order))
        if path.tape.about(order, OrderAcked):
            return order


async def refused(path: OrderPath, code: Reason) -> None:
    """Ask until the guardrail refuses for a reason."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            order = path.order()
            await path.ask(order)
            decided = await path.decided(order)
            if isinstance(decided, IntentRefused) and code in {one.code for one in decided.reasons}:
                return
            await asyncio.sleep(_AGAIN_S)


def _is_over(path: OrderPath, order: PlaceOrder) -> bool:
    return any(path.tape.about(order, kind) for kind in (OrderAcked, RequestNotSent))
