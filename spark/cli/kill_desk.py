"""
What `spark kill` does: finds the latch, says the kill, waits, takes orders back.
"""

from dataclasses import dataclass

from spark.bus.port import Bus
from spark.cli.attach import Attached, anchor, attach
from spark.clock import SystemClock
from spark.embedded.home import Home
from spark.errors import NotRunningError, RefusedError, SettingError
from spark.ledger.control_state import ALL_ACCOUNTS
from spark.names import HaltSource, Role, StrategyId
from spark.ops.kill import KillReport, pull, say_and_wait
from spark.ops.open_orders import TakenBack, cancel_open
from spark.producers.intents import IntentWriter
from spark.producers.kills import Kill, new_kill, pull_latch
from spark.settings import read_settings
from spark.topics import INTENTS


@dataclass(frozen=True, slots=True)
class Killed:
    """What became of a kill, and of the orders that rested."""

    report: KillReport
    taken_back: TakenBack | None = None

    @property
    def unconfirmed(self) -> list[str]:
        """Name everything that is not known to have stopped, and what rests on."""
        still = () if self.taken_back is None else self.taken_back.open
        return self.report.unconfirmed + [f"order {order} is still open" for order in still]


async def kill_now(
    reason: str, *, account: str, person: str, cancels: bool, wait_s: float
) -> Killed:
    """
    Kill as an operator.

    Raises:
        NotRunningError: no stack runs and none ever did here.
        RefusedError: no such account, no reason, or one account's kill without a stack.
        SettingError: the latch file cannot be written.
        RetryError: one account's kill, and Kafka does not take it.

    """
    kill = new_kill(reason, by=person, source=HaltSource.CLI, clock=SystemClock(), account=account)
    try:
        attached = attach(person)
    except NotRunningError:
        return _kill_without_stack(kill)
    # Before anything else is asked for, secrets included.
    report = pull(attached.settings.process.latch_dir or attached.home.kill, kill)
    try:
        bus = attached.bus()
    except SettingError as error:
        if report.latch is None:
            raise
        report.kafka_down = str(error)
        return Killed(report)
    try:
        await say_and_wait(bus, report, wait_s=wait_s)
        if not cancels or report.kafka_down:
            return Killed(report)
        return Killed(report, await _take_back(attached, bus, kill.account, wait_s=wait_s))
    finally:
        await bus.close()


async def _take_back(attached: Attached, bus: Bus, account: str, *, wait_s: float) -> TakenBack:
    tagger = attached.keyring().tagger((Role.GUARDRAIL, Role.SIGNER))
    writer = await bus.writer([INTENTS])
    try:
        strategy = StrategyId(attached.operator)
        intents = IntentWriter(strategy, writer, tagger, clock=SystemClock())
        return await cancel_open(bus, intents, account, wait_s=wait_s)
    finally:
        await writer.close()


def _kill_without_stack(kill: Kill) -> Killed:
    """Leave the file where the next start finds it."""
    settings = read_settings()
    directory = settings.process.latch_dir or Home(anchor(settings)).kill
    if kill.account != ALL_ACCOUNTS:
        raise RefusedError("no stack is running, and one account's kill stands on the log alone")
    if not directory.is_dir():
        raise NotRunningError(f"no stack is running, and there is no {directory}")
    report = KillReport(kill, pull_latch(directory, kill))
    report.kafka_down = "no stack is running"
    return Killed(report)
