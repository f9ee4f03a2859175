"""
Doctor on the programs that run: one build, or which process runs another.
"""

from spark import topics
from spark.bus.memory import MemoryBus
from spark.bus.port import Outgoing, Partition
from spark.codec import encode
from spark.events import ProcessStarted
from spark.ops.doctor import Level
from spark.ops.doctor_builds import build_findings, last_starts
from tests.made import NOW_NS
from tests.order_path import memory_log


def started(role: str, build: str) -> ProcessStarted:
    return ProcessStarted(
        role=role,
        instance="one",
        version="0.1.0",
        build=build * 64,
        configuration="c" * 64,
        uid=1000,
        started_ns=NOW_NS,
    )


async def test_the_last_start_of_each_process_counts() -> None:
    """Fault O6: a process that was restarted runs what it said last; nonsense is passed over."""
    bus = MemoryBus(memory_log())
    assert await last_starts(bus) == {}
    said = [started("gateway", "a"), started("signer", "a"), started("gateway", "b")]
    writer = await bus.writer([topics.CONTROL_STARTS])
    place = Partition(topics.CONTROL_STARTS, 0)
    bodies = [b"{", *(encode(one) for one in said)]
    await writer.write([Outgoing(place, None, body) for body in bodies])
    assert await last_starts(bus) == {"signer": said[1], "gateway": said[2]}


def test_processes_of_two_builds_are_named() -> None:
    """Fault O6: who runs what is said of those that run, and of nobody else."""
    starts = {
        name: started(name, build)
        for name, build in (("gateway", "b"), ("guardrail", "a"), ("signer", "a"), ("old", "c"))
    }
    found = build_findings(starts, ["gateway", "guardrail", "signer", "kafka"])
    assert [one.level for one in found] == [Level.FAILURE] * 2
    assert [one.text for one in found] == [
        "build bbbbbbbbbbbb: gateway",
        "build aaaaaaaaaaaa: guardrail, signer",
    ]
    (same,) = build_findings(starts, ["guardrail", "signer", "kafka"])
    assert (same.level, same.text) == (Level.OK, "2 processes, all of build aaaaaaaaaaaa")
    (none,) = build_findings(starts, ["kafka"])
    assert none.level is Level.WARNING
