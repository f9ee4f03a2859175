"""
`spark up`: starts Kafka, PostgreSQL, the exchange simulator and every Spark process.

Reads   the settings it is given, `<home>`
Writes  `<home>/run/stack.json`, what its parts write
Owns    the lock of its home; every process that it started
Fails   whole: a start that cannot be finished ends what it began, and says why

Use: `start()`, then `run()` until told otherwise, and always `stop()`.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from spark import __version__
from spark.embedded import kafka_training
from spark.embedded.child import ChildState, ChildStatus
from spark.embedded.children import Surroundings, process_child
from spark.embedded.exchanges import exchange_environment
from spark.embedded.home import Home, StackLock
from spark.embedded.identity import own_identity
from spark.embedded.kafka import KafkaServer
from spark.embedded.plan import StackOptions, without_user
from spark.embedded.processes import BY_NAME, DEMO, KAFKA, POSTGRES, SIMULATORS
from spark.embedded.screen import Opening, Screen, Summary, phase
from spark.embedded.screen_text import place_end
from spark.embedded.servers import START_S_MAX, Ground, start_database, start_kafka, start_simulator
from spark.embedded.site import Site, prepare_site
from spark.embedded.state import SimulatorAddress, StackPhase, StackState, write_state
from spark.embedded.supervisor import Supervisor
from spark.embedded.view import StackView
from spark.embedded.watch import Orders, Watch
from spark.errors import SparkError, first_of
from spark.names import Endpoint, Venue

#: Of the 10 s in which everything has ended.
STOP_S_MAX: Final = 8.0
_LOOK_PERIOD_S: Final = 1.0
_FIRST_ORDER_S_MAX: Final = 20.0
#: The broker's start-up cache is made when the start's own work is long over.
_TRAINING_AFTER_S: Final = 45.0
_LOOPBACK: Final = "127.0.0.1"

#: Opens a reader of orders on a running stack.
OpenOrders = Callable[[StackState, Site], Orders]


class Stack:
    """One stack, in this process and its children."""

    def __init__(
        self, options: StackOptions, screen: Screen, *, open_orders: OpenOrders | None = None
    ) -> None:
        self._options = options
        self._screen = screen
        self._open_orders = open_orders
        self._anchor = Home(options.anchor)
        self._lock = StackLock(self._anchor)
        self._supervisor = Supervisor(Home(options.home), self._child_changed)
        self._began = time.monotonic()
        self._state: StackState | None = None
        self._watch: Watch | None = None
        self._orders: Orders | None = None
        self._last_view: StackView | None = None
        self._broker: KafkaServer | None = None
        self._is_running = False

    async def start(self) -> StackState:
        """
        Start everything; returns when every process serves.

        Raises:
            AlreadyRunningError: another supervisor has this home.
            SparkError: what a part lacks; `stop` ends what was begun.

        """
        self._anchor.found()
        self._lock.take()
        self._screen.opened(_opening(self._options))
        try:
            return await self._start()
        except SparkError:
            self._show_ends()
            raise

    async def run(self) -> None:
        """
        Show the stack once a second until cancelled.

        Raises:
            Exception: a bug in the supervision; nothing would be healed any more.

        """
        assert self._watch is not None, "start comes first"
        training = asyncio.create_task(self._train_broker())
        try:
            while True:
                self._last_view = await self._watch.look()
                self._screen.ticked(self._last_view)
                await asyncio.wait({self._supervisor.broken}, timeout=_LOOK_PERIOD_S)
                if self._supervisor.broken.done():
                    self._supervisor.broken.result()
        finally:
            training.cancel()
            await asyncio.gather(training, return_exceptions=True)

    async def stop(self) -> Summary | None:
        """
        End everything that was started; idempotent.

        Returns: a summary, if it ever ran.
        """
        began = time.monotonic()
        if self._watch is not None and self._is_running:
            self._last_view = await self._watch.look()
        if self._orders is not None:
            await self._orders.close()
        self._write(StackPhase.STOPPING)
        await self._supervisor.stop(budget_s=STOP_S_MAX, on_wave=self._stopping)
        self._write(StackPhase.STOPPED)
        self._lock.release()
        summary = self._summary(time.monotonic() - began) if self._is_running else None
        self._screen.closed(summary)
        self._is_running = False
        return summary

    def kill(self) -> None:
        """End all children now; `stop` then returns soon."""
        self._supervisor.kill_all()

    async def _start(self) -> StackState:
        with phase(self._screen, "home") as now:
            site, ended = await prepare_site(self._options)
            now.detail = f"ended leftovers: {', '.join(ended)}" if ended else "ready"
        self._screen.isolation_known(site.isolation.reason)
        self._state = _first_state(self._options, site)
        self._write(StackPhase.STARTING)
        ground = Ground(
            options=self._options, site=site, supervisor=self._supervisor, screen=self._screen
        )
        urls = await self._start_servers(ground)
        await self._start_processes(site, urls)
        self._write(StackPhase.RUNNING)
        if self._open_orders is not None:
            self._orders = self._open_orders(self._state, site)
        self._watch = Watch(site.home, self._supervisor.statuses, self._orders)
        self._is_running = True
        if DEMO in self._options.processes:
            await self._await_first_order(self._watch)
        self._screen.running(_facts(site, self._state))
        return self._state

    async def _start_servers(self, ground: Ground) -> dict[str, str]:
        try:
            async with asyncio.TaskGroup() as group:
                kafka = group.create_task(start_kafka(ground))
                database = group.create_task(start_database(ground))
                for venue in self._options.simulated:
                    group.create_task(start_simulator(ground, venue))
        except BaseExceptionGroup as group_of_errors:
            raise first_of(group_of_errors) from None
        self._broker = kafka.result()
        return database.result()

    async def _start_processes(self, site: Site, urls: dict[str, str]) -> None:
        names = self._options.processes
        if not names:
            return
        with phase(self._screen, "processes") as now:
            assert self._state is not None, "the state is known before a process starts"
            around = _surroundings(self._options, site, self._state, urls=urls)
            for name in names:
                self._supervisor.start(process_child(BY_NAME[name], around))
            waiting = asyncio.create_task(self._supervisor.ready(names, timeout_s=START_S_MAX))
            while not waiting.done():
                ready = [
                    s.name
                    for s in self._supervisor.statuses()
                    if s.name in names and s.state is ChildState.READY
                ]
                now.moved(f"{len(ready)} of {len(names)} ready")
                await asyncio.wait({waiting}, timeout=_LOOK_PERIOD_S / 4)
            await waiting
            now.detail = " ".join(names)

    async def _await_first_order(self, watch: Watch) -> None:
        with phase(self._screen, "first order") as now:
            deadline = time.monotonic() + _FIRST_ORDER_S_MAX
            while True:
                view = await watch.look()
                if view.place_ack.total:
                    now.detail = place_end(self._options.mode)
                    return
                if time.monotonic() > deadline:
                    now.detail = f"none acknowledged yet; see {self._log_of(DEMO)}"
                    return
                await asyncio.sleep(_LOOK_PERIOD_S / 4)

    def _write(self, now: StackPhase) -> None:
        if self._state is not None:
            # What a child printed stays in its log.
            children = tuple(replace(s, last_lines=()) for s in self._supervisor.statuses())
            self._state = replace(self._state, phase=now, children=children)
            with suppress(OSError):  # a full disk must not keep us from ending children
                write_state(self._anchor, self._state)

    async def _train_broker(self) -> None:
        await asyncio.sleep(_TRAINING_AFTER_S)
        if self._broker is not None and not self._broker.aot.is_usable():
            with suppress(SparkError):  # a start without the cache is merely slower
                await kafka_training.train(self._broker)

    def _child_changed(self, status: ChildStatus) -> None:
        if self._state is not None:
            self._write(self._state.phase)
        if self._is_running:
            self._screen.child_changed(status)

    def _show_ends(self) -> None:
        for status in self._supervisor.statuses():
            if status.last_lines:
                self._screen.last_lines(self._log_of(status.name), status.last_lines)

    def _stopping(self, names: Sequence[str]) -> None:
        self._screen.stopping(names)

    def _log_of(self, name: str) -> str:
        return str(Home(self._options.home).log_of(name))

    def _summary(self, stop_s: float) -> Summary:
        view = self._last_view
        assert view is not None, "it ran"
        return Summary(
            seconds=time.monotonic() - self._began,
            mode=self._options.mode.value,
            orders=sum(view.decisions.values()),
            acked=view.place_ack.total,
            place_ack_ms_p50=view.place_ack.p50_ms,
            feed_rows=view.rows_written,
            feed_to_db_ms_p50=view.feed_to_db.p50_ms,
            restarts=sum(status.restarts for status in self._supervisor.statuses()),
            stop_s=stop_s,
            is_data_kept=self._options.is_kept,
            home=str(self._options.home),
        )


def _opening(options: StackOptions) -> Opening:
    return Opening(
        version=__version__,
        name=options.name,
        mode=options.mode.value,
        endpoint=Endpoint.SIM.value,
        home=str(options.home),
    )


def _first_state(options: StackOptions, site: Site) -> StackState:
    ports = site.ports
    own_database = f"postgresql://{_LOOPBACK}:{ports.postgres}/spark"
    return StackState(
        name=options.name,
        phase=StackPhase.STARTING,
        supervisor=own_identity(),
        started_ns=time.time_ns(),
        home=site.home.root,
        mode=options.mode,
        endpoint=Endpoint.SIM,
        isolation_reason=site.isolation.reason,
        uids=dict(site.uids),
        kafka_bootstrap=options.kafka_bootstrap or f"{_LOOPBACK}:{ports.kafka}",
        is_kafka_embedded=not options.kafka_bootstrap,
        database_url=without_user(options.database_url or own_database),
        is_database_embedded=not options.database_url,
        simulators={venue: _simulator_at(site, venue) for venue in options.simulated},
        ports={name: getattr(ports, name) for name in type(ports).__dataclass_fields__},
    )


def _simulator_at(site: Site, venue: Venue) -> SimulatorAddress:
    port, admin_port = site.simulator_ports(venue)
    return SimulatorAddress(
        url=f"http://{_LOOPBACK}:{port}",
        stream_url=f"ws://{_LOOPBACK}:{port}",
        admin_url=f"http://{_LOOPBACK}:{admin_port}",
    )


def _surroundings(
    options: StackOptions, site: Site, state: StackState, *, urls: dict[str, str]
) -> Surroundings:
    environment = dict(options.environment) | {
        "SPARK_NAME": options.name,
        "SPARK_KAFKA_BOOTSTRAP": state.kafka_bootstrap,
        "TRADING_MODE": options.mode.value,
        "SPARK_ENDPOINT": Endpoint.SIM.value,
        "SPARK_VENUES": ",".join(options.venues),
    }
    embedded = {SIMULATORS[venue] for venue in state.simulators}
    for venue, place in state.simulators.items():
        environment |= exchange_environment(venue, place)
    if state.is_kafka_embedded:
        embedded.add(KAFKA)
    if state.is_database_embedded:
        embedded.add(POSTGRES)
    return Surroundings(
        home=site.home,
        uids=site.uids,
        environment=environment,
        database_urls=urls,
        embedded=frozenset(embedded),
        program=options.program,
    )


def _facts(site: Site, state: StackState) -> list[tuple[str, str]]:
    facts = [
        ("Kafka", f"{state.kafka_bootstrap}   (SASL, one principal for each role)"),
        ("PostgreSQL", state.database_url),
    ]
    facts += [
        ("Exchange", f"{place.url}   ({venue} simulator)")
        for venue, place in state.simulators.items()
    ]
    facts.append(("Logs", str(site.home.logs)))
    facts.append(("Try", "spark status · spark order list · spark audit tail · spark down"))
    return facts
