"""
`spark bench order`: Place→ACK of the whole pipeline against the raw floor.

Both run in turn on one warm throw-away stack, at the same rate: the floor is a
chain of aiokafka forwarders with the HTTP call and without Spark code
(floor.py). Times are the broker's append times, to the millisecond; a jitter
probe runs beside each. CPU is counted for each process over its own part.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median
from typing import Final, Self

from spark import keys, topics
from spark.bench.probe import Probe, Usage
from spark.bus.kafka import KafkaBus
from spark.bus.port import Bus, Partition, Record
from spark.codec import decode
from spark.embedded.kafka import BROKER
from spark.embedded.throwaway import Throwaway
from spark.errors import BusUnavailable, MalformedError
from spark.events import CancelRejected, OrderAcked, OrderCancelled, PlaceOrder, RequestNotSent
from spark.names import Role
from spark.worker.spans import read_through

_STRATEGY: Final = "strategy-demo"
_ACCOUNT_PARTITION: Final = 0
_QUIET_S: Final = 1.0
_SETTLE_S_MAX: Final = 30.0
_FLOOR_TOPICS: Final = ("bench.floor.1", "bench.floor.2", "bench.floor.3", "bench.floor.4")
_STOP_S_MAX: Final = 10.0
#: What the benchmark runs: the order path, its audit, and what the guards need to know.
PROCESSES: Final = (
    Role.AUDITOR, Role.VENUE_WATCH, Role.BINANCE_FEED, Role.SENTINEL, Role.SIGNER, Role.GATEWAY,
    Role.GUARDRAIL, Role.ACCOUNT_FEED,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBench:
    """One benchmark's parameters."""

    rate: float
    seconds: float
    runs: int
    warm_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One part of one run, floor or Spark."""

    latencies_ms: list[float]
    rate_reached: float
    stalls: int
    usage: Usage
    #: Outcomes counted by name.
    counts: Mapping[str, int]
    #: Median latency of the first and of the last third: a growing backlog shows here.
    first_ms: float
    last_ms: float


async def bench_order(
    stack: Throwaway, bench: OrderBench, say: Callable[[str], None]
) -> dict[str, object]:
    """
    Run the benchmark on a running stack.

    Args:
        say: takes lines of progress.

    Returns: the object that `--json` prints; figures are medians over the runs.
    """
    bus = KafkaBus(stack.login("op-local"))
    root = KafkaBus(stack.login(BROKER))
    runs: list[tuple[_Part, _Part]] = []
    try:
        async with AsyncExitStack() as exits:
            floor = await exits.enter_async_context(_Floor(stack, root))
            say(f"warming the broker for {bench.warm_seconds:.0f} s at {bench.rate:.0f}/s")
            await _spark_part(stack, bus, rate=bench.rate, seconds=bench.warm_seconds / 2)
            await floor.part(bench.rate, bench.warm_seconds / 2)
            for number in range(bench.runs):
                raw = await floor.part(bench.rate, bench.seconds)
                await asyncio.sleep(_QUIET_S)
                real = await _spark_part(stack, bus, rate=bench.rate, seconds=bench.seconds)
                await asyncio.sleep(_QUIET_S)
                runs.append((raw, real))
                say(_line(number, raw, real))
    finally:
        await bus.close()
        await root.close()
    return _result(bench, runs)


async def _spark_part(stack: Throwaway, bus: Bus, *, rate: float, seconds: float) -> _Part:
    hops = [Partition(name, _ACCOUNT_PARTITION) for name in (topics.INTENTS, topics.EVENTS)]
    starts = await bus.ends(hops)
    config = {
        "strategy": _STRATEGY,
        "uid": stack.state.uids.get(_STRATEGY),
        "bootstrap": stack.state.kafka_bootstrap,
        "secrets_dir": str(stack.secrets.root / _STRATEGY),
        "public_dir": str(stack.home.public),
        "rate": rate,
        "seconds": seconds,
    }
    async with Probe(stack.pids()) as probe:
        load = await _child("spark.bench.order_load", config)
        probe.watch("load", load.pid)
        rate_reached = await _finished(load)
        counted = await _settled(bus, hops, starts)
    return _measured(counted, rate_reached, probe)


class _Counted:
    """Latency of each intent, from the records between two points of the log."""

    def __init__(self) -> None:
        self.asked_ms: dict[str, int] = {}
        self.acked_ms: dict[str, int] = {}
        self.intents = 0
        self.ends = 0
        self.counts: dict[str, int] = {}

    def see(self, record: Record) -> None:
        try:
            event = decode(record.value or b"")
        except MalformedError:
            return
        self.counts[event.type] = self.counts.get(event.type, 0) + 1
        if isinstance(event, PlaceOrder):
            self.asked_ms[event.intent_id] = record.timestamp_ms
        elif isinstance(event, OrderAcked):
            self.acked_ms[event.intent_id] = record.timestamp_ms
        if record.partition.topic == topics.INTENTS:
            self.intents += 1
        elif isinstance(event, OrderAcked | OrderCancelled | CancelRejected | RequestNotSent):
            self.ends += 1

    def latencies_ms(self) -> list[float]:
        """Give Place→ACK of every place that was acknowledged, in the order of asking."""
        return [
            float(self.acked_ms[intent] - asked)
            for intent, asked in self.asked_ms.items()
            if intent in self.acked_ms
        ]


async def _settled(bus: Bus, hops: list[Partition], starts: Mapping[Partition, int]) -> _Counted:
    """Read what the part wrote, until every intent has its end."""
    counted = _Counted()
    at = dict(starts)
    async with asyncio.timeout(_SETTLE_S_MAX):
        while True:
            ends = await bus.ends(hops)
            await read_through(bus, {p: (at[p], ends[p]) for p in hops}, counted.see)
            at = ends
            if counted.ends >= counted.intents:
                return counted
            await asyncio.sleep(0.1)


class _Floor:
    """The raw chain: three links, started once, fed for each part."""

    def __init__(self, stack: Throwaway, root: Bus) -> None:
        self._stack = stack
        self._root = root
        self._links: list[asyncio.subprocess.Process] = []
        self._parts = 0

    async def __aenter__(self) -> Self:
        from spark.embedded.provision import create_scratch_topics  # noqa: PLC0415

        await create_scratch_topics(self._stack.login(BROKER), _FLOOR_TOPICS)
        first, second, third, fourth = _FLOOR_TOPICS
        for kind, source, target in (
            ("forward", first, second),
            ("forward", second, third),
            ("place", third, fourth),
        ):
            config = {**self._config(kind), "source": source, "target": target}
            link = await _child("spark.bench.floor", config)
            assert link.stdout is not None
            async with asyncio.timeout(_SETTLE_S_MAX):
                await link.stdout.readline()
            self._links.append(link)
        return self

    async def __aexit__(self, *_: object) -> None:
        for link in self._links:
            if link.returncode is None:
                link.terminate()
        for link in self._links:
            try:
                async with asyncio.timeout(_STOP_S_MAX):
                    await link.wait()
            except TimeoutError:
                link.kill()

    async def part(self, rate: float, seconds: float) -> _Part:
        """Run the chain once."""
        ends = [Partition(_FLOOR_TOPICS[0], 0), Partition(_FLOOR_TOPICS[-1], 0)]
        starts = await self._root.ends(ends)
        self._parts += 1
        config = {
            **self._config("feed"), "target": _FLOOR_TOPICS[0], "rate": rate, "seconds": seconds
        }  # fmt: skip
        pids = {f"floor.{n}": link.pid for n, link in enumerate(self._links, 1)}
        for name in ("kafka", "simulator"):
            pids[name] = self._stack.pids()[name]
        seen: dict[str, dict[bytes, int]] = {p.topic: {} for p in ends}

        def see(record: Record) -> None:
            seen[record.partition.topic][record.key or b""] = record.timestamp_ms

        async with Probe(pids) as probe:
            load = await _child("spark.bench.floor", config)
            probe.watch("load", load.pid)
            rate_reached = await _finished(load)
            at = dict(starts)
            async with asyncio.timeout(_SETTLE_S_MAX):
                while not seen[ends[0].topic] or len(seen[ends[1].topic]) < len(
                    seen[ends[0].topic]
                ):
                    now = await self._root.ends(ends)
                    await read_through(self._root, {p: (at[p], now[p]) for p in ends}, see)
                    at = now
                    await asyncio.sleep(0.1)
        counted = _Counted()
        counted.asked_ms = {key.decode(): ms for key, ms in seen[ends[0].topic].items()}
        counted.acked_ms = {key.decode(): ms for key, ms in seen[ends[1].topic].items()}
        counted.intents = len(counted.asked_ms)
        return _measured(counted, rate_reached, probe)

    def _config(self, kind: str) -> dict[str, object]:
        login = self._stack.login(BROKER)
        id_file, secret_file = keys.exchange_key("binance", keys.TRADE_KEY)
        return {
            "kind": kind,
            "run": self._parts,
            "bootstrap": login.bootstrap,
            "username": login.username,
            "password": login.password,
            "rest_url": self._stack.state.simulator_url,
            "api_key": self._stack.secrets.read(Role.SIGNER, id_file).decode(),
            "secret": self._stack.secrets.read(Role.SIGNER, secret_file).decode(),
        }


async def _child(module: str, config: Mapping[str, object]) -> asyncio.subprocess.Process:
    """Start a child that takes its configuration, secrets included, on standard input."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdin is not None
    child.stdin.write(json.dumps(config).encode() + b"\n")
    await child.stdin.drain()
    return child


