"""
`spark drill kill`: from the act of killing to the last order that reaches the exchange.

Orders flow at a rate; each round kills, waits for everybody's word, reads the exchange's
own ledger, resumes with two persons' signatures, and waits until orders flow again. Act
and ledger are on one host's clock. A jitter probe runs beside it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import orjson

from spark.bench.children import Child, child
from spark.bench.order import percentiles
from spark.bench.persons import PERSONS, Persons
from spark.bench.probe import Probe
from spark.bus.kafka import KafkaBus
from spark.bus.port import Bus, Partition, Record
from spark.clock import SystemClock
from spark.codec import decode
from spark.embedded.ops_client import OpsAddress, ask
from spark.embedded.throwaway import Throwaway
from spark.errors import GateError, MalformedError, VenueUnavailable
from spark.names import HaltSource
from spark.ops.kill import KillReport, pull, say_and_wait
from spark.producers.kills import new_kill
from spark.topics import DECISIONS, EVENTS
from spark.worker.spans import read_through

_STRATEGY: Final = "strategy-demo"
#: Of the load's intents every fourth is a cancel.
_INTENTS_PER_ORDER: Final = 4 / 3
_LOAD_S_MAX: Final = 86_400
_WAIT_S: Final = 10.0
#: Orders flow again when so many have arrived since the resume.
_FLOW_ORDERS: Final = 20
_FLOW_S_MAX: Final = 15.0
_STARTS_MAX: Final = 5
_LATEST_RECORDS: Final = 200
#: After this no intent of before is young enough.
_STALE_S: Final = 6.0
#: After everybody has drained, whatever is still on a wire has arrived.
_GRACE_S: Final = 0.2
_LOOK_S: Final = 0.05
_NS_PER_MS: Final = 1e6
_LINES_MAX: Final = 5_000
_OK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class KillDrill:
    """One drill's parameters."""

    rounds: int
    #: Places a second.
    rate: float


@dataclass(slots=True)
class _Rounds:
    """What the rounds brought."""

    last_order_ms: list[float] = field(default_factory=list)
    halted_ms: list[float] = field(default_factory=list)
    drained_ms: list[float] = field(default_factory=list)
    #: Orders that arrived after everybody's `halted` and that nobody had named in flight.
    after_confirm: int = 0
    #: Those that the gateway had named: their first byte was out.
    in_flight_after_confirm: int = 0
    after_drained: int = 0
    unconfirmed: list[str] = field(default_factory=list)
    #: Halts that protections said meanwhile, as on a machine that stalls; resumed, too.
    protections: list[str] = field(default_factory=list)


async def drill_kill(
    stack: Throwaway, drill: KillDrill, say: Callable[[str], None]
) -> dict[str, object]:
    """
    Run the drill on a running stack.

    Args:
        say: takes lines of progress.

    Returns: the object that `--json` prints.

    Raises:
        GateError: orders do not flow.

    """
    found = _Rounds()
    plan = {
        "strategy": _STRATEGY,
        "uid": stack.state.uids.get(_STRATEGY),
        "bootstrap": stack.state.kafka_bootstrap,
        "secrets_dir": str(stack.secrets.root / _STRATEGY),
        "public_dir": str(stack.home.public),
        "rate": drill.rate * _INTENTS_PER_ORDER,
        "seconds": _LOAD_S_MAX,
    }
    buses = {person: KafkaBus(stack.login(person)) for person in PERSONS}
    persons = Persons(stack, buses)
    arrivals = _Arrivals(stack)
    try:
        async with (
            Probe(stack.pids()) as probe,
            _Load(plan, stack.home.logs / "load.log", arrivals) as load,
        ):
            for number in range(drill.rounds):
                found.protections += await _flowing(persons, load, buses[PERSONS[0]])
                report = await _kill(stack, buses[PERSONS[0]], arrivals, found=found)
                say(_line(number, report, found))
                found.protections += await persons.resume()
            found.protections += await _flowing(persons, load, buses[PERSONS[0]])
    finally:
        for bus in buses.values():
            await bus.close()
    return {
        "kill_to_last_order_ms": _figures(found.last_order_ms),
        "orders_after_confirm": found.after_confirm,
        "in_flight_after_confirm": found.in_flight_after_confirm,
        "orders_after_drained": found.after_drained,
        "halted_ms": _figures(found.halted_ms),
        "drained_ms": _figures(found.drained_ms),
        "rounds": drill.rounds,
        "orders": arrivals.orders,
        "unconfirmed": found.unconfirmed,
        "rate_asked": drill.rate,
        "load_restarts": load.restarts,
        "protections": found.protections,
        "stalls": probe.stalls,
    }


class _Arrivals:
    """Places as they arrived at the exchange, by its own ledger, read on and on."""

    def __init__(self, stack: Throwaway) -> None:
        self._judges = OpsAddress(0, stack.state.ports["simulator_admin"], None)
        self._token = stack.admin_token()
        self._next = 0
        self.orders = 0

    async def new(self) -> list[tuple[int, str]]:
        """Give time and client order id of what has arrived since the last time."""
        found: list[tuple[int, str]] = []
        while True:
            page = await self._page()
            found += [(line["at_ns"], line["client_order_id"]) for line in page if _is_place(line)]
            if not page:
                self.orders += len(found)
                return found

    async def _page(self) -> list[dict[str, Any]]:
        path = f"/ledger?since={self._next}&limit={_LINES_MAX}"
        answer = await ask(self._judges, path, token=self._token)
        if answer is None or answer[0] != _OK:
            raise VenueUnavailable("the exchange's judges do not answer")
        page = orjson.loads(answer[1])
        self._next = page["next"]
        return list(page["entries"])


