"""
`spark topics`: the table of topics and, of a running stack, what stands on them.
"""

import asyncio
from typing import TYPE_CHECKING

from spark.cli.output import JsonOption, print_json, print_line

if TYPE_CHECKING:
    from spark.topics import Topic

_DAY_MS = 24 * 60 * 60 * 1000


def topics(*, as_json: JsonOption = False) -> None:
    """
    List the topics: who writes and who reads them, and how many records stand there.
    """
    from spark.topics import TOPICS

    counts = asyncio.run(_counts())
    if as_json:
        print_json({"topics": [_object(topic, counts) for topic in TOPICS]})
        return
    print_line(
        f"{'TOPIC':<24} {'RECORDS':>10} {'PART':>4} {'KEEPS':>6} {'TIME':<7} WRITERS → READERS"
    )
    for topic in TOPICS:
        count = counts.get(topic.name)
        records = "—" if count is None else f"{count:,}"
        time = "broker" if topic.append_time else "writer"
        who = f"{_who(topic.writers)} → {_who(topic.readers)}"
        shape = f"{records:>10} {topic.partitions:>4} {_kept(topic):>6} {time:<7}"
        print_line(f"{topic.name:<24} {shape} {who}")


async def _counts() -> dict[str, int]:
    """Count records of a running stack; nothing is counted where none runs."""
    from spark.bus.port import Partition
    from spark.cli.attach import OPERATOR, attach
    from spark.errors import NotRunningError
    from spark.topics import BY_NAME, readable_by

    try:
        bus = attach().bus()
    except NotRunningError:
        return {}
    readable = readable_by(OPERATOR)
    partitions = [
        Partition(name, n) for name in sorted(readable) for n in range(BY_NAME[name].partitions)
    ]
    try:
        starts, ends = await bus.starts(partitions), await bus.ends(partitions)
    finally:
        await bus.close()
    counts: dict[str, int] = dict.fromkeys(readable, 0)
    for partition in partitions:
        counts[partition.topic] += ends[partition] - starts[partition]
    return counts


def _who(principals: frozenset[str]) -> str:
    from spark.topics import PRINCIPALS

    return "everybody" if principals >= PRINCIPALS else " ".join(sorted(principals)) or "nobody"


def _kept(topic: "Topic") -> str:
    return "all" if topic.retention_ms < 0 else f"{topic.retention_ms // _DAY_MS} d"


def _object(topic: "Topic", counts: dict[str, int]) -> dict[str, object]:
    return {
        "name": topic.name,
        "purpose": topic.purpose,
        "key": topic.key,
        "events": list(topic.events),
        "partitions": topic.partitions,
        "retention_ms": topic.retention_ms,
        "is_stamped_by_broker": topic.append_time,
        "message_bytes_max": topic.message_bytes_max,
        "writers": sorted(topic.writers),
        "readers": sorted(topic.readers),
        "records": counts.get(topic.name),
    }