async def _finished(load: asyncio.subprocess.Process) -> float:
    assert load.stdout is not None
    said = await load.stdout.read()
    if await load.wait():
        raise BusUnavailable("the load generator failed; its error stands above")
    return float(said)


def _measured(counted: _Counted, rate_reached: float, probe: Probe) -> _Part:
    latencies = counted.latencies_ms()
    third = max(1, len(latencies) // 3)
    return _Part(
        latencies_ms=latencies,
        rate_reached=rate_reached,
        stalls=probe.stalls,
        usage=probe.usage(),
        counts={"intents": counted.intents, **counted.counts},
        first_ms=median(latencies[:third]),
        last_ms=median(latencies[-third:]),
    )


def percentiles(values: list[float]) -> dict[str, float]:
    """Give p50, p95, p99 and max, each a value that was seen."""
    ordered = sorted(values)
    found = {
        f"p{share}": ordered[min(len(ordered) - 1, len(ordered) * share // 100)]
        for share in (50, 95, 99)
    }
    return {**found, "max": ordered[-1]}


def _median_of(parts: list[_Part]) -> dict[str, float]:
    each = [percentiles(part.latencies_ms) for part in parts]
    return {name: median(one[name] for one in each) for name in each[0]}


def _result(bench: OrderBench, runs: list[tuple[_Part, _Part]]) -> dict[str, object]:
    floors, reals = [raw for raw, _ in runs], [real for _, real in runs]
    place_ack, floor = _median_of(reals), _median_of(floors)
    return {
        "place_ack_ms": place_ack,
        "floor_ms": floor,
        "ratio_p50": round(place_ack["p50"] / floor["p50"], 3),
        "ratio_p50_by_run": [
            round(percentiles(real.latencies_ms)["p50"] / percentiles(raw.latencies_ms)["p50"], 3)
            for raw, real in runs
        ],
        "stalls": {"spark": [r.stalls for r in reals], "floor": [r.stalls for r in floors]},
        "orders": [real.counts["intents"] for real in reals],
        "counts": dict(reals[-1].counts),
        "runs": bench.runs,
        "rate_asked": bench.rate,
        "rate_reached": round(median(real.rate_reached for real in reals), 1),
        "backlog_ms": {
            "first_third": median(real.first_ms for real in reals),
            "last_third": median(real.last_ms for real in reals),
        },
        "cpu_us_per_order": _cpu_us_per_order(reals),
        "floor_cpu_us_per_order": _cpu_us_per_order(floors),
        "rss_mb": dict(reals[-1].usage.rss_mb),
    }


def _cpu_us_per_order(parts: list[_Part]) -> dict[str, int]:
    return {
        name: round(median(part.usage.cpu_us[name] / part.counts["intents"] for part in parts))
        for name in parts[-1].usage.cpu_us
    }


def _line(number: int, raw: _Part, real: _Part) -> str:
    mine, floor = percentiles(real.latencies_ms), percentiles(raw.latencies_ms)
    return (
        f"run {number + 1}: Place→ACK p50 {mine['p50']:.0f} p95 {mine['p95']:.0f} "
        f"p99 {mine['p99']:.0f} ms, floor p50 {floor['p50']:.0f} p95 {floor['p95']:.0f} ms, "
        f"ratio {mine['p50'] / floor['p50']:.2f}, {real.rate_reached:.0f}/s, "
        f"stalls {real.stalls}/{raw.stalls}"
    )