class _Load:
    """
    The load, started anew where orders do not flow any more.

    It does not wait for anybody: on a machine that was busy for some seconds the intents
    that it left behind are older than they may be, and so is every one after them.
    """

    def __init__(self, plan: Mapping[str, object], log: Path, arrivals: _Arrivals) -> None:
        self._plan = plan
        self._log = log
        self._arrivals = arrivals
        self._running = AsyncExitStack()
        self._child: Child | None = None
        self.restarts = 0

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    async def restart(self) -> None:
        """Stop, let what was asked grow too old, start anew."""
        self.restarts += 1
        await self._running.aclose()
        await asyncio.sleep(_STALE_S)
        await self._start()

    async def flows(self) -> bool:
        """Wait for some orders to arrive; says whether they did in time."""
        seen, deadline = 0, time.monotonic() + _FLOW_S_MAX
        while seen < _FLOW_ORDERS and time.monotonic() < deadline:
            assert self._child is not None, "started"
            self._child.check()
            seen += len(await self._arrivals.new())
            await asyncio.sleep(_LOOK_S)
        return seen >= _FLOW_ORDERS

    async def _start(self) -> None:
        started = child("spark.bench.order_load", self._plan, self._log)
        self._child = await self._running.enter_async_context(started)


async def _flowing(persons: Persons, load: _Load, bus: Bus) -> list[str]:
    """
    Wait until orders flow; where they do not, a protection may have been faster than we.

    Returns: what protections had said, which was resumed.

    Raises:
        GateError: they do not, whatever is tried.

    """
    protections: list[str] = []
    for _ in range(_STARTS_MAX):
        if await load.flows():
            return protections
        protections += await persons.resume()
        await load.restart()
    outcomes = await _outcomes(bus)
    raise GateError(f"no orders flow; what became of the latest: {outcomes}")


async def _outcomes(bus: Bus) -> str:
    """Count the latest reasons why intents were refused and requests not sent."""
    partitions = [Partition(topic, 0) for topic in (DECISIONS, EVENTS)]
    ends = await bus.ends(partitions)
    counts: Counter[str] = Counter()

    def see(record: Record) -> None:
        with suppress(MalformedError):
            event = decode(record.value or b"")
            counts.update(reason.code for reason in getattr(event, "reasons", ()))

    spans = {p: (max(0, end - _LATEST_RECORDS), end) for p, end in ends.items()}
    await read_through(bus, spans, see)
    return ", ".join(f"{code} {count}" for code, count in counts.most_common()) or "nothing said"


async def _kill(stack: Throwaway, bus: Bus, arrivals: _Arrivals, *, found: _Rounds) -> KillReport:
    before = await arrivals.new()
    kill = new_kill("drill", by=PERSONS[0], source=HaltSource.CLI, clock=SystemClock())
    report = pull(stack.home.kill, kill)
    await say_and_wait(bus, report, wait_s=_WAIT_S)
    await asyncio.sleep(_GRACE_S)
    arrived = before + await arrivals.new()
    found.last_order_ms.append(
        max([0.0, *((at_ns - kill.at_ns) / _NS_PER_MS for at_ns, _ in arrived)])
    )
    found.unconfirmed += report.unconfirmed
    if not report.unconfirmed:
        _judge(found, report, arrived)
    return report


def _judge(found: _Rounds, report: KillReport, arrived: list[tuple[int, str]]) -> None:
    """Hold the confirmations against what the ledger says."""
    words = report.holders.values()
    halted_ns = max(one.halted_at_ns for one in words)
    drained_ns = max(one.drained_at_ns for one in words)
    named = {order for one in words for order in one.in_flight}
    late = [order for at_ns, order in arrived if at_ns > halted_ns]
    found.after_confirm += sum(order not in named for order in late)
    found.in_flight_after_confirm += sum(order in named for order in late)
    found.after_drained += sum(at_ns > drained_ns for at_ns, _ in arrived)
    found.halted_ms.append((halted_ns - report.kill.at_ns) / _NS_PER_MS)
    found.drained_ms.append((drained_ns - report.kill.at_ns) / _NS_PER_MS)


def _is_place(line: Mapping[str, Any]) -> bool:
    where = (line.get("method"), line.get("path"))
    return line["kind"] == "request" and where == ("POST", "/api/v3/order")


def _figures(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    return {name: round(value, 1) for name, value in percentiles(values).items() if name != "p95"}


def _line(number: int, report: KillReport, found: _Rounds) -> str:
    missing = f", UNCONFIRMED {report.unconfirmed}" if report.unconfirmed else ""
    return f"round {number + 1}: last order {found.last_order_ms[-1]:.1f} ms after the act{missing}"
