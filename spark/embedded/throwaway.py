"""
A stack of its own beside a running one, gone without a trace afterwards.

Benchmarks, drills and end-to-end tests use it.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from spark.bus.kafka import KafkaLogin
from spark.embedded.children import passfile_url
from spark.embedded.home import Home
from spark.embedded.minting import SIMULATOR_ADMIN_TOKEN
from spark.embedded.plan import PROGRAM, Ports, SimulatorOptions, StackOptions
from spark.embedded.processes import SIMULATORS, processes_of
from spark.embedded.roles import ROLES
from spark.embedded.screen import Screen
from spark.embedded.screen_plain import PlainScreen
from spark.embedded.secrets import Secrets
from spark.embedded.servers import PASSFILE
from spark.embedded.stack import Stack
from spark.embedded.state import StackState, read_state
from spark.names import TradingMode, Venue

_ANY_PORTS: Final = Ports(**dict.fromkeys(Ports.__dataclass_fields__, 0))
_PASSABLE: Final = 0o711
#: A real witness, and a real file of anchors, would refuse what comes after it.
_ANCHORS: Final = ("SPARK_AUDIT_WITNESS_", "SPARK_AUDIT_ANCHORS_")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrowawayOptions:
    """What such a stack consists of."""

    jar_directory: Path
    venues: tuple[Venue, ...] = (Venue.BINANCE,)
    processes: tuple[str, ...] = processes_of((Venue.BINANCE,))
    mode: TradingMode = TradingMode.LIVE
    has_simulator: bool = True
    simulator: SimulatorOptions = field(default_factory=SimulatorOptions)
    #: Settings for every process, by the names under which it reads them.
    environment: tuple[tuple[str, str], ...] = ()
    #: The module that runs each process; a drill's own arms crash points.
    program: str = PROGRAM


@dataclass(frozen=True, slots=True)
class Throwaway:
    """A running stack, for whoever started it; `--attach` makes one of any running stack."""

    #: Where its state is written down, and where everything else is.
    anchor: Home
    home: Home
    secrets: Secrets

    @property
    def state(self) -> StackState:
        """Its coordinates and children, as they are now."""
        found = read_state(self.anchor)
        assert found is not None, "it runs"
        return found

    def login(self, principal: str) -> KafkaLogin:
        """Give a principal's way to its Kafka."""
        password = self.secrets.kafka_password(principal)
        return KafkaLogin(self.state.kafka_bootstrap, principal, password)

    def database_url(self, principal: str) -> str:
        """Give a principal's database address; its password stands in a file."""
        place = urlsplit(self.state.database_url)
        passfile = self.home.secrets_of(principal) / PASSFILE
        return passfile_url(ROLES[principal], f"{place.netloc}{place.path}", passfile)

    def pids(self) -> dict[str, int]:
        """List the processes that run now, servers included."""
        return {child.name: child.pid for child in self.state.children if child.pid is not None}

    def admin_token(self, venue: Venue = Venue.BINANCE) -> str:
        """Give what an exchange's judges ask for."""
        return self.secrets.password(SIMULATORS[venue], SIMULATOR_ADMIN_TOKEN)


def running_stack(anchor: Home, state: StackState) -> Throwaway:
    """Take hold of a stack that runs."""
    home = Home(state.home)
    return Throwaway(anchor, home, Secrets(home.secrets, state.uids))


def quiet() -> Screen:
    """Give a screen that shows nothing."""
    return PlainScreen(lambda _: None)


@asynccontextmanager
async def throwaway(
    options: ThrowawayOptions, screen: Screen | None = None
) -> AsyncIterator[Throwaway]:
    """
    Run a stack while the body runs.

    It must be entered on the thread that lives as long as the process (spawn.py).

    Raises:
        SparkError: it could not be started.

    """
    root = Path(tempfile.mkdtemp(prefix="spark-throwaway-"))
    root.chmod(_PASSABLE)
    stack = Stack(stack_options(options, root), screen or quiet())
    try:
        state = await stack.start()
        # Nobody looks at it each second: that would be measured along.
        yield running_stack(Home(root), state)
    finally:
        await stack.stop()
        shutil.rmtree(root, ignore_errors=True)


def stack_options(options: ThrowawayOptions, root: Path) -> StackOptions:
    """Say what a stack in a directory of its own consists of."""
    return StackOptions(
        name="throwaway",
        home=root,
        anchor=root,
        is_kept=False,
        jar_directory=options.jar_directory,
        mode=options.mode,
        venues=options.venues,
        processes=options.processes,
        has_simulator=options.has_simulator,
        simulator=options.simulator,
        ports=_ANY_PORTS,
        environment=_own(options.environment),
        program=options.program,
    )


def _own(environment: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Give the whole of the caps, unless less was said, and no place to anchor its trail at."""
    said = {name: value for name, value in environment if not name.startswith(_ANCHORS)}
    return tuple(({"VOLUME_RAMP_PCT": "100"} | said).items())
