"""
The stacks that benchmarks run on: made for them and removed, or the running one.
"""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from spark.bench.audit import AuditBench, bench_broker
from spark.bench.broker import BrokerDrill, drill_broker
from spark.bench.broker import Found as BrokerFound
from spark.bench.caps import near, patient, widened
from spark.bench.crash.campaign import (
    Campaign,
    kept_beside,
    read_campaign,
    write_campaign,
)
from spark.bench.crash.drill import CrashDrill, drill_crash
from spark.bench.crash.matrix import matrix_page
from spark.bench.crash.rooms import Rooms
from spark.bench.crash.tally import Tally
from spark.bench.exchange import ExchangeDrill, drill_exchange
from spark.bench.faults import drill_faults
from spark.bench.feed import FeedStack, bench_feed
from spark.bench.feed_result import FeedBench
from spark.bench.judges import Judges, judges_of
from spark.bench.jury.limits import Caps
from spark.bench.kill import KillDrill, drill_kill
from spark.bench.order import PROCESSES, OrderBench, bench_order
from spark.bench.restart import RestartBench, bench_restart
from spark.bench.secrets import Found as SecretsFound
from spark.bench.secrets import SecretsDrill, drill_secrets
from spark.bus.kafka import KafkaBus
from spark.cli.attach import OPERATOR, anchor, attach
from spark.embedded.home import Home, default_jar_directory
from spark.embedded.jars import fetch, read_lock
from spark.embedded.kafka import JARS_LOCK
from spark.embedded.plan import PROGRAM, SimulatorOptions, shared_environment
from spark.embedded.processes import DEMO, KAFKA, POSTGRES, processes_of
from spark.embedded.screen_stream import Progress, choose_screen
from spark.embedded.throwaway import Throwaway, ThrowawayOptions, running_stack, throwaway
from spark.names import Role, Venue
from spark.settings import read_settings

#: What runs the processes of a crash drill's stack.
CRASH_CHILD: Final = "spark.bench.crash.child"
Say = Callable[[str], None]
#: The drill brings its own load, and looks at topics, not at tables.
_NO_DRILL: Final = frozenset({DEMO, Role.WEBHOOK, Role.FEED_WRITER, Role.PROJECTOR})


async def measure_orders(bench: OrderBench, say: Say, *, is_attached: bool) -> dict[str, object]:
    """
    Run the order benchmark.

    Raises:
        SparkError: no stack could be started, or it did not keep up.

    """
    processes = tuple(role.value for role in PROCESSES)
    # A market that moves much would cost the simulator's CPU in the middle of the measurement;
    # one that stands still quotes nothing, and without a price nothing is approved.
    simulator = SimulatorOptions(is_limited=False, market_rate=1.0)
    async with _stack(processes, simulator, is_attached=is_attached) as stack:
        return await bench_order(stack, bench, say)


async def measure_audit(bench: AuditBench) -> dict[str, object]:
    """
    Run the auditor's own code against a broker that is made for it.

    Raises:
        SparkError: no broker could be started.

    """
    # Something has to run; nothing that writes to an audited topic at a rate that counts.
    processes = (Role.WEBHOOK.value,)
    async with _stack(processes, SimulatorOptions(), is_attached=False) as stack:
        bus, filler = KafkaBus(stack.login(Role.AUDITOR)), KafkaBus(stack.login(OPERATOR))
        try:
            return await bench_broker(bus, filler, bench)
        finally:
            await bus.close()
            await filler.close()


async def measure_restarts(bench: RestartBench, say: Say) -> dict[str, object]:
    """
    Measure restarts, always on a stack of its own.

    Raises:
        SparkError: no stack could be started, or a process does not come back.

    """
    environment = patient(widened(shared_environment(read_settings())))
    return await bench_restart(_hurt(bench.venues, environment), bench, say)


async def drill_kills(drill: KillDrill, say: Say) -> dict[str, object]:
    """
    Run the kill drill, always on a stack of its own.

    Raises:
        SparkError: no stack could be started, or orders did not flow.

    """
    processes = tuple(role.value for role in PROCESSES)
    simulator = SimulatorOptions(is_limited=False, market_rate=1.0)
    async with _stack(processes, simulator, is_attached=False) as stack:
        return await drill_kill(stack, drill, say)


async def drill_exchanges(drill: ExchangeDrill, say: Say) -> dict[str, object]:
    """
    Run the exchange drill, always on a stack of its own.

    Raises:
        SparkError: no stack could be started, or no order came through.

    """
    async with _exchanges(drill.venues) as (stack, judges):
        return await drill_exchange(stack, drill, judges=judges, say=say)


async def drill_each_fault(venues: tuple[Venue, ...], say: Say) -> dict[str, Any]:
    """
    Run the drill of single faults, always on a stack of its own.

    Raises:
        SparkError: no stack could be started.

    """
    async with _exchanges(venues) as (stack, judges):
        return await drill_faults(stack, judges, say=say)


async def drill_for_secrets(drill: SecretsDrill, say: Say) -> SecretsFound:
    """
    Run the search for secrets, always on a stack of its own, with everything that there is.

    Raises:
        SparkError: no stack could be started, or it did not come back from a kill.

    """
    options = ThrowawayOptions(
        jar_directory=default_jar_directory(read_settings().process),
        processes=tuple(name for name in processes_of((Venue.BINANCE,)) if name != DEMO),
        simulator=SimulatorOptions(is_limited=False, market_rate=1.0),
        environment=patient(widened(shared_environment(read_settings()))),
    )
    async with throwaway(options, choose_screen(sys.stderr, Progress.PLAIN)) as stack:
        judges = Judges(stack.state.simulator_admin_url, stack.admin_token())
        return await drill_secrets(stack, drill, judges=judges, say=say)


