"""
`spark bench gateway`: orders a second through the gateway and a simulated Binance alone.

The gateway runs whole in this process, on a log in memory; the exchange is a process of
its own behind real sockets, without its rate limits. Sealed orders are made beforehand
and handed on as they are answered, so that both always have work and neither a heap. A
run counts from the first order's append to the last acknowledgement's, with nothing lost.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from spark import topics
from spark.bench.gateway_orders import ACCOUNT, SealedOrders
from spark.bench.probe import Probe, Usage
from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Outgoing, Pace, Partition
from spark.clock import SystemClock
from spark.consumers.gateway import Gateway, GatewayWiring
from spark.consumers.gateway_manners import VenueRules
from spark.consumers.signing_socket import SigningClient
from spark.errors import BusUnavailable
from spark.exchanges.binance.client import BinanceOrders
from spark.ledger.budget import Rules
from spark.metrics import Metrics
from spark.names import Endpoint, Role, TradingMode, Venue
from spark.people import People
from spark.worker.halts import Halts
from spark.worker.latch import KillLatch
from spark.worker.pulse import Pulse
from spark.worker.tenure import Holder, take

#: Orders that were handed on and not answered yet, for each request in flight.
_WAITING: Final = 4
_START_S_MAX: Final = 20.0
_STOP_S_MAX: Final = 10.0
_RUN_S_MAX: Final = 50.0
_READ_WAIT_MS: Final = 100
_REPLY_MS_MAX: Final = 10_000
_POLL_S: Final = 0.05
#: As in production.
_LEASE_NS: Final = 3_000_000_000
_EVENTS: Final = Partition(topics.EVENTS, 0)
#: In the bytes of an event: decoding each of them would be measured, too.
_ACKED: Final = b'"type":"order_acked"'
_NOT_ACKED: Final = tuple(
    f'"type":"{name}"'.encode()
    for name in ("order_rejected", "outcome_unknown", "request_not_sent", "breaker_changed")
)
#: More than any run spends: what is measured is the path, not the limit.
_RULES: Final = VenueRules(budget=Rules(weight_per_minute=1_000_000, is_success_free=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayBench:
    """One benchmark's parameters."""

    orders: int
    runs: int
    concurrency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    per_s: float
    usage: Usage
    connections: int


async def bench_gateway(bench: GatewayBench, say: Callable[[str], None]) -> dict[str, object]:
    """
    Measure.

    Returns: the object that `--json` prints; figures are medians over the runs.

    Raises:
        BusUnavailable: the exchange did not start, or an order was not acknowledged.

    """
    runs: list[_Run] = []
    for number in range(bench.runs + 1):
        with TemporaryDirectory(prefix="spark-bench-") as directory:
            run = await _run(bench, Path(directory))
        if number == 0:
            # The first one pays for imports and caches.
            say(f"warm: {run.per_s:.0f} orders/s")
            continue
        runs.append(run)
        say(f"run {number}: {run.per_s:.0f} orders/s")
    return {
        "orders_per_s": round(median(run.per_s for run in runs)),
        "orders_per_s_by_run": [round(run.per_s) for run in runs],
        "orders": bench.orders,
        "runs": bench.runs,
        "concurrency": bench.concurrency,
        "connections": max(run.connections for run in runs),
        "cpu_us_per_order": {
            "gateway": round(median(_own_us(run.usage) for run in runs) / bench.orders),
            "simulator": round(
                median(run.usage.cpu_us["simulator"] for run in runs) / bench.orders
            ),
        },
        "log": "in memory",
    }


def _own_us(usage: Usage) -> float:
    """Give what the gateway used: the exchange is a child of its process, and counts with it."""
    return usage.cpu_us["gateway"] - usage.cpu_us["simulator"]


