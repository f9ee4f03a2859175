"""Each stage of an order path, wired as the command line wires it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from spark import topics
from spark.bus.port import Bus
from spark.clock import SystemClock
from spark.consumers.account_feed import AccountFeed, AccountFeedWiring
from spark.consumers.account_feed_ask import AccountEnds
from spark.consumers.auditor import Auditor, AuditorWiring
from spark.consumers.gateway import Gateway, GatewayWiring
from spark.consumers.gateway_market import PaperRules
from spark.consumers.guardrail import Guardrail
from spark.consumers.signer import Signer, SignerKeys, SignerRules
from spark.consumers.signing_socket import ALL_QUESTIONS, SigningClient, SigningSocket, read_stamps
from spark.exchanges.binance.account_client import BinanceAccount
from spark.exchanges.binance.client import BinanceOrders, BinancePublic
from spark.exchanges.binance.private_stream import BinancePrivateStream
from spark.metrics import Metrics
from spark.names import Endpoint, Role, Symbol, Venue
from spark.producers.venue_watch import VenueWatch
from spark.worker.halts import Halts
from spark.worker.latch import KillLatch
from spark.worker.latch_copy import LatchCopy, make_empty_copy
from spark.worker.loop import TransformLoop, Wiring
from tests import keyed
from tests.hops import CEILINGS, gateway_keys
from tests.made import ACCOUNT, SECOND_NS
from tests.start import start

if TYPE_CHECKING:
    from tests.order_path import OrderPath

BTC: Final = Symbol("BTCUSDT")
ETH: Final = Symbol("ETHUSDT")
_Run = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
_Runner = Callable[["OrderPath", Bus, Metrics, asyncio.Event], _Run]


def _halts(path: "OrderPath", role: str) -> Halts:
    """Give what a process obeys, with its own copy of the latch, which outlives it."""
    directory = path.place_ / "latches" / role
    if not directory.exists():
        directory.mkdir(parents=True)
        make_empty_copy(directory)
    latch = KillLatch(path.latch_dir, is_killed_by_environment=False, copy=LatchCopy(directory))
    return Halts(latch, keyed.people(), path.mode)


def _wiring(
    path: "OrderPath",
    bus: Bus,
    metrics: Metrics,
    ready: asyncio.Event,
    **more: Any,  # noqa: ANN401
) -> Wiring:
    return Wiring(
        bus=bus,
        clock=SystemClock(),
        metrics=metrics,
        halts=_halts(path, metrics.role),
        instance=f"{metrics.role}-{len(path.stages)}",
        partitions=tuple(range(topics.ACCOUNT_PARTITIONS)),
        ready=ready,
        state_dir=path.state_dir,
        **more,
    )


def _guardrail(path: "OrderPath", bus: Bus, metrics: Metrics, ready: asyncio.Event) -> _Run:
    wiring = _wiring(
        path,
        bus,
        metrics,
        ready,
        tagger=keyed.tagger(Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY),
        checker=keyed.strategies(Role.GUARDRAIL),
    )
    begin = start(path.limits, path.mode, path.witness)
    return TransformLoop(Guardrail(begin, keyed.people()), wiring).run


def _signer(path: "OrderPath", bus: Bus, metrics: Metrics, ready: asyncio.Event) -> _Run:
    venue = keyed.venue_signer()
    signer = Signer(
        SignerKeys(
            venues={Venue.BINANCE: venue},
            dummies={Venue.BINANCE: keyed.dummy_signer()},
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
            people=keyed.people(),
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
            latest_clock=signer.latest_clock,
            uids={path.place_.stat().st_uid: ALL_QUESTIONS},
            stamps=await read_stamps(bus),
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


def _gateway(path: "OrderPath", bus: Bus, metrics: Metrics, ready: asyncio.Event) -> _Run:
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
            halts=_halts(path, metrics.role),
            checker=keyed.checker(Role.GATEWAY, {Role.SIGNER}),
            keys=gateway_keys(),
            signer=SigningClient(path.place_ / "q.sock"),
            accounts={0: (ACCOUNT, binance)},
            rules={Venue.BINANCE: path.rules},
            mode=path.mode,
            endpoint=Endpoint.SIM,
            concurrency_max=path.concurrency_max,
            lease_ns_max=path.lease_ns_max,
            # A book that a test told once is not told again.
            paper=PaperRules(book_age_ns_max=600 * SECOND_NS),
            instance=f"gateway-{len(path.stages)}",
            ready=ready,
            state_dir=path.state_dir,
        )
        await Gateway(wiring).run(stop)

    return run


def _auditor(path: "OrderPath", bus: Bus, metrics: Metrics, ready: asyncio.Event) -> _Run:
    wiring = AuditorWiring(
        bus=bus,
        clock=SystemClock(),
        metrics=metrics,
        signer=keyed.audit_signer(),
        instance=f"auditor-{len(path.stages)}",
        ready=ready,
        state_dir=path.state_dir,
    )
    return Auditor(wiring).run


def _venue_watch(path: "OrderPath", bus: Bus, metrics: Metrics, ready: asyncio.Event) -> _Run:
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


def account_ends(path: "OrderPath") -> AccountEnds:
    """Give the account's ways to the simulated exchange."""
    url, clock = path.rest_url or path.exchange.url, SystemClock()
    return AccountEnds(
        account=ACCOUNT,
        venue=BinanceAccount(url, clock, reply_ms_max=5_000),
        stream=BinancePrivateStream(path.exchange.url.replace("http", "ws", 1), clock),
        symbols=(BTC, ETH),
        cost_of=lambda _: 1,
        weight_per_minute=50_000,
        pages_by_id=True,
        has_fees=True,
    )


def _account_feed(path: "OrderPath", bus: Bus, metrics: Metrics, ready: asyncio.Event) -> _Run:
    async def run(stop: asyncio.Event) -> None:
        ends = account_ends(path)
        wiring = AccountFeedWiring(
            bus=bus,
            clock=SystemClock(),
            metrics=metrics,
            halts=_halts(path, metrics.role),
            signer=SigningClient(path.place_ / "q.sock"),
            accounts={0: ends},
            period_s=path.reconcile_period_s,
            instance=f"account_feed-{len(path.stages)}",
            ready=ready,
            state_dir=path.state_dir,
        )
        await AccountFeed(wiring).run(stop)

    return run


RUNNERS: Final[dict[str, _Runner]] = {
    Role.ACCOUNT_FEED: _account_feed,
    Role.GUARDRAIL: _guardrail,
    Role.SIGNER: _signer,
    Role.GATEWAY: _gateway,
    Role.AUDITOR: _auditor,
    Role.VENUE_WATCH: _venue_watch,
}