@asynccontextmanager
async def _exchanges(
    venues: tuple[Venue, ...],
) -> AsyncIterator[tuple[Throwaway, dict[Venue, Judges]]]:
    """Run a stack of exchanges that may misbehave, with their judges."""
    settings = read_settings()
    options = ThrowawayOptions(
        jar_directory=default_jar_directory(settings.process),
        venues=venues,
        processes=tuple(name for name in processes_of(venues) if name not in _NO_DRILL),
        simulator=SimulatorOptions(is_limited=False, market_rate=5.0),
        environment=patient(widened(shared_environment(settings))),
    )
    async with throwaway(options, choose_screen(sys.stderr, Progress.PLAIN)) as stack:
        yield stack, judges_of(stack, venues)


async def drill_crashes(drill: CrashDrill, rooms: Rooms, say: Say) -> Tally:
    """
    Run the crash drill, always on stacks of its own.

    Raises:
        SparkError: no stack could be started, or there is nothing to hurt.

    """
    environment = near(patient(widened(shared_environment(read_settings()))))
    options = _hurt(drill.venues, environment, program=CRASH_CHILD)
    return await drill_crash(options, drill, caps=_caps(environment), rooms=rooms, say=say)


async def drill_brokers(drill: BrokerDrill, say: Say) -> BrokerFound:
    """
    Run the broker drill, always on a stack of its own.

    Raises:
        SparkError: no stack could be started.

    """
    environment = patient(widened(shared_environment(read_settings())))
    options = _hurt(drill.venues, environment)
    return await drill_broker(options, drill, caps=_caps(environment), say=say)


def _hurt(
    venues: tuple[Venue, ...], environment: tuple[tuple[str, str], ...], *, program: str = PROGRAM
) -> ThrowawayOptions:
    """Describe a stack that is hurt: everything runs, but for the demo."""
    return ThrowawayOptions(
        jar_directory=default_jar_directory(read_settings().process),
        venues=venues,
        processes=tuple(name for name in processes_of(venues) if name != DEMO),
        simulator=SimulatorOptions(is_limited=False, market_rate=5.0),
        environment=environment,
        program=program,
    )


def _caps(environment: tuple[tuple[str, str], ...]) -> Caps:
    """Say what a stack is told, for its jury."""
    told = dict(environment)
    return Caps(
        orders_per_minute_max=int(told["MAX_OPM"]),
        notional_try_per_s_max=Decimal(told["MAX_NOTIONAL_TRY_S"]),
        order_notional_usd_max=read_settings().limits.order_notional_usd_max,
        open_orders_max=int(told["SPARK_OPEN_ORDERS_MAX"]),
        exposure_usd_max=Decimal(told["SPARK_EXPOSURE_USD_MAX"]),
    )


def bring_jars() -> None:
    """
    Fetch what a stack needs, before a drill leaves the machine's network.

    Raises:
        SparkError: it cannot be fetched.

    """
    fetch(read_lock(JARS_LOCK), default_jar_directory(read_settings().process))


async def measure_feed(bench: FeedBench, say: Say) -> dict[str, object]:
    """
    Run the feed benchmark, always on servers of its own: it brings its own feed and writer.

    Raises:
        SparkError: no stack could be started, or it did not keep up.

    """
    async with _stack((), None, is_attached=False) as stack:
        roles = (Role.BINANCE_FEED, Role.FEED_WRITER)
        pids = stack.pids()
        feed_stack = FeedStack(
            bootstrap=stack.state.kafka_bootstrap,
            kafka_passwords={role.value: stack.secrets.kafka_password(role) for role in roles},
            database_url=stack.database_url(Role.FEED_WRITER),
            pids={name: pids[name] for name in (KAFKA, POSTGRES)},
        )
        return await bench_feed(feed_stack, bench, say)


@asynccontextmanager
async def _stack(
    processes: tuple[str, ...], simulator: SimulatorOptions | None, *, is_attached: bool
) -> AsyncIterator[Throwaway]:
    settings = read_settings()
    if is_attached:
        yield running_stack(Home(anchor(settings)), attach().state)
        return
    options = ThrowawayOptions(
        jar_directory=default_jar_directory(settings.process),
        processes=processes,
        has_simulator=simulator is not None,
        simulator=simulator or SimulatorOptions(),
        environment=widened(shared_environment(settings)),
    )
    async with throwaway(options, choose_screen(sys.stderr, Progress.PLAIN)) as stack:
        yield stack


def write_matrix(page: Path, command: str, tally: Tally, *, is_added: bool) -> None:
    """
    Write the kill matrix and its counts.

    Args:
        command: that repeats the run.
        is_added: to what stands there.

    Raises:
        SettingError: what stands there cannot be read.

    """
    counts = kept_beside(page)
    campaign = read_campaign(counts) if is_added else Campaign()
    campaign.add(command, tally)
    write_campaign(counts, campaign)
    page.write_text(matrix_page(campaign), encoding="utf-8")
