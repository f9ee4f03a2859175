"""
What `spark access check` walks: a stack made for it and removed, or the running one.
"""

import sys
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from spark.cli.attach import anchor, attach
from spark.embedded.home import Home, default_jar_directory
from spark.embedded.isolation import plan_isolation
from spark.embedded.processes import processes_of
from spark.embedded.roles import MIGRATE, ROLES
from spark.embedded.screen import Screen
from spark.embedded.screen_stream import Progress, choose_screen
from spark.embedded.site import SEPARATED
from spark.embedded.throwaway import Throwaway, ThrowawayOptions, running_stack, throwaway
from spark.names import Venue
from spark.ops.access import Part, Walked, skipped
from spark.ops.access_database import walk_database
from spark.ops.access_kafka import walk_kafka
from spark.ops.access_machine import Machine, walk_machine
from spark.ops.access_running import compare_database, compare_kafka
from spark.settings import read_settings
from spark.topics import PRINCIPALS, PROVISIONER

_ROOT_ONLY: Final = "only a stack that is thrown away is tried: `spark doctor` looks at this one"
_PASSABLE: Final = 0o711


async def walk_throwaway(parts: Collection[Part], say: Callable[[str], None]) -> dict[str, Walked]:
    """
    Start what is needed, try everything, remove it.

    Raises:
        SparkError: no stack could be started, or it did not answer.

    """
    found: dict[str, Walked] = {}
    servers = [part for part in parts if part is not Part.MACHINE]
    if servers:
        # No process runs on it: what is tried would end them, and they would stand in the way.
        async with throwaway(_options(()), _screen()) as stack:
            if Part.KAFKA in servers:
                say("the broker's cells")
                found[Part.KAFKA.value] = await walk_kafka(
                    {who: stack.login(who) for who in (*PRINCIPALS, PROVISIONER)}
                )
            if Part.DATABASE in servers:
                say("the database's cells")
                found[Part.DATABASE.value] = await walk_database(
                    {who: stack.database_url(who) for who in ROLES}
                )
    if Part.MACHINE in parts:
        found[Part.MACHINE.value] = await _walk_machine(say)
    return found


async def ask_running(parts: Collection[Part]) -> dict[str, Walked]:
    """
    Ask the running stack.

    Raises:
        NotRunningError: there is none.
        SparkError: it did not answer.

    """
    attached = attach()
    stack = running_stack(Home(anchor(attached.settings)), attached.state)
    found: dict[str, Walked] = {}
    if Part.KAFKA in parts:
        found[Part.KAFKA.value] = await compare_kafka(
            {who: stack.login(who) for who in (*PRINCIPALS, PROVISIONER)},
            is_exclusive=attached.state.is_kafka_embedded,
        )
    if Part.DATABASE in parts:
        found[Part.DATABASE.value] = await compare_database(stack.database_url(MIGRATE))
    if Part.MACHINE in parts:
        found[Part.MACHINE.value] = skipped(_ROOT_ONLY)
    return found


async def _walk_machine(say: Callable[[str], None]) -> Walked:
    reason = _no_isolation()
    if reason:
        return skipped(reason)
    async with throwaway(_options(processes_of((Venue.BINANCE,))), _screen()) as stack:
        say("the machine's cells")
        return await walk_machine(_machine(stack))


def _machine(stack: Throwaway) -> Machine:
    state = stack.state
    return Machine(
        home=stack.home, uids=dict(state.uids), pids=stack.pids(), reason=state.isolation_reason
    )


def _no_isolation() -> str:
    with tempfile.TemporaryDirectory(prefix="spark-access-") as directory:
        place = Path(directory)
        place.chmod(_PASSABLE)
        return plan_isolation(SEPARATED, place / "uids.json").reason


def _options(processes: tuple[str, ...]) -> ThrowawayOptions:
    settings = read_settings()
    return ThrowawayOptions(
        jar_directory=default_jar_directory(settings.process),
        processes=processes,
        has_simulator=bool(processes),
    )


def _screen() -> Screen:
    return choose_screen(sys.stderr, Progress.PLAIN)
