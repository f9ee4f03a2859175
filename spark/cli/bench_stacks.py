"""
The stacks that benchmarks run on: made for them and removed, or the running one.
"""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from spark.bench.caps import patient, widened
from spark.bench.exchange import ExchangeDrill, drill_exchange
from spark.bench.faults import drill_faults
from spark.bench.feed import FeedStack, bench_feed
from spark.bench.feed_result import FeedBench
from spark.bench.judges import Judges
from spark.bench.kill import KillDrill, drill_kill
from spark.bench.order import PROCESSES, OrderBench, bench_order
from spark.cli.attach import anchor, attach
from spark.embedded.home import Home, default_jar_directory
from spark.embedded.plan import SimulatorOptions, shared_environment
from spark.embedded.processes import DEMO, KAFKA, POSTGRES, processes_of
from spark.embedded.screen_stream import Progress, choose_screen
from spark.embedded.throwaway import Throwaway, ThrowawayOptions, running_stack, throwaway
from spark.names import Role, Venue
from spark.settings import read_settings

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
        yield (
            stack,
            {
                venue: Judges(stack.state.simulators[venue].admin_url, stack.admin_token(venue))
                for venue in venues
            },
        )


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
