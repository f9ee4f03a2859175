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

from spark.bus.kafka import KafkaLogin
from spark.embedded.home import Home
from spark.embedded.minting import SIMULATOR_ADMIN_TOKEN
from spark.embedded.plan import Ports, SimulatorOptions, StackOptions
from spark.embedded.processes import PROCESSES, SIMULATOR
from spark.embedded.screen import Screen
from spark.embedded.screen_plain import PlainScreen
from spark.embedded.secrets import Secrets
from spark.embedded.stack import Stack
from spark.embedded.state import StackState, read_state
from spark.names import TradingMode

_ANY_PORTS: Final = Ports(kafka=0, kafka_controller=0, postgres=0, simulator=0, simulator_admin=0)
_PASSABLE: Final = 0o711


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrowawayOptions:
    """What such a stack consists of."""

    jar_directory: Path
    processes: tuple[str, ...] = tuple(process.name for process in PROCESSES)
    mode: TradingMode = TradingMode.LIVE
    simulator: SimulatorOptions = field(default_factory=SimulatorOptions)
    #: Settings for every process, by the names under which it reads them.
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Throwaway:
    """A running one."""

    home: Home
    secrets: Secrets

    @property
    def state(self) -> StackState:
        """Its coordinates and children, as they are now."""
        found = read_state(self.home)
        assert found is not None, "it runs"
        return found

    def login(self, principal: str) -> KafkaLogin:
        """Give a principal's way to its Kafka."""
        password = self.secrets.kafka_password(principal)
        return KafkaLogin(self.state.kafka_bootstrap, principal, password)

    def pids(self) -> dict[str, int]:
        """List the processes that run now, servers included."""
        return {child.name: child.pid for child in self.state.children if child.pid is not None}

    def admin_token(self) -> str:
        """Give what the exchange's judges ask for."""
        return self.secrets.password(SIMULATOR, SIMULATOR_ADMIN_TOKEN)


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
    stack = Stack(_stack_options(options, root), screen or quiet())
    try:
        state = await stack.start()
        # Nobody looks at it each second: that would be measured along.
        yield Throwaway(Home(root), Secrets(root / "secrets", state.uids))
    finally:
        await stack.stop()
        shutil.rmtree(root, ignore_errors=True)


def _stack_options(options: ThrowawayOptions, root: Path) -> StackOptions:
    return StackOptions(
        name="throwaway",
        home=root,
        anchor=root,
        jar_directory=options.jar_directory,
        mode=options.mode,
        processes=options.processes,
        simulator=options.simulator,
        ports=_ANY_PORTS,
        environment=options.environment,
    )