async def _run(bench: GatewayBench, directory: Path) -> _Run:
    clock = SystemClock()
    sealed = SealedOrders(clock)
    broker = MemoryBroker({topic.name: topic.partitions for topic in topics.TOPICS})
    async with (
        _exchange(sealed, directory) as (url, pid),
        _guardrail(sealed, MemoryBus(broker), clock),
    ):
        venue = BinanceOrders(
            url, clock, concurrency_max=bench.concurrency, reply_ms_max=_REPLY_MS_MAX
        )
        stop, ready = asyncio.Event(), asyncio.Event()
        gateway = Gateway(
            GatewayWiring(
                bus=MemoryBus(broker),
                clock=clock,
                metrics=Metrics(Role.GATEWAY),
                halts=_halts(directory),
                checker=sealed.checker,
                keys=sealed.keys,
                # Nothing stays unknown here, so nobody asks it anything.
                signer=SigningClient(directory / "nobody.sock"),
                accounts={0: (ACCOUNT, venue)},
                rules={Venue.BINANCE: _RULES},
                mode=TradingMode.LIVE,
                endpoint=Endpoint.SIM,
                concurrency_max=bench.concurrency,
                lease_ns_max=_LEASE_NS,
                instance="bench",
                ready=ready,
            )
        )
        working = asyncio.create_task(gateway.run(stop))
        try:
            await ready.wait()
            orders = [sealed.order(number) for number in range(bench.orders)]
            async with Probe({"gateway": os.getpid(), "simulator": pid}) as probe:
                per_s = await _fed(MemoryBus(broker), [sealed.fence()], orders, bench=bench)
                connections = _connections(pid)
            return _Run(per_s=per_s, usage=probe.usage(), connections=connections)
        finally:
            stop.set()
            async with asyncio.timeout(_STOP_S_MAX):
                await working


async def _fed(
    bus: MemoryBus, first: list[Outgoing], orders: list[Outgoing], *, bench: GatewayBench
) -> float:
    """Hand orders on as they are answered; gives how many a second were."""
    writer = await bus.writer([topics.SIGNED])
    reader = await bus.reader(await bus.ends([_EVENTS]), Pace.HOT)
    await writer.write(first)
    acked = handed = 0
    began_ns = time.perf_counter_ns()
    try:
        async with asyncio.timeout(_RUN_S_MAX):
            while acked < len(orders):
                due = min(len(orders), acked + _WAITING * bench.concurrency)
                if due > handed:
                    await writer.write(orders[handed:due])
                    handed = due
                for record in await reader.read(_READ_WAIT_MS):
                    body = record.value or b""
                    acked += _ACKED in body
                    if any(mark in body for mark in _NOT_ACKED):
                        raise BusUnavailable(f"an order was not taken: {body.decode()[:300]}")
    except TimeoutError:
        raise BusUnavailable(f"{acked} of {len(orders)} orders were acknowledged") from None
    finally:
        await reader.close()
        await writer.close()
    return len(orders) * 1e9 / (time.perf_counter_ns() - began_ns)


@asynccontextmanager
async def _guardrail(
    sealed: SealedOrders, bus: MemoryBus, clock: SystemClock
) -> AsyncIterator[None]:
    """Say that the guardrail lives, while the body runs: without it no place is sent."""
    lane = Partition(topics.DECISIONS, 0)
    writer = await bus.writer([lane.topic, topics.CONTROL_PULSE])
    holder = Holder(role=Role.GUARDRAIL, instance="bench", topic_ids={})
    tenure = await take(bus, writer, lane, holder=holder, clock=clock)
    pulse = Pulse(Role.GUARDRAIL, "bench", writer, clock=clock, tagger=sealed.guardrail)
    await pulse.say([tenure], {})
    beating = asyncio.create_task(pulse.beat(lambda: [tenure], dict))
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        await writer.close()


def _halts(directory: Path) -> Halts:
    latch = directory / "kill.d"
    latch.mkdir()
    people = People({}, "bench")
    return Halts(KillLatch(latch, is_killed_by_environment=False), people, TradingMode.LIVE)


def _connections(pid: int) -> int:
    """Count the connections that the exchange holds open: kept alive, they are a few."""
    import psutil  # noqa: PLC0415

    open_ones = psutil.Process(pid).net_connections("tcp4")
    return sum(one.status == psutil.CONN_ESTABLISHED for one in open_ones)


@asynccontextmanager
async def _exchange(sealed: SealedOrders, directory: Path) -> AsyncIterator[tuple[str, int]]:
    """Run a simulated Binance without limits; gives its address and number."""
    keys_file, ready_file = directory / "keys.json", directory / "ready.json"
    account = {
        "id": "bench",
        "api_key": sealed.api_key,
        "secret": sealed.secret,
        "permissions": ["trade", "read"],
        "balances": {"USDT": "1000000000"},
    }
    keys_file.write_text(json.dumps([account]))
    keys_file.chmod(0o400)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "spark.exchanges.simulator", Venue.BINANCE),
        *("--keys-file", str(keys_file), "--ready-file", str(ready_file)),
        *("--limits", "off", "--market-rate", "0"),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_START_S_MAX):
            while not ready_file.exists():
                if process.returncode is not None:
                    raise BusUnavailable("the simulated exchange ended; its error stands above")
                await asyncio.sleep(_POLL_S)
        yield json.loads(ready_file.read_text())["url"], process.pid
    except TimeoutError:
        raise BusUnavailable("the simulated exchange did not start") from None
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
