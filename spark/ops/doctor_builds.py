"""
What doctor looks at of the programs that run: whether every process is of the same build.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import Final

from spark.bus.port import Bus, Partition, Record
from spark.codec import decode
from spark.errors import MalformedError
from spark.events import ProcessStarted
from spark.ops.doctor import Check, Finding, failure, ok, warning
from spark.topics import CONTROL_STARTS
from spark.worker.spans import read_through

_STARTS: Final = Partition(CONTROL_STARTS, 0)
_SHOWN: Final = 12


async def last_starts(bus: Bus) -> dict[str, ProcessStarted]:
    """
    Read what each process said at its last start, by its name.

    Raises:
        BusUnavailable: Kafka does not answer.

    """
    found: dict[str, ProcessStarted] = {}

    def take(record: Record) -> None:
        try:
            event = decode(record.value or b"")
        except MalformedError:
            return
        if isinstance(event, ProcessStarted):
            found[event.role] = event

    starts, ends = await bus.starts([_STARTS]), await bus.ends([_STARTS])
    await read_through(bus, {_STARTS: (starts[_STARTS], ends[_STARTS])}, take)
    return found


def build_findings(starts: Mapping[str, ProcessStarted], running: Collection[str]) -> list[Finding]:
    """
    Compare the builds of the processes that run.

    Args:
        starts: the last start of each, by its name.
        running: names of processes; those that said nothing are not looked at.

    """
    by_build: dict[str, list[str]] = defaultdict(list)
    for name in sorted(starts.keys() & set(running)):
        by_build[starts[name].build].append(name)
    if not by_build:
        return [warning("no process said its build lately", "see runbook/audit.md")]
    if len(by_build) == 1:
        ((build, names),) = by_build.items()
        return [ok(f"{len(names)} processes, all of build {build[:_SHOWN]}")]
    fix = "restart those that run an older program; see runbook/restart.md"
    return [
        failure(f"build {build[:_SHOWN]}: {', '.join(names)}", fix)
        for build, names in by_build.items()
    ]


def build_check(open_bus: Callable[[], Bus], running: Collection[str]) -> Check:
    """Look at the builds of a stack's processes."""

    async def builds() -> list[Finding]:
        bus = open_bus()
        try:
            starts = await last_starts(bus)
        finally:
            await bus.close()
        return build_findings(starts, running)

    return Check("builds", builds)
